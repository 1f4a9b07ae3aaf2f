"""Claim 6: raising momentum from .5 to .99 during training beats a fixed value."""

from __future__ import annotations

import statistics

from thalweg.claims.claim import Claim, Part
from thalweg.claims.contrast import difference, factor
from thalweg.claims.evidence import Evidence, Trained
from thalweg.claims.measures import curve, finals, lost_in
from thalweg.claims.table import Contrast, Panel, Picture
from thalweg.claims.verdict import Decision

FIXED = ("momentum:rho=0.5", "momentum:rho=0.9", "momentum:rho=0.99")
# By problem: epochs, steps of an epoch, seconds of a run, whether more is better, what a lost run counts as, margin.
GROUNDS = {
    "linear-regression": (50, 32, 0.7, False, 18.2, 1.02),
    "noisy-quadratic": (100, 7, 0.7, False, 353.4, 1.002),
    "matrix-factorisation": (10, 324, 1.8, False, 1.67, 1.02),
    "mnist-mlp": (10, 63, 1.2, True, 0.1, 0.005),
    "multi-task": (20, 63, 2.2, True, 0.1, 0.005),
}
JUMPS = 100  # of the schedule in a whole training: at the 49th, halfway, it arrives at .99


def rising(problem: str) -> str:
    """Momentum that is .99 from the middle of the training on."""
    epochs, steps, *_ = GROUNDS[problem]
    return f"momentum:rho=momentum_annealing(0.5, 0.99, {max(1, epochs * steps // JUMPS)})"


STUDIES = {
    problem: Trained(problem, problem, (*FIXED, rising(problem)), epochs, seconds, tune=9)
    for problem, (epochs, _, seconds, *_) in GROUNDS.items()
}


def against_fixed(evidence: Evidence) -> list[Contrast]:
    """The rising momentum against the best of the fixed ones, all tuned, by problem."""
    return [_against(evidence, problem) for problem in GROUNDS]


def _against(evidence: Evidence, problem: str) -> Contrast:
    table, (_, _, _, maximize, worst, none) = evidence.tables[problem], GROUNDS[problem]
    ends = {one: finals(table, one, "tuned", lost=worst) for one in STUDIES[problem].optimizers}
    choose = max if maximize else min
    best = choose(FIXED, key=lambda one: statistics.fmean(ends[one].values()))
    compare = difference if maximize else factor
    return compare(
        problem,
        ("rising, tuned", ends[rising(problem)]),
        (f"fixed at {best.partition('=')[2]}, tuned", ends[best]),
        measure="test accuracy" if maximize else "test loss",
        more_is_better=maximize,
        none=none,
        lost=(lost_in(table, rising(problem), "tuned"), lost_in(table, best, "tuned")),
    )


def picture(evidence: Evidence) -> Picture:
    """By epoch, each at its best learning rate."""
    panels = []
    for problem in ("mnist-mlp", "matrix-factorisation"):
        table, maximize = evidence.tables[problem], GROUNDS[problem][3]
        lines = [curve(table, one, "tuned", label=f"fixed at {one.partition('=')[2]}", dashed=True) for one in FIXED]
        lines.append(curve(table, rising(problem), "tuned", label="rising from .5 to .99"))
        named = "test accuracy" if maximize else "test loss"
        panels.append(Panel(problem, "epoch", named, tuple(lines), log_y=not maximize))
    return Picture("Each at its best learning rate. Means over seeds, with 95 % intervals.", tuple(panels))


CLAIM = Claim(
    number=6,
    file=__file__,
    short="raising momentum from .5 to .99 helps",
    text="Raising momentum from .5 to .99 during training beats a fixed value.",
    source="Hinton's course, after Sutskever et al. 2013",
    method=(
        "Momentum that rises as in Sutskever et al. 2013, .99 from the middle of the training on, against momentum "
        "fixed at .5, .9 and .99, on five problems. Each has the same nine learning rates to choose from; then five "
        "fresh seeds. The opponent is the fixed value that did best, so a strong one. The learning rate is constant."
    ),
    parts=(
        Part(
            text="Rising momentum ends better than the best fixed momentum.",
            contrasts=against_fixed,
            rule=Decision(spare=1),
            variable="the problem",
        ),
    ),
    evidence=tuple(STUDIES.values()),
    picture=picture,
    remarks=("Very deep networks and recurrent ones, for which it was proposed, are not among the problems.",),
)
