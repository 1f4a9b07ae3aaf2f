"""Claim 14: without bias correction Adam's first steps are far too large."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from thalweg.claims.claim import Claim, Part
from thalweg.claims.contrast import factor
from thalweg.claims.descents import grid, quadratics
from thalweg.claims.evidence import Computed, Evidence
from thalweg.claims.table import Contrast, Line, Panel, Picture
from thalweg.claims.verdict import Decision
from thalweg.frameworks.numpy import minimize

PAIRS = ((0.9, 0.9), (0.9, 0.95), (0.9, 0.99), (0.9, 0.999), (0.9, 0.9999), (0.99, 0.999))
FIRST = 100  # steps whose lengths are compared
FAR = 2.0  # times too large is far too large
ARMS = ("adam_uncorrected", "adam")
CONDITIONS = (10.0, 100.0, 1000.0)
RATES = grid(1e-4, 1.0, 25)
NOISE = 0.3
NEAR = 0.1  # of a random start: as a network is that was trained before


def _pair(beta1: float, beta2: float) -> str:
    return f"averages {beta1:g}, {beta2:g}"


def lengths(seed: int) -> Mapping[str, Any]:
    """The mean length of the first steps over the learning rate, by rule and averages, under noisy gradients."""
    found: dict[str, Any] = {"steps": FIRST * len(ARMS) * len(PAIRS)}
    for rule in ARMS:
        found[rule] = {}
        for beta1, beta2 in PAIRS:
            path = minimize(rule, _stream(seed), np.zeros(50), steps=FIRST, lr=1.0, beta1=beta1, beta2=beta2)
            found[rule][_pair(beta1, beta2)] = float(np.abs(np.diff(path, axis=0)).mean())
    return found


def _stream(seed: int) -> Any:
    """Gradients with a mean of their own in each component, and noise about as large."""
    random = np.random.default_rng(seed)
    means = random.normal(size=50)
    return lambda points: means + random.normal(size=points.shape)


def heights(seed: int) -> Mapping[str, Any]:
    """The mean height over the first steps, over the first height, at Adam's best rate, by rule and condition."""
    found: dict[str, Any] = {"steps": FIRST * len(ARMS) * len(RATES) * len(CONDITIONS)}
    paths = {rule: _falls(rule, seed) for rule in ARMS}
    best = paths["adam"].mean(axis=0).argmin(axis=1)
    for rule in ARMS:
        chosen = paths[rule].mean(axis=0)[np.arange(len(CONDITIONS)), best]
        found[rule] = {f"condition {k:g}": float(value) for k, value in zip(CONDITIONS, chosen, strict=True)}
    return found


def _falls(rule: str, seed: int) -> np.ndarray:
    """Heights over the first one, of shape (steps, conditions, rates); every rate meets the same noise."""
    functions, random = quadratics(seed, CONDITIONS), np.random.default_rng(seed)
    starts = NEAR * functions.starts[:, None]

    def slopes(points: np.ndarray) -> np.ndarray:
        noise = random.normal(scale=NEAR * NOISE, size=(points.shape[0], 1, points.shape[-1]))
        return functions.slopes(points) + noise

    points = minimize(rule, slopes, starts, steps=FIRST, lr=np.array(RATES)[None])
    return functions.heights(points[1:]) / functions.heights(starts)


def too_large(evidence: Evidence) -> list[Contrast]:
    """How much longer the first steps are without correction, by averages."""
    return [
        factor(
            _pair(*pair),
            ("without correction", evidence.values("lengths", "adam_uncorrected", _pair(*pair))),
            ("Adam", evidence.values("lengths", "adam", _pair(*pair))),
            measure=f"longer steps, the first {FIRST}",
            more_is_better=True,
            none=1.1,
            threshold=FAR,
        )
        for pair in PAIRS
    ]


def harmful(evidence: Evidence) -> list[Contrast]:
    """How much higher the first steps lie without correction, by condition number."""
    return [
        factor(
            f"condition {condition:g}",
            ("without correction", evidence.values("heights", "adam_uncorrected", f"condition {condition:g}")),
            ("Adam", evidence.values("heights", "adam", f"condition {condition:g}")),
            measure=f"higher mean of the first {FIRST}",
            more_is_better=True,
            none=1.05,
        )
        for condition in CONDITIONS
    ]


def picture(evidence: Evidence) -> Picture:
    """How much too long each step is, and what the height does."""
    steps = np.unique(np.geomspace(1, 3000, 80).astype(int))
    colours = ("", "", "", "adam", "", "")
    lines = tuple(
        Line(
            _pair(b1, b2),
            tuple(map(float, steps)),
            tuple(float(f"{v:.5g}") for v in (1 - b1**steps) / np.sqrt(1 - b2**steps)),
            rule=colour,
        )
        for (b1, b2), colour in zip(PAIRS, colours, strict=True)
    )
    factors = Panel("Without correction a step is so many times as long", "step", "factor", lines, True, True)
    best, drawn = int(_falls("adam", 0).mean(axis=0)[1].argmin()), []
    for rule, name in (("adam_uncorrected", "without correction"), ("adam", "Adam")):
        path = (1.0, *(float(f"{v:.5g}") for v in _falls(rule, 0)[:, 1, best]))
        drawn.append(Line(name, tuple(map(float, range(FIRST + 1))), path, rule="adam", dashed=name != "Adam"))
    title = f"From near the minimum, condition {CONDITIONS[1]:g}, lr {RATES[best]:.2g}"
    fall = Panel(title, "step", "height / first height", tuple(drawn), log_y=True)
    note = (
        "The factor is (1 - beta1^t) / sqrt(1 - beta2^t), whatever the gradients. It is large where the second "
        "average is "
        "much slower than the first: at the usual 0.9 and 0.999 it reaches 6.6; at 0.95 the steps are too short "
        "if anything."
    )
    return Picture(note, (factors, fall))


CLAIM = Claim(
    number=14,
    file=__file__,
    short="without correction Adam's first steps are huge",
    text="Without bias correction Adam's first steps are far too large.",
    source="Kingma & Ba 2015, section 3, and everything that retells it",
    method=(
        f"Both forms meet the same noisy gradients on 50 weights; measured is the mean length of the first "
        f"{FIRST} steps, "
        f"and “far too large” is more than {FAR:g} times Adam's. Whether that does harm: random quadratics of 10 "
        f"variables "
        f"with noisy gradients, started near the minimum as a network that was trained before, both at the best of "
        f"{len(RATES)} rates for Adam; measured is the mean height over the first {FIRST} steps."
    ),
    parts=(
        Part(
            text=f"The first {FIRST} steps are more than {FAR:g} times as long as Adam's.",
            contrasts=too_large,
            rule=Decision(spare=1),
            variable="the two averages: how much slower the second is than the first",
        ),
        Part(
            text="They do harm: at Adam's best rate the first steps lie higher.",
            contrasts=harmful,
            rule=Decision(spare=0),
            variable="how ill-conditioned the problem is",
        ),
    ),
    evidence=(
        Computed("lengths", lengths, units=20, seconds=0.15),
        Computed("heights", heights, units=40, seconds=0.15, unit="start"),
    ),
    picture=picture,
    remarks=("torch, Keras and Optax correct; MLX does not unless told to.",),
)
