"""What was measured as plain data: what the report reads and `--json` prints."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Row:
    """One figure.

    Attributes:
        group: The kind of measurement.
        work: What Thalweg did.
        against: What it was measured against; empty if nothing does the same.
        ours_ms: The median time of Thalweg's side.
        peer_ms: The median time of the other side; None without one.
        ratio: The median of the ratios pair by pair: how many times as fast Thalweg is, or the share that its row says.
        target: What the ratio should reach; None where nothing is asked.
        pairs: How many pairs were measured.
        at_most: Whether the target is a limit from above.
        best: Which of the peer's settings was the fastest, where it has several.

    Example:
        >>> Row("large", "adam", "torch fused", 50.0, 51.0, 1.02, 0.97, 15).met
        True
    """

    group: str
    work: str
    against: str
    ours_ms: float
    peer_ms: float | None
    ratio: float | None
    target: float | None
    pairs: int
    at_most: bool = False
    best: str = ""

    @property
    def met(self) -> bool | None:
        """Whether the ratio reaches its target; None where there is none."""
        if self.ratio is None or self.target is None:
            return None
        return self.ratio <= self.target if self.at_most else self.ratio >= self.target


@dataclass(frozen=True)
class Table:
    """All that was measured in one call.

    Attributes:
        titles: For each group, in order, what its ratios mean.
        rows: The figures, group by group.
        machine: What they were measured on, in words.
        date: The day, as in 2025-12-31.
    """

    titles: Mapping[str, str]
    rows: tuple[Row, ...]
    machine: Mapping[str, str]
    date: str

    def of(self, group: str) -> tuple[Row, ...]:
        """The rows of one group."""
        return tuple(row for row in self.rows if row.group == group)


def as_document(table: Table) -> dict[str, Any]:
    """What `--json` prints: keys that depend on the clock start with `time_`.

    Example:
        >>> row = Row("small", "sgd", "torch's best", 1.0, 4.0, 4.0, 3.0, 15, best="foreach")
        >>> as_document(Table({"small": "1000 tensors"}, (row,), {}, "2025-12-31"))["rows"][0]["time_best"]
        'foreach'
    """
    return {
        "machine": dict(table.machine),
        "time_date": table.date,
        "groups": dict(table.titles),
        "rows": [_plain(row) for row in table.rows],
    }


def _plain(row: Row) -> dict[str, Any]:
    return {
        "group": row.group,
        "work": row.work,
        "against": row.against,
        "pairs": row.pairs,
        "target": row.target,
        "at_most": row.at_most,
        "time_ours_ms": row.ours_ms,
        "time_peer_ms": row.peer_ms,
        "time_ratio": row.ratio,
        "time_met": row.met,
        "time_best": row.best,
    }
