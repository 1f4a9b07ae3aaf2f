"""Claim 9: AdaGrad's learning rate dies in long training, and large first gradients make it worse."""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Mapping
from typing import Any

import numpy as np

from thalweg.claims.claim import Claim, Part
from thalweg.claims.contrast import amount, factor
from thalweg.claims.descents import grid, quadratics
from thalweg.claims.evidence import Computed, Evidence, Trained
from thalweg.claims.measures import curve, finals, lost_in
from thalweg.claims.table import Contrast, Line, Panel, Picture
from thalweg.claims.verdict import Decision
from thalweg.frameworks.numpy import minimize

STEPS = 10_000
EARLY = 10  # the step whose rate is the measure of the later ones
DEAD = 10.0  # fallen by more than this
NOISE = {"no noise": 0.0, "noisy gradients": 0.3}  # standard deviation, per coordinate
RATES = grid(0.003, 3.0, 16)
CONDITION = 30.0
FIRST, LARGER = 5, 100.0  # so many first gradients, so many times as large
SHORT = 2000  # steps after which the harm of large first gradients is measured
FLOOR = 1e-12  # of the first height
OTHERS = ("rmsprop", "adam")
# By problem: epochs, seconds of a run, what a lost run counts as, the margin: a factor of the training loss.
LONG = {
    "mnist-mlp": (30, 3.6, 2.3, 1.05),
    "matrix-factorisation": (20, 3.6, 1.67, 1.05),
    "noisy-quadratic": (200, 1.4, 353.4, 1.01),
}
STUDIES = {
    problem: Trained(f"{problem}, long", problem, ("adagrad", *OTHERS), epochs, seconds, tune=9)
    for problem, (epochs, seconds, *_) in LONG.items()
}
OWN, AFTER = "at the rate without them", "at a rate tuned with them"


def descend(seed: int) -> Mapping[str, Any]:
    """How far the effective rate falls, with and without noise, and what large first gradients cost."""
    quadratic = quadratics(seed, (CONDITION,))
    found: dict[str, Any] = {"steps": 2 * STEPS + 2 * SHORT * len(RATES)}
    for name, noise in NOISE.items():
        sums = _sums(quadratic.matrices[0], quadratic.starts[0], noise, np.random.default_rng([seed, 7]))
        found[name] = {"fall": float(np.median(np.sqrt(sums[-1] / sums[EARLY - 1]))), "path": _falls(sums)}
    usual, spiked = (_heights(quadratic.matrices[0], quadratic.starts[0], larger) for larger in (1.0, LARGER))
    found["usual"] = {OWN: float(usual.min()), AFTER: float(usual.min())}
    found["spiked"] = {OWN: float(spiked[usual.argmin()]), AFTER: float(spiked.min())}
    return found


def _sums(matrix: np.ndarray, start: np.ndarray, noise: float, random: np.random.Generator) -> np.ndarray:
    """AdaGrad's sums of squared gradients after every step, at a rate in the middle of the grid."""
    seen: list[np.ndarray] = []

    def slopes(point: np.ndarray) -> np.ndarray:
        seen.append(matrix @ point + noise * random.normal(size=len(point)))
        return seen[-1]

    minimize("adagrad", slopes, start, steps=STEPS, lr=0.1, record="last")
    return np.cumsum(np.square(seen[:STEPS]), axis=0)


def _falls(sums: np.ndarray) -> list[float]:
    """The rate over that of the early step, at places evenly spaced on a logarithmic scale."""
    return [float(np.median(np.sqrt(sums[EARLY - 1] / sums[place]))) for place in PLACES]


PLACES = [int(place) for place in np.unique(np.geomspace(EARLY, STEPS, 40).round()) - 1]


def _heights(matrix: np.ndarray, start: np.ndarray, larger: float) -> np.ndarray:
    """By rate the height in the end, of the first height."""
    steps = itertools.count(1)

    def slopes(points: np.ndarray) -> np.ndarray:
        return points @ matrix * (larger if next(steps) <= FIRST else 1.0)

    x = minimize("adagrad", slopes, start[None], steps=SHORT, lr=np.array(RATES), record="last")
    return np.maximum(((x @ matrix) * x).sum(-1) / (start @ matrix @ start), FLOOR)


