"""Fill `docs/watch.md` with what was measured: what watching costs, and what the alarms find.

    python benchmarks/watch_overhead.py --json docs/data/watch_overhead.json
    python benchmarks/watch_faults.py --problems held-back --json docs/data/watch_faults.json
    python benchmarks/watch_page.py

The first wants a machine that has nothing else to do; the second counts, and takes some minutes. What the data has of
the other problems is of earlier trials, with the alarms of that time.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from choose import filled

DOCS = Path(__file__).parents[1] / "docs"
PAGE, OVERHEAD, FAULTS = DOCS / "watch.md", DOCS / "data" / "watch_overhead.json", DOCS / "data" / "watch_faults.json"
KINDS = {
    "held-back": "third trial",
    "held-back-second": "second trial",
    "held-back-first": "first trial",
    "known": "known",
}
Rows = Sequence[Mapping[str, Any]]


def main() -> None:
    """Fill the page."""
    PAGE.write_text(filled(PAGE.read_text(encoding="utf-8"), parts()), encoding="utf-8")


def parts() -> dict[str, str]:
    """What stands on the page, by its name there."""
    cost, faults = (json.loads(path.read_text(encoding="utf-8")) for path in (OVERHEAD, FAULTS))
    return {"overhead": overhead(cost), "faults": found({kind: faults[kind]["faults"] for kind in KINDS})}


def overhead(document: Mapping[str, Any]) -> str:
    """The table of costs: a line per optimizer, a column per distance of the measurements."""
    rows: Rows = document["rows"]
    distances = list(dict.fromkeys(row["every"] for row in rows))
    head = ["optimizer", "a step", *("every step" if every == 1 else f"every {every}th" for every in distances)]
    lines = [line(head), line(["---", *["---:"] * (len(head) - 1)])]
    for name in dict.fromkeys(row["optimizer"] for row in rows):
        own = {row["every"]: row for row in rows if row["optimizer"] == name}
        ratios = [f"{own[every]['ratio']:.3f}x ({_ends(own[every])})" for every in distances]
        lines.append(line([f"`{name}`", f"{own[distances[0]]['step_us']:.0f} µs", *ratios]))
    about = f"{rows[0]['model']}, batch 128, one thread, torch {document['torch'].partition('+')[0]}"
    said = f"A watched training step over the same one unwatched: {about}; medians of {document['pairs']} pairs"
    return f"{said}, quartiles in brackets.\n\n" + "\n".join(lines)


def _ends(row: Mapping[str, Any]) -> str:
    return "{:.2f} to {:.2f}".format(*row["quartiles"])


def found(kinds: Mapping[str, Rows]) -> str:
    """The table of faults: how many were found, and how long that took; then the healthy runs."""
    head = ["fault", "named by", *(KINDS[kind] for kind in kinds), "after"]
    lines = [line(head), line(["---", "---", *["---:"] * (len(head) - 2)])]
    for same in zip(*kinds.values(), strict=True):
        first = same[0]
        alarms = ", ".join(f"`{name}`" for name in first["alarms"])
        counts = [f"{row['found']} of {row['runs']}" for row in same]
        assert len({row["fault"] for row in same}) == 1
        lines.append(line([first["title"], alarms, *counts, f"{first['after']:.0f} steps"]))
    totals = [f"**{_sum(rows, 'found')} of {_sum(rows, 'runs')}**" for rows in kinds.values()]
    lines.append(line(["**all**", "", *totals, ""]))
    lines.append(line(["healthy runs with an alarm", "", *(_healthy(rows) for rows in kinds.values()), ""]))
    return "\n".join(lines)


def _healthy(rows: Rows) -> str:
    which = sum((Counter(row["false_alarms"]) for row in rows), Counter())
    named = "" if not which else f" ({', '.join(f'`{alarm}` {count}' for alarm, count in which.most_common())})"
    return f"{_sum(rows, 'false')} of {_sum(rows, 'healthy')}{named}"


def _sum(rows: Rows, name: str) -> int:
    return sum(row[name] for row in rows)


def line(cells: Iterable[str]) -> str:
    """A line of a table."""
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    main()
