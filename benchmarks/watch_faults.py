"""Do the alarms of `thalweg.watch` find what is wrong, and are they silent where nothing is?

    python benchmarks/watch_faults.py [--problems known|held-back-first|held-back-second|held-back] [--runs 20] \
        [--every 1] [--faults lr-high,nan] [--processes 2] [--json FILE]

For every fault so many runs with the fault planted, and for each its healthy twin: the same problem, seed and family of
rules, well set. Half of the runs take the steps of torch's own optimizers, half those of Thalweg's. Found: by an alarm
that names this fault, in the layer where it is, and after it began; `faults/fault.py` says which alarms do. Other: only
other alarms were raised. After: the median of the steps from the fault's beginning to the alarm, which is raised up to
32 measurements late. A healthy run with any alarm is a false alarm.

The alarms' thresholds were set with the known problems in sight, tried on those that were held back at first, and set
anew with both in sight; the problems that were held back second were first watched when these were committed, and two
alarms were then mended with them in sight. Those that are held back now were first watched when that was committed.
With `--every 0` nothing is watched: that shows whether the faults do harm and the healthy runs learn. `--json` writes
everything into a file, beside what it holds of the other problems.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from faults.fault import BY_NAME, FAULTS, Fault
from faults.grounds import GROUNDS, ground_of
from faults.outcome import Outcome, outcome
from faults.plan import planned
from faults.trial import Trial

HEAD = f"{'fault':26}{'runs':>5}{'found':>6}{'other':>6}{'missed':>7}{'after':>6}{'healthy':>9}{'alarms':>7}"


def outcomes(trials: Sequence[Trial], processes: int) -> Iterator[Outcome]:
    """Every trial's outcome, as they come; in this process where there is to be one only."""
    if processes == 1:
        yield from map(outcome, trials)
        return
    with get_context("spawn").Pool(processes) as pool:
        yield from pool.imap_unordered(outcome, trials, chunksize=1)


def summary(fault: Fault, done: Iterable[Outcome]) -> dict[str, Any]:
    """A line of the table, and all that it rests on."""
    mine = sorted((o for o in done if o.trial.fault == fault.name), key=lambda o: (not o.trial.faulty, o.trial.turn))
    faulty = [o for o in mine if o.trial.faulty]
    healthy = [o for o in mine if not o.trial.faulty]
    first = [(o.trial, o.found) for o in faulty]
    after = [alarmed.step - trial.begins for trial, alarmed in first if alarmed is not None]
    return {
        "fault": fault.name,
        "title": fault.title,
        "alarms": list(fault.alarms),
        "runs": len(faulty),
        "found": len(after),
        "other": sum(bool(o.alarms) and o.found is None for o in faulty),
        "missed": sum(not o.alarms for o in faulty),
        "after": statistics.median(after) if after else None,
        "healthy": len(healthy),
        "false": sum(bool(o.alarms) for o in healthy),
        "false_alarms": dict(sorted(Counter(name for o in healthy for name in {a.alarm for a in o.alarms}).items())),
        "unlearned": sum(not o.end <= ground_of(o.trial.problem).reached for o in healthy),
        "trials": [plain(o) for o in mine],
    }


def plain(done: Outcome) -> dict[str, Any]:
    """An outcome as JSON has it; of the settings what is not usual, of the alarms the words too."""
    usual = Trial("", False, 0, "", "", "", 0, 0.0, 0, 0)
    settings = {name: value for name, value in asdict(done.trial).items() if value != getattr(usual, name)}
    settings.pop("fault")
    return {
        **settings,
        "layers": list(done.layers),
        "found": done.found is not None,
        "start": short(done.start),
        "end": short(done.end),
        "alarms": [{**asdict(alarmed), "number": short(alarmed.number)} for alarmed in done.alarms],
        "time_seconds": round(done.time_seconds, 2),
    }


def short(value: float) -> float | str:
    """Four digits; what JSON cannot write, as text."""
    return float(f"{value:.4g}") if abs(value) < float("inf") else str(value)


def lines(rows: Sequence[dict[str, Any]]) -> Iterator[str]:
    """The table, and which alarms were false."""
    yield HEAD
    for row in rows:
        after = "" if row["after"] is None else f"{row['after']:.0f}"
        yield (
            f"{row['title']:26}{row['runs']:>5}{row['found']:>6}{row['other']:>6}{row['missed']:>7}{after:>6}"
            f"{row['healthy']:>9}{row['false']:>7}"
        )
    total = {name: sum(row[name] for row in rows) for name in ("runs", "found", "other", "missed", "healthy", "false")}
    yield (
        f"{'all':26}{total['runs']:>5}{total['found']:>6}{total['other']:>6}{total['missed']:>7}{'':>6}"
        f"{total['healthy']:>9}{total['false']:>7}"
    )
    if total["runs"] and total["healthy"]:
        found, false = total["found"] / total["runs"], total["false"] / total["healthy"]
        yield f"found {found:.1%} of the faults; {false:.1%} of the healthy runs had an alarm"
    for name, count in sum((Counter(row["false_alarms"]) for row in rows), Counter()).most_common():
        yield f"    {name}: in {count} healthy run{'s' * (count > 1)}"
    if unlearned := sum(row["unlearned"] for row in rows):
        yield f"{unlearned} of the healthy runs learned less than they should"


def losses(rows: Sequence[dict[str, Any]]) -> Iterator[str]:
    """Without a watch: from which loss to which, and whether the healthy runs learn."""
    yield f"{'fault':18}{'problem':22}{'rule':10}{'lr':>10}{'from':>10}{'to':>10}"
    for row in rows:
        for trial in row["trials"]:
            kind = row["fault"] if trial.get("faulty") else f"  ({row['fault']})"
            ends = "".join(f"{trial[name]:>10}" for name in ("lr", "start", "end"))
            yield f"{kind:18}{trial['problem']:22}{trial['rule']:10}{ends}"


def written(path: Path, problems: str, document: dict[str, Any]) -> None:
    """The document put into the file, beside what that has of other problems."""
    whole = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    draft = path.with_name(path.name + ".new")
    draft.write_text(json.dumps({**whole, problems: document}, indent=1) + "\n", encoding="utf-8")
    draft.replace(path)


def main(arguments: Sequence[str] | None = None) -> None:
    """Read the arguments, run, print the table."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--problems", choices=sorted(GROUNDS), default="known")
    parser.add_argument("--only", help="problems of these, separated by commas")
    parser.add_argument("--faults", default=",".join(BY_NAME))
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args(arguments)
    only = options.only.split(",") if options.only else [ground.problem for ground in GROUNDS[options.problems]]
    grounds = [ground for ground in GROUNDS[options.problems] if ground.problem in only]
    faults = [fault for fault in FAULTS if fault.name in options.faults.split(",")]
    pairs = (pair for fault in faults for pair in planned(fault, grounds, options.runs, options.every))
    trials = [trial for pair in pairs for trial in pair]
    done = []
    for number, each in enumerate(outcomes(trials, options.processes), 1):
        done.append(each)
        if sys.stderr.isatty():
            print(f"\r{number} of {len(trials)} runs", end="\n" * (number == len(trials)), file=sys.stderr, flush=True)
    rows = [summary(fault, done) for fault in faults]
    if options.json:
        written(options.json, options.problems, {"runs": options.runs, "every": options.every, "faults": rows})
    print("\n".join(lines(rows) if options.every else losses(rows)))


if __name__ == "__main__":
    main()
