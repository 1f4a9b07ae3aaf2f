"""Claim 22: switching from Adam to SGD with momentum after a while generalises better than either."""

from __future__ import annotations

import statistics

from thalweg.claims.claim import Claim, Part
from thalweg.claims.contrast import difference
from thalweg.claims.evidence import Evidence, Trained
from thalweg.claims.measures import curve, finals, lost_in
from thalweg.claims.table import Contrast, Panel, Picture
from thalweg.claims.verdict import Decision
from thalweg.lab.table import Comparison

TRIALS = 16  # for two learning rates or for one: the same budget
NONE = 0.003  # of accuracy
FIRST = 8  # seeds of a first study, which was too short to decide: the others decide
# By problem: epochs, seconds of a run, chance, all seeds.
GROUNDS = {
    "mnist-mlp": (10, 1.2, 0.1, 28),
    "fine-tune": (30, 2.3, 0.2, 68),
    "sparse-logistic": (20, 1.6, 0.5, 28),
}


def switch(problem: str) -> str:
    """Adam for a third of the epochs, then momentum."""
    return f"adam@{GROUNDS[problem][0] // 3}/momentum"


STUDIES = {
    problem: Trained(
        f"{problem}, switch",
        problem,
        ("adam", "momentum", switch(problem)),
        epochs,
        seconds,
        seeds=seeds,
        tune=TRIALS,
        sampler="qmc",
    )
    for problem, (epochs, seconds, _, seeds) in GROUNDS.items()
}


def better_than_either(evidence: Evidence) -> list[Contrast]:
    """The switch against the better of the two alone, all tuned, by problem."""
    return [_better(evidence, problem) for problem in GROUNDS]


def _better(evidence: Evidence, problem: str) -> Contrast:
    table = evidence.tables[STUDIES[problem].name]
    ends = {one: _ends(table, one, GROUNDS[problem][2]) for one in STUDIES[problem].optimizers}
    best = max(("adam", "momentum"), key=lambda one: statistics.fmean(ends[one].values()))
    return difference(
        problem,
        ("adam, then momentum, tuned", ends[switch(problem)]),
        (f"{best}, tuned", ends[best]),
        measure="test accuracy",
        more_is_better=True,
        none=NONE,
        lost=(lost_in(table, switch(problem), "tuned"), lost_in(table, best, "tuned")),
    )


def _ends(table: Comparison, rule: str, chance: float) -> dict[int, float]:
    found = finals(table, rule, "tuned", lost=chance)
    return {seed: value for seed, value in found.items() if seed >= FIRST}


def picture(evidence: Evidence) -> Picture:
    """By epoch."""
    panels = []
    for problem in ("mnist-mlp", "fine-tune"):
        table = evidence.tables[STUDIES[problem].name]
        lines = [curve(table, one, "tuned", label=one) for one in ("adam", "momentum")]
        lines.append(curve(table, switch(problem), "tuned", label="adam, then momentum", dashed=True))
        panels.append(Panel(problem, "epoch", "test accuracy", tuple(lines)))
    return Picture("Each at its best learning rates. Means over seeds, with 95 % intervals.", tuple(panels))


CLAIM = Claim(
    number=22,
    file=__file__,
    short="Adam first, then momentum beats either",
    text="Switching from Adam to SGD with momentum after a while generalises better than either.",
    source="Keskar & Socher 2017",
    method=(
        "Adam for the first third of the epochs, then momentum, on three problems. Every contender has "
        f"{TRIALS} trials for its learning rates, one or two; then 20 fresh seeds, 60 on fine-tune, test accuracy. The "
        "opponent is the better of Adam and momentum alone, so a strong one."
    ),
    parts=(
        Part(
            text="Adam, then momentum, ends with a better test accuracy than the better of the two alone.",
            contrasts=better_than_either,
            rule=Decision(),
            variable="the problem",
        ),
    ),
    evidence=tuple(STUDIES.values()),
    picture=picture,
    remarks=(
        "The paper's networks are far larger, and train for hundreds of epochs.",
        "A first study of eight other seeds left this undecided: its interval was too wide on fine-tune. This one, "
        "declared before it ran, has seeds of its own and else the same rule.",
    ),
)
