"""What a comparison allows to be said, in one or two sentences, and no more than its seeds allow."""

from __future__ import annotations

from math import hypot, isfinite

from thalweg.lab.table import Comparison, Row
from thalweg.report.words import at_epoch, counted, number, plain, trouble, unique_labels

CAVEAT = "Each optimizer ran at the learning rate shown, none of them tuned: this ranks settings, not methods."


def verdict(comparison: Comparison) -> tuple[str, ...]:
    """The sentences below the table: who ended best, how sure that is, and what it does not say.

    An accuracy ranks by the accuracy; of any other metric we cannot know whether more is better, so the validation
    loss ranks. An optimizer with a seed that did not finish is named, not ranked: its mean is over the survivors.

    Args:
        comparison: The comparison.

    Returns:
        One to three sentences.
    """
    ranked = _ranking(comparison)
    sentences = [_best(comparison, ranked), _left_out(comparison), CAVEAT]
    return tuple(sentence for sentence in sentences if sentence)


def _ranks_by_metric(comparison: Comparison) -> bool:
    return "accuracy" in comparison.metric.lower()


def _final(comparison: Comparison, row: Row) -> tuple[float | None, float | None]:
    summary = at_epoch(row, comparison.epochs)
    if _ranks_by_metric(comparison):
        return summary.metric_mean, summary.metric_sd
    return summary.loss_mean, summary.loss_sd


def _ranking(comparison: Comparison) -> list[tuple[float, float | None, str, int]]:
    """Mean, spread, label and number of seeds of every optimizer that finished all its seeds, the best first."""
    ranked = []
    for label, row in zip(unique_labels(comparison.rows), comparison.rows, strict=True):
        mean, sd = _final(comparison, row)
        if not trouble(row) and mean is not None and isfinite(mean):
            ranked.append((mean, sd, label, len(row.seeds)))
    return sorted(ranked, key=lambda entry: entry[0], reverse=_ranks_by_metric(comparison))


def _best(comparison: Comparison, ranked: list[tuple[float, float | None, str, int]]) -> str:
    if not ranked:
        return "No optimizer finished all its seeds, so none is ranked."
    mean, sd, label, seeds = ranked[0]
    what = f"validation {plain(comparison.metric) if _ranks_by_metric(comparison) else 'loss'} of {number(mean)}"
    if len(ranked) == 1:
        return f"{label} ended with a {what}; there is no second optimizer to rank it against."
    if sd is None or any(other[1] is None for other in ranked):
        return (
            f"{label} ended best, with a {what}; with one seed nobody can say whether another seed "
            "would give the same order."
        )
    ahead = [(abs(mean - other[0]), hypot(sd, other[1] or 0.0), other[2]) for other in ranked[1:]]
    equals = [name for gap, noise, name in ahead if gap <= noise]
    if equals:
        return (
            f"{label} ended best, with a {what}, but {counted(seeds, 'seed')} cannot tell it apart from "
            f"{_listed(equals)}: the gap is below the spread between seeds."
        )
    gap, noise, second = ahead[0]
    return (
        f"{label} ended best, with a {what} (mean of {counted(seeds, 'seed')}), {number(gap)} ahead of {second}; "
        f"the spread between seeds is {number(noise)}."
    )


def _left_out(comparison: Comparison) -> str:
    pairs = zip(unique_labels(comparison.rows), comparison.rows, strict=True)
    out = [f"{label} ({trouble(row)})" for label, row in pairs if trouble(row)]
    return f"Not ranked: {_listed(out)}; their means are over the seeds that were still finite." if out else ""


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
