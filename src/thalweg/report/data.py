"""A comparison as data: JSON for the page, rows of plain values for a notebook, CSV for a spreadsheet."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any

from thalweg.lab.table import Comparison
from thalweg.report import words
from thalweg.report.rows import by_result


def as_json(value: Any) -> str:
    """The data as JSON that cannot end a script element: no `<` is left in it.

    Args:
        value: A comparison, a ranking, or anything plain.

    Returns:
        One JSON document.
    """
    return json.dumps(plain_data(value), separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")


def plain_data(value: Any) -> Any:
    """What JSON can hold: a number that is not finite becomes null.

    Example:
        >>> plain_data({"a": (1, float("nan")), "b": None})
        {'a': [1, None], 'b': None}
    """
    if is_dataclass(value):
        return {field.name: plain_data(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        keys = {key: " ".join(map(str, key)) if isinstance(key, tuple) else str(key) for key in value}
        return {keys[key]: plain_data(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [plain_data(entry) for entry in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if value is None or isinstance(value, bool | int | str) else str(value)


def records(comparison: Comparison) -> list[dict[str, Any]]:
    """The answer table as plain values, the best row first.

    Args:
        comparison: The comparison.

    Returns:
        One dictionary per row; None where a value is not known.
    """
    return [plain_data(_record(comparison, one.row)) for one in by_result(comparison)]


def _record(comparison: Comparison, row: Any) -> dict[str, Any]:
    gap, reached = row.difference, row.reached
    return {
        "optimizer": row.optimizer,
        "kind": row.kind,
        "lr": row.settings.get("lr"),
        comparison.metric: row.final.mean,
        "low": row.final.low,
        "high": row.final.high,
        "difference": gap.mean if gap else None,
        "difference_low": gap.low if gap else None,
        "difference_high": gap.high if gap else None,
        "chance_better_than_next": row.chance,
        "seeds": len(row.seeds),
        "seeds_at_target": reached.seeds if reached else None,
        "steps_to_target": reached.steps if reached else None,
        "time_to_target": reached.time_seconds if reached else None,
        "steps": row.steps,
        "time_seconds": row.time_seconds,
        "time_optimizer_share": row.time_optimizer_share,
        "state_bytes": row.state_bytes,
        "trouble": words.trouble(row),
        "alarms": ", ".join(dict.fromkeys(alarm.alarm for alarm in row.alarms)) if row.watched else None,
    }


def as_csv(comparison: Comparison) -> str:
    """The answer table as CSV; text that a spreadsheet would take for a formula gets an apostrophe before it.

    Args:
        comparison: The comparison.

    Returns:
        A heading and one line per row.
    """
    rows = records(comparison)
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(map(_safe, rows[0] if rows else ["optimizer"]))
    writer.writerows([_safe(value) for value in row.values()] for row in rows)
    return file.getvalue()


def _safe(value: Any) -> Any:
    return f"'{value}" if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r")) else value
