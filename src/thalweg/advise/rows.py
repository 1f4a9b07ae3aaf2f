"""What the measured rows say for or against a rule: on the problems that are alike, and on all of them together."""

from __future__ import annotations

from collections.abc import Iterator

from thalweg.advise.candidates import Option
from thalweg.advise.evidence import CHOOSE_PAGE, Compared, Evidence, Row
from thalweg.advise.likeness import TUNED
from thalweg.advise.reason import MEASURED, PUBLISHED, Where
from thalweg.advise.table import Point


def points(option: Option, found: Evidence, where: Where) -> list[Point]:
    """The points of a rule; none where it was not measured."""
    return [*_alike(option, found, where), *_everywhere(option, found, where.kind)]


def _alike(option: Option, found: Evidence, where: Where) -> Iterator[Point]:
    names = [name for name in where.alike if name in found.problems]
    for name in names:
        problem = found.problems[name]
        row = problem.row(option.measured_as, where.kind)
        if row is not None:
            sign = 1 if row.among_the_best else -1
            words = f"on {name}, {_kind(where.kind)}{_as(option)}: {_ended(problem, row)}"
            anchor = f"{CHOOSE_PAGE}#{'tuned' if where.kind == TUNED else 'at-the-defaults'}"
            yield Point(words, "measured", sign * MEASURED / len(names), link=anchor, command=f"thalweg compare {name}")


def _kind(kind: str) -> str:
    return "tuned" if kind == TUNED else "at its default"


def _as(option: Option) -> str:
    if option.measured_as == option.rule:
        return ""
    return f" (as {option.measured_as}, from which it differs in the decay only)"


def _ended(problem: Compared, row: Row) -> str:
    """Where a row ended, and how far the best is ahead."""
    if row.mean is None:
        return "a seed diverged"
    low, high = row.interval
    own = f"{problem.metric} {row.mean:.4g} (95 % interval {low:.4g} to {high:.4g})"
    if row.behind is None:
        return f"{own}, the best of {len(problem.rows)} rows"
    if row.among_the_best:
        return f"{own}, not to be told from the best"
    ends = sorted(abs(end) for end in row.behind)
    best = problem.best
    return f"{own}, behind {best.rule}'s {best.mean:.4g} ({best.kind}) by {ends[0]:.2g} to {ends[1]:.2g}"


def _everywhere(option: Option, found: Evidence, kind: str) -> Iterator[Point]:
    """Tuned: how often it was among the best; at its default: how often all seeds reached the target."""
    held = [(problem, row) for problem in found.problems.values() if (row := problem.row(option.measured_as, kind))]
    if not held:
        return
    if kind == TUNED:
        count = sum(row.among_the_best for _, row in held)
        words = f"tuned{_as(option)}, it was among the best on {count} of {len(held)} measured problems"
    else:
        count = sum(row.reached == problem.seeds for problem, row in held)
        words = f"at its default{_as(option)}, it reached the target of {count} of {len(held)} measured problems"
    link = f"{CHOOSE_PAGE}#how-often-each-was-among-the-best"
    yield Point(words, "measured", PUBLISHED * count / len(held), link=link)