def dies(evidence: Evidence) -> list[Contrast]:
    """How far the rate has fallen from step 10 to the last, with and without noise."""
    return [
        amount(
            name,
            "adagrad",
            evidence.values("descents", name, "fall"),
            measure=f"fall of the rate from step {EARLY} to {STEPS:,}",
            threshold=DEAD,
        )
        for name in NOISE
    ]


def falls_behind(evidence: Evidence) -> list[Contrast]:
    """Training loss after long training against the better of RMSProp and Adam, all tuned on it."""
    return [_behind(evidence, problem) for problem in LONG]


def _behind(evidence: Evidence, problem: str) -> Contrast:
    table, (_, _, worst, none) = evidence.tables[STUDIES[problem].name], LONG[problem]
    ends = {one: finals(table, one, "tuned", lost=worst, name="train_loss") for one in ("adagrad", *OTHERS)}
    best = min(OTHERS, key=lambda one: statistics.fmean(ends[one].values()))
    return factor(
        problem,
        (f"{best}, tuned", ends[best]),
        ("adagrad, tuned", ends["adagrad"]),
        measure="training loss",
        more_is_better=False,
        none=none,
        lost=(lost_in(table, best, "tuned"), lost_in(table, "adagrad", "tuned")),
    )


def worse_after_large_ones(evidence: Evidence) -> list[Contrast]:
    """The height in the end with large first gradients against that without, by how the rate was chosen."""
    return [
        factor(
            setting,
            (f"first {FIRST} gradients times {LARGER:g}", evidence.values("descents", "spiked", setting)),
            ("as they are", evidence.values("descents", "usual", setting)),
            measure="height in the end",
            more_is_better=True,
            none=1.1,
        )
        for setting in (OWN, AFTER)
    ]


def picture(evidence: Evidence) -> Picture:
    """The fall of the rate, and a long training."""
    unit = min(evidence.computed["descents"])
    steps = tuple(float(place + 1) for place in PLACES)
    falls = tuple(
        Line(name, steps, tuple(evidence.computed["descents"][unit][name]["path"]), rule="adagrad", dashed=not noise)
        for name, noise in NOISE.items()
    )
    table = evidence.tables[STUDIES["mnist-mlp"].name]
    lines = tuple(curve(table, one, "tuned", name="train_loss") for one in ("adagrad", *OTHERS))
    return Picture(
        "Left: AdaGrad's effective learning rate on one quadratic, in units of that at step 10. Right: digits, 30 "
        "epochs, each rule at its best rate.",
        (
            Panel("Effective learning rate", "step", "of that at step 10", falls, log_x=True, log_y=True),
            Panel("Digits", "epoch", "training loss", lines, log_y=True),
        ),
    )


CLAIM = Claim(
    number=9,
    file=__file__,
    short="AdaGrad's rate dies in long training",
    text="AdaGrad's learning rate dies in long training; large first gradients make it worse.",
    source="nearly every course, after Zeiler 2012",
    method=(
        f"Quadratics of 10 variables, condition {CONDITION:g}, turned at random: how far the median effective rate "
        f"falls from step {EARLY} to step {STEPS:,}, with and without noise in the gradient. Three long trainings, "
        "AdaGrad against the better of RMSProp and Adam, all tuned on the long training. And quadratics again, "
        f"{SHORT:,} steps, whose first {FIRST} gradients are {LARGER:g} times as large, at the rate that is best "
        "without them and at the one that is best with them."
    ),
    parts=(
        Part(
            text=f"The effective learning rate falls by more than ten from step {EARLY} to step {STEPS:,}.",
            contrasts=dies,
            rule=Decision(),
            variable="whether gradients are noisy",
        ),
        Part(
            text="In long training AdaGrad ends with a higher training loss than the better of RMSProp and Adam.",
            contrasts=falls_behind,
            rule=Decision(),
            variable="the problem",
        ),
        Part(
            text="Large first gradients leave AdaGrad higher in the end.",
            contrasts=worse_after_large_ones,
            rule=Decision(),
            variable="whether the learning rate is tuned afterwards",
        ),
    ),
    evidence=(Computed("descents", descend, units=20, seconds=1.0), *STUDIES.values()),
    picture=picture,
)
