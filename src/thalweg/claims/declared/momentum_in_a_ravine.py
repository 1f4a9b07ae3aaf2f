"""Claim 3: momentum damps the zig-zag in a ravine and arrives in fewer steps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from thalweg.claims.claim import Claim, Part
from thalweg.claims.contrast import factor
from thalweg.claims.descents import descents, ellipses, grid, measured_line, quadratics, steps_until, trajectory, ways
from thalweg.claims.evidence import Computed, Evidence
from thalweg.claims.table import Contrast, Line, Panel, Picture
from thalweg.claims.verdict import Decision
from thalweg.frameworks.numpy import minimize

CONDITIONS = (10.0, 30.0, 100.0, 300.0, 1000.0)
RATES = grid(0.02, 3.9, 48)
STEPS = 4000  # gradient descent at its best rate needs 3,450 at condition 1,000
TARGET = 1e-6  # of the first height
SHARES = (0.1, 0.5, 1.0, 1.5, 1.9, 1.98)  # of 1 / steepest curvature; at 2 gradient descent diverges
OWN = "own best rates"
ARMS: dict[str, dict[str, Any]] = {"sgd": {}, "momentum": {"rho": 0.9}}
SWINGS = 400  # steps over which the way across is counted: any of these is at rest by then, or swings for ever
STEEP = 100.0  # condition number of the ravine in which the way across is measured
BOTTOM = 1.0  # the way of a run that goes straight to the bottom


def arrive(seed: int) -> Mapping[str, Any]:
    """Steps to the target at each rate's best, by rule and condition number."""
    functions = quadratics(seed, CONDITIONS)
    target = TARGET * functions.heights(functions.starts[:, None])[:, 0]
    found = {}
    for rule, hyper in ARMS.items():
        heights = functions.heights(descents(rule, functions, RATES, STEPS, hyper))
        needed = steps_until(heights, target[:, None]).min(axis=1)
        found[rule] = {f"{condition:g}": int(n) for condition, n in zip(CONDITIONS, needed, strict=True)}
    return {**found, "steps": STEPS * len(ARMS) * len(RATES) * len(CONDITIONS)}


def swing(seed: int) -> Mapping[str, Any]:
    """The way across the ravine in units of the distance to its bottom, by rule and rate."""
    functions = quadratics(seed, (STEEP,))
    target = TARGET * float(functions.heights(functions.starts[:, None])[0, 0])
    found: dict[str, Any] = {"steps": SWINGS * len(ARMS) * (len(SHARES) + len(RATES))}
    for rule, hyper in ARMS.items():
        points = descents(rule, functions, [*SHARES, *RATES], SWINGS, hyper)
        across = points[:, 0] @ functions.steepest[0]
        travelled = ways(across)
        needed = steps_until(functions.heights(points)[:, 0, len(SHARES) :], target)
        own = travelled[len(SHARES) + int(needed.argmin())]
        named = zip([*map(_share, SHARES), OWN], [*travelled[: len(SHARES)], own], strict=True)
        found[rule] = {name: float(max(way, BOTTOM)) for name, way in named}
    return found


def _share(share: float) -> str:
    return f"rate {share:g} / curvature"


def fewer_swings(evidence: Evidence) -> list[Contrast]:
    """The way across at the same rate, by rate, and each at its own best."""
    return [
        factor(
            setting,
            ("momentum 0.9", evidence.values("swings", "momentum", setting)),
            ("gradient descent", evidence.values("swings", "sgd", setting)),
            measure="less way across",
            more_is_better=False,
            none=1.1,
        )
        for setting in [*map(_share, SHARES), OWN]
    ]


def fewer_steps(evidence: Evidence) -> list[Contrast]:
    """Steps to the target, each at its best rate, by condition number."""
    return [
        factor(
            f"condition {condition:g}",
            ("momentum 0.9, tuned", evidence.values("arrivals", "momentum", f"{condition:g}")),
            ("gradient descent, tuned", evidence.values("arrivals", "sgd", f"{condition:g}")),
            measure="fewer steps",
            more_is_better=False,
            none=1.1,
        )
        for condition in CONDITIONS
    ]


def picture(evidence: Evidence) -> Picture:
    """A ravine at a low and a high rate, and steps against its condition number."""
    ground = ellipses(40.0, 4.6)
    panels = [
        Panel(
            title=f"Rate {share:g} / steepest curvature, 60 steps",
            x="along the ravine",
            y="across",
            lines=(*ground, *(trajectory(name, _descent(rule, share), rule) for rule, name in NAMES.items())),
            window=((-4.6, 2.6), (-1.3, 1.3)),
        )
        for share in (0.2, 1.95)
    ]
    lines = tuple(_needed(evidence, rule, name) for rule, name in NAMES.items())
    steps = Panel("Steps needed, each at its best rate", "condition number", "steps", lines, log_x=True, log_y=True)
    note = (
        "At a low rate gradient descent does not swing at all, momentum does; near the highest rate that "
        "gradient descent "
        "bears both swing. What momentum saves are steps along the ravine, and the more the steeper it is."
    )
    return Picture(note, (*panels, steps))


NAMES = {"sgd": "gradient descent", "momentum": "momentum 0.9"}


def _descent(rule: str, share: float) -> np.ndarray:
    def slopes(points: np.ndarray) -> np.ndarray:
        return points * np.array([1.0, 40.0])

    return minimize(rule, slopes, [-4.0, 0.6], steps=60, lr=share / 40, **ARMS[rule])


def _needed(evidence: Evidence, rule: str, name: str) -> Line:
    each = [evidence.values("arrivals", rule, f"{condition:g}") for condition in CONDITIONS]
    return measured_line(name, CONDITIONS, each, rule)


CLAIM = Claim(
    number=3,
    file=__file__,
    short="momentum damps the zig-zag, needs fewer steps",
    text="Momentum damps the zig-zag in a ravine and reaches the minimum in fewer steps.",
    source="nearly every textbook and course",
    method=(
        "Quadratics of 10 variables, turned at random, with condition numbers from 10 to 1,000. For the zig-zag both "
        f"rules descend at the same rate, and what is measured is the way across the ravine (condition {STEEP:g}) in "
        f"{SWINGS} steps, in units of the distance to its bottom. For the steps each rule has the best of the same "
        f"{len(RATES)} rates on each quadratic, and the target is {TARGET:g} of the first height. Momentum is 0.9, as "
        "it circulates."
    ),
    parts=(
        Part(
            text="At the same learning rate momentum swings less across the ravine.",
            contrasts=fewer_swings,
            rule=Decision(spare=1),
            variable="the learning rate",
        ),
        Part(
            text="Momentum reaches the minimum in fewer steps.",
            contrasts=fewer_steps,
            rule=Decision(spare=1),
            variable="how steep the ravine is",
        ),
    ),
    evidence=(
        Computed("arrivals", arrive, units=20, seconds=2.5),
        Computed("swings", swing, units=20, seconds=0.1),
    ),
    picture=picture,
    remarks=("There is no noise in these gradients; noise is what claims 1, 2 and 15 are about.",),
)
