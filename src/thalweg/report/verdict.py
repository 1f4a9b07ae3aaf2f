"""What a comparison allows to be said, in one to three sentences, and no more than its intervals allow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from thalweg.lab.table import Comparison, Estimate, Row
from thalweg.report.phrases import interval, result
from thalweg.report.words import counted, plain, told_apart, trouble, unique_labels

CAVEAT = "Each optimizer ran at the learning rate shown, none of them tuned: this ranks settings, not methods."
MOST_NAMES = 6  # more than these make no sentence


@dataclass(frozen=True)
class _Ranked:
    """The rows of one kind that can be ranked, the best first.

    Attributes:
        rows: The rows.
        names: What a sentence calls them.
        equals: Those that cannot be told apart from the best.
    """

    rows: tuple[Row, ...]
    names: tuple[str, ...]
    equals: tuple[str, ...]


def verdict(comparison: Comparison) -> tuple[str, ...]:
    """The sentences below the table: who ended best, how sure that is, and what it does not say.

    With tuned rows it is about these, and says what the default rows alone would have said where that is more or
    another thing. One row is ahead of another only if the 95 % interval of their paired difference excludes 0; where
    the table holds no such difference, for it has those to the best row of all, only if their own intervals lie apart,
    which asks for more. An optimizer with a seed that did not finish is named, not ranked: its mean is over the
    survivors.

    Args:
        comparison: The comparison.

    Returns:
        One to three sentences.
    """
    if not comparison.rows:
        return ("No optimizer was compared.", CAVEAT)
    tuned = any(row.kind == "tuned" for row in comparison.rows)
    ranked = _ranking(comparison, "tuned" if tuned else "default")
    best = f"Tuned, {_best(comparison, ranked)}" if tuned and ranked.rows else _best(comparison, ranked)
    otherwise = _of_the_defaults(comparison, ranked) if tuned else ""
    sentences = [best, otherwise, _left_out(comparison), "" if tuned else CAVEAT]
    return tuple(sentence for sentence in sentences if sentence)


def _ranking(comparison: Comparison, kind: str) -> _Ranked:
    alike = [row for row in comparison.rows if row.kind == kind]
    names = told_apart([plain(row.optimizer) for row in alike])
    pairs = [(row, name) for row, name in zip(alike, names, strict=True) if not _why_not(row, comparison)]
    pairs.sort(key=lambda pair: pair[0].final.mean or 0.0, reverse=comparison.maximize)
    equals = (name for row, name in pairs[1:] if not _behind(row, pairs[0][0], comparison.maximize))
    return _Ranked(tuple(row for row, _ in pairs), tuple(name for _, name in pairs), tuple(equals))


def _why_not(row: Row, comparison: Comparison) -> str:
    """Why a row is not ranked; nothing where it is."""
    seeds = max(len(other.seeds) for other in comparison.rows)
    if trouble(row):
        return trouble(row)
    if not row.seeds:
        return "no run so far"
    if len(row.seeds) < seeds:
        return f"{len(row.seeds)} of {counted(seeds, 'seed')} so far"
    return "" if row.final.mean is not None and row.final.seeds == seeds else "no final value from every seed"


def _behind(row: Row, best: Row, maximize: bool) -> bool:
    """Whether a row is worse than the best of its kind, as far as the intervals tell."""
    paired = best.difference is None  # only then are the differences in the table those to this row
    worse, better = (row.difference, Estimate(0.0, 0.0, 0.0)) if paired else (row.final, best.final)
    if worse is None or worse.low is None or worse.high is None or better.low is None or better.high is None:
        return False
    return worse.high < better.low if maximize else worse.low > better.high


def _best(comparison: Comparison, ranked: _Ranked) -> str:
    if not ranked.rows:
        tuned = any(row.kind == "tuned" for row in comparison.rows)
        return f"No {'tuned ' if tuned else ''}optimizer finished all its seeds, so none is ranked."
    first, name = ranked.rows[0], ranked.names[0]
    what = f"with {plain(comparison.metric)} {result(first.final.mean)}{_within(first.final)}"
    if len(ranked.rows) == 1:
        return f"{name} ended {what}; there is no second optimizer to rank it against."
    if first.final.seeds == 1:
        return f"{name} ended best, {what}; with one seed nobody can say whether another would give the same order."
    if not ranked.equals:
        return f"{name} ended best, {what}, {_lead(ranked)}."
    return (
        f"{name} ended best, {what}, but {counted(first.final.seeds, 'seed')} cannot tell it apart from "
        f"{_equals(ranked)}."
    )


def _equals(ranked: _Ranked) -> str:
    """Who cannot be told apart from the best, and why."""
    several = len(ranked.equals) > 1
    whom = "any other" if several and len(ranked.equals) == len(ranked.rows) - 1 else _listed(ranked.equals)
    if ranked.rows[0].difference is not None:
        return f"{whom}: their 95 % intervals overlap"
    if any(row.difference is None or row.difference.low is None for row in ranked.rows[1:]):
        return f"{whom}: too few seeds are common to all for an interval of every difference"
    between = "intervals of the differences include" if several else "interval of the difference includes"
    return f"{whom}: the 95 % {between} 0"


def _lead(ranked: _Ranked) -> str:
    """That the best is ahead of all others, and how far of the next."""
    rest = f"ahead of {ranked.names[1]}" if len(ranked.rows) == 2 else "ahead of every other"
    difference = ranked.rows[1].difference
    if ranked.rows[0].difference is not None or difference is None or difference.mean is None:
        return rest
    gap = f"{result(abs(difference.mean))}{_within(_size(difference))}"
    return f"{rest} by {gap}" if len(ranked.rows) == 2 else f"{rest}; the next, {ranked.names[1]}, is behind by {gap}"


def _size(difference: Estimate) -> Estimate:
    """A difference without its sign, which is that of both its ends."""
    low, high = sorted((abs(difference.low or 0.0), abs(difference.high or 0.0)))
    return Estimate(abs(difference.mean or 0.0), low, high)


def _within(estimate: Estimate) -> str:
    ends = interval(estimate)
    return f" (95 % interval {ends})" if ends else ""


def _of_the_defaults(comparison: Comparison, tuned: _Ranked) -> str:
    """What the default rows alone would have said, where it is more or another thing."""
    ranked = _ranking(comparison, "default")
    if len(ranked.rows) < 2:
        return ""
    same = tuned.names[:1] == ranked.names[:1]
    if same and (ranked.equals or not tuned.equals):
        return ""
    place = "first" if ranked.equals else "ahead of every other"
    return f"The default rows alone would have put {ranked.names[0]} {place}: they rank settings, not methods."


def _left_out(comparison: Comparison) -> str:
    """Rows that are not ranked, and optimizers without a tuned row where others have one."""
    tuned = {row.optimizer for row in comparison.rows if row.kind == "tuned"}
    out = []
    for row, name in zip(comparison.rows, unique_labels(comparison.rows), strict=True):
        both = row.kind == "default" and row.optimizer in tuned
        missing = "not tuned" if tuned and row.optimizer not in tuned else ""
        why = ", ".join(reason for reason in (missing, _why_not(row, comparison)) if reason)
        out += [f"{name}{' at default settings' if both else ''} ({why})"] if why else []
    survivors = any(trouble(row) for row in comparison.rows)
    means = "; their means are over the seeds that were still finite" if survivors else ""
    return f"Not ranked: {_listed(out)}{means}." if out else ""


def _listed(names: Sequence[str]) -> str:
    shown = [*names[:MOST_NAMES], *([f"{len(names) - MOST_NAMES} more"] if len(names) > MOST_NAMES else [])]
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]}"
