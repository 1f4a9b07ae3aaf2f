"""Claim 5: Nesterov's look-ahead oscillates less around a minimum than momentum."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from thalweg.claims.claim import Claim, Part
from thalweg.claims.contrast import factor
from thalweg.claims.descents import (
    descents,
    ellipses,
    grid,
    measured_line,
    quadratics,
    steps_until,
    trajectory,
    ways,
)
from thalweg.claims.evidence import Computed, Evidence
from thalweg.claims.table import Contrast, Panel, Picture
from thalweg.claims.verdict import Decision
from thalweg.frameworks.numpy import minimize

ARMS = {"nesterov_lookahead": "Nesterov 0.9", "momentum_velocity": "momentum 0.9"}
MOMENTUM = 0.9
CONDITION = 100.0
SHARES = (0.01, 0.1, 0.5, 1.0, 1.3, 1.5)  # of 1 / steepest curvature
RATES = grid(0.02, 3.7, 48)
OWN = "own best rates"
STEPS = 400  # any of these has come to rest by then, or swings for ever
TARGET = 1e-6
NOISE, NOISY = 0.3, (0.1, 0.5)
TAIL = 2000  # steps with noise after the first `STEPS`, over which the distance from the minimum is measured
DIVERGED = 1e6  # what a way counts as that has no end


def _share(share: float) -> str:
    return f"rate {share:g} / curvature"


def swing(seed: int) -> Mapping[str, Any]:
    """The way along the steepest direction, in units of its start's distance from the minimum, by rule and rate."""
    functions = quadratics(seed, (CONDITION,))
    target = TARGET * float(functions.heights(functions.starts[:, None])[0, 0])
    found: dict[str, Any] = {"steps": STEPS * len(ARMS) * (len(SHARES) + len(RATES)) + TAIL * len(NOISY) * len(ARMS)}
    for rule in ARMS:
        points = descents(rule, functions, [*SHARES, *RATES], STEPS, {"mu": MOMENTUM})
        travelled = np.minimum(ways(points[:, 0] @ functions.steepest[0]), DIVERGED)
        needed = steps_until(functions.heights(points)[:, 0, len(SHARES) :], target)
        own = travelled[len(SHARES) + int(needed.argmin())]
        named = zip([*map(_share, SHARES), OWN], [*travelled[: len(SHARES)], own], strict=True)
        found[rule] = {name: float(way) for name, way in named}
        found[rule] |= {f"noise, {_share(share)}": restless(rule, seed, share) for share in NOISY}
    return found


def restless(rule: str, seed: int, share: float) -> float:
    """Around the minimum, where noise keeps it moving: the root of the mean square of the steepest coordinate."""
    functions, random = quadratics(seed, (CONDITION,)), np.random.default_rng(seed)

    def slopes(points: np.ndarray) -> np.ndarray:
        return functions.slopes(points) + random.normal(scale=NOISE, size=points.shape)

    points = minimize(rule, slopes, functions.starts[:, None], steps=STEPS + TAIL, lr=share, mu=MOMENTUM)
    return float(np.sqrt(np.mean((points[STEPS:, 0, 0] @ functions.steepest[0]) ** 2)))


def less_way(evidence: Evidence) -> list[Contrast]:
    """The way at the same rate, by rate, and each at its own best; then the unrest under noise."""
    quiet = [*map(_share, SHARES), OWN]
    noisy = [f"noise, {_share(share)}" for share in NOISY]
    arms = {rule: {setting: evidence.values("swings", rule, setting) for setting in [*quiet, *noisy]} for rule in ARMS}
    return [
        factor(
            setting,
            *((name, arms[rule][setting]) for rule, name in ARMS.items()),
            measure="less way around the minimum" if setting in quiet else "less unrest around the minimum",
            more_is_better=False,
            none=1.05,
            lost=_lost(arms, setting),
        )
        for setting in [*quiet, *noisy]
    ]


def _lost(arms: Mapping[str, Mapping[str, Mapping[int, float]]], setting: str) -> tuple[int, int]:
    first, second = (sum(value >= DIVERGED for value in arms[rule][setting].values()) for rule in ARMS)
    return first, second


def picture(evidence: Evidence) -> Picture:
    """Both in a ravine, and the way against the rate."""
    paths = tuple(
        trajectory(name, _descent(rule), "nesterov" if "nest" in rule else "momentum") for rule, name in ARMS.items()
    )
    ravine = Panel(
        "Condition 10, rate 0.5 / steepest curvature, 60 steps",
        "along",
        "across",
        (*ellipses(10.0, 4.6), *paths),
        window=((-4.6, 3.0), (-1.6, 1.6)),
    )
    lines = tuple(
        measured_line(
            name,
            SHARES,
            [evidence.values("swings", rule, _share(share)) for share in SHARES],
            "nesterov" if "nest" in rule else "momentum",
        )
        for rule, name in ARMS.items()
    )
    way = Panel(
        "The way across until it rests", "rate, of 1 / steepest curvature", "in starts' distances", lines, True, True
    )
    return Picture(
        "Nesterov's gradient is taken where the momentum leads, and brakes earlier. Above a rate of 1.36 / "
        "curvature it "
        "diverges, where momentum still bears 3.8.",
        (ravine, way),
    )


def _descent(rule: str) -> np.ndarray:
    def slopes(points: np.ndarray) -> np.ndarray:
        return points * np.array([0.1, 1.0])

    return minimize(rule, slopes, [-4.0, 1.2], steps=60, lr=0.5, mu=MOMENTUM)


CLAIM = Claim(
    number=5,
    file=__file__,
    short="Nesterov oscillates less than momentum",
    text="Nesterov's look-ahead oscillates less around a minimum than momentum.",
    source="courses; Sutskever et al. 2013",
    method=(
        f"Quadratics of 10 variables, turned at random, condition {CONDITION:g}; momentum 0.9 in both, the gradient of "
        "Nesterov's taken at the point ahead, as in the paper. At the same rate, and at the best of the same "
        f"{len(RATES)} rates for each, the way along the steepest direction within {STEPS} steps, over the start's "
        "distance: more of it is oscillation. With noise in the gradients, the mean distance from the minimum "
        "along that "
        f"direction over {TAIL:,} steps. A run that diverges counts as a way of {DIVERGED:,.0f}."
    ),
    parts=(
        Part(
            text="At the same momentum Nesterov's method swings less around the minimum.",
            contrasts=less_way,
            rule=Decision(spare=2),
            variable="the learning rate",
        ),
    ),
    evidence=(Computed("swings", swing, units=20, seconds=0.6),),
    picture=picture,
)
