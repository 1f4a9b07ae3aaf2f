"""What `--json` prints: what depends on the clock has a key that starts with `time_`, and there are no paths in it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from thalweg.lab.document import to_plain
from thalweg.lab.table import Comparison, Ranking, Row


def document(comparisons: Sequence[Comparison], ranking: Ranking | None = None) -> Any:
    """A list of rows for one comparison; for several one list by problem, and their ranking.

    Args:
        comparisons: The comparisons.
        ranking: Of their optimizers, where there are several.
    """
    tables = {comparison.problem: [_row(row) for row in comparison.rows] for comparison in comparisons}
    if len(comparisons) == 1:
        return tables[comparisons[0].problem]
    if ranking is None:
        return {"problems": tables, "ranking": None}
    changes = [
        {"left_out": kind, "name": name, "order": list(order)} for (kind, name), order in ranking.changes.items()
    ]
    profiles = [to_plain(profile) for profile in ranking.profiles]
    return {
        "problems": tables,
        "ranking": {"cost": ranking.cost, "profiles": profiles, "left_out": ranking.left_out, "changes": changes},
    }


def _row(row: Row) -> dict[str, Any]:
    return {
        "optimizer": row.optimizer,
        "kind": row.kind,
        "settings": {"rule": row.rule, **row.settings},
        "seeds": list(row.seeds),
        "status": list(row.statuses),
        **{
            name: to_plain(getattr(row, name))
            for name in (
                "epochs",
                "final",
                "difference",
                "chance",
                "reached",
                "steps",
                "state_bytes",
                "tuning",
                "notes",
                "alarms",
            )
        },
        "time_seconds": row.time_seconds,
        "time_optimizer_share": row.time_optimizer_share,
    }
