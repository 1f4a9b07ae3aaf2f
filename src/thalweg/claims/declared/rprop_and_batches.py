"""Claim 24: Rprop works with full batches and fails with mini-batches."""

from __future__ import annotations

import statistics

from thalweg.claims.claim import Claim, Part
from thalweg.claims.contrast import difference, factor
from thalweg.claims.evidence import Evidence, Trained
from thalweg.claims.measures import curve, finals, lost_in
from thalweg.claims.table import Contrast, Panel, Picture
from thalweg.claims.verdict import Decision

RPROP, OTHERS = "irprop_minus", ("sgd", "adam")
# By problem: whether more is better, what a lost run counts as, the margin; and for full and mini-batches the lab's
# name, epochs and seconds of a run.
GROUNDS = {
    "linear-regression": (False, 18.2, 1.05, ("linear-regression-full", 100, 0.4), ("linear-regression", 50, 0.7)),
    "binary-classifier": (True, 0.5, 0.01, ("binary-classifier-full", 100, 0.3), ("binary-classifier", 10, 0.1)),
    "sparse-logistic": (True, 0.5, 0.01, ("sparse-logistic-full", 60, 4.0), ("sparse-logistic", 20, 1.6)),
}
STUDIES = {
    name: Trained(name, name, (RPROP, *OTHERS), epochs, seconds, tune=9)
    for _, _, _, *pair in GROUNDS.values()
    for name, epochs, seconds in pair
}


def _against(evidence: Evidence, problem: str, name: str, fails: bool) -> Contrast:
    """Rprop against the better of the others, all tuned: no worse than the margin, or worse by more than it."""
    maximize, worst, none, *_ = GROUNDS[problem]
    table = evidence.tables[name]
    ends = {one: finals(table, one, "tuned", lost=worst) for one in (RPROP, *OTHERS)}
    choose = max if maximize else min
    best = choose(OTHERS, key=lambda one: statistics.fmean(ends[one].values()))
    rows = (best, RPROP) if fails else (RPROP, best)
    named = [(f"{one}, tuned", ends[one]) for one in rows]
    lost = (lost_in(table, rows[0], "tuned"), lost_in(table, rows[1], "tuned"))
    if maximize:
        margin = none if fails else -none
        return difference(
            problem, *named, measure="test accuracy", more_is_better=True, none=0.0, threshold=margin, lost=lost
        )
    margin = none if fails else 1 / none
    return factor(problem, *named, measure="test loss", more_is_better=False, threshold=margin, lost=lost)


def works(evidence: Evidence) -> list[Contrast]:
    """With full batches."""
    return [_against(evidence, problem, pair[0][0], fails=False) for problem, (_, _, _, *pair) in GROUNDS.items()]


def fails(evidence: Evidence) -> list[Contrast]:
    """With mini-batches."""
    return [_against(evidence, problem, pair[1][0], fails=True) for problem, (_, _, _, *pair) in GROUNDS.items()]


def picture(evidence: Evidence) -> Picture:
    """The linear regression, both ways."""
    panels = [
        Panel(
            title,
            "epoch",
            "test loss",
            tuple(curve(evidence.tables[name], one, "tuned", label=one) for one in STUDIES[name].optimizers),
            log_y=True,
        )
        for title, name in (
            ("Linear regression, full batches", "linear-regression-full"),
            ("The same, batches of 32", "linear-regression"),
        )
    ]
    return Picture("Each at its best learning rate, Rprop at its best first step.", tuple(panels))


CLAIM = Claim(
    number=24,
    file=__file__,
    short="Rprop: full batches yes, mini-batches no",
    text="Rprop works with full batches and fails with mini-batches.",
    source="Hinton's course, lecture 6; the reason why RMSProp exists",
    method=(
        "Three problems, each with full batches and with mini-batches of 32. Rprop in torch's form (iRprop-), its "
        "first step tuned, against the better of gradient descent and Adam, their learning rates tuned on the same "
        "budget; five seeds. Works: it ends no worse beyond a margin (.01 of accuracy, 5 % of a loss); fails: it ends "
        "worse by more than that margin."
    ),
    parts=(
        Part(
            text="With full batches tuned Rprop ends no worse, beyond a margin, than the better of SGD and Adam.",
            contrasts=works,
            rule=Decision(),
            variable="the problem",
        ),
        Part(
            text="With mini-batches it ends worse, beyond a margin, than the better of SGD and Adam.",
            contrasts=fails,
            rule=Decision(),
            variable="the problem",
        ),
    ),
    evidence=tuple(STUDIES.values()),
    picture=picture,
)
