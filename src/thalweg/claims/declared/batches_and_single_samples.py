"""Claim 1: full-batch descent is smooth, stochastic descent noisy, and yet cheaper on a large data set."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from thalweg.claims.claim import Claim, Part
from thalweg.claims.contrast import difference, factor
from thalweg.claims.descents import grid, measured_line
from thalweg.claims.evidence import Computed, Evidence
from thalweg.claims.table import Contrast, Line, Panel, Picture
from thalweg.claims.verdict import Decision

SIZES = (30, 100, 1000, 10_000, 50_000)
FEATURES = 20
RATES = grid(1e-4, 2.0, 24)
TARGET = 1.05  # times the least loss that any weights have on these data
PASSES = 2000  # of the whole data at most
SINGLE_STEPS = 200_000  # steps on single samples at most
PATH = 400  # steps of a path over which the rises are counted
NOISE = 0.5


def _data(seed: int, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Samples of unequal scale, and what a linear function of them with noise gives."""
    random = np.random.default_rng([seed, size])
    features = random.normal(size=(size, FEATURES)) * np.geomspace(0.3, 1.0, FEATURES)
    return features, features @ random.normal(size=FEATURES) + NOISE * random.normal(size=size)


class _Loss:
    """The mean of half the squared errors over all samples, as the quadratic that it is."""

    def __init__(self, features: np.ndarray, values: np.ndarray) -> None:
        self.curvature = features.T @ features / len(values)
        self.slope = features.T @ values / len(values)
        self.best = np.linalg.lstsq(features, values, rcond=None)[0]
        self.least = float(0.5 * np.mean((features @ self.best - values) ** 2))

    def gradients(self, weights: np.ndarray) -> np.ndarray:
        return weights @ self.curvature - self.slope

    def heights(self, weights: np.ndarray) -> np.ndarray:
        away = weights - self.best
        with np.errstate(over="ignore", invalid="ignore"):
            return self.least + 0.5 * ((away @ self.curvature) * away).sum(-1)


def descend(seed: int) -> Mapping[str, Any]:
    """By size of the data: gradients of samples until the target, and the share of steps that raise the loss."""
    found: dict[str, Any] = {"steps": 0}
    for size in SIZES:
        features, values = _data(seed, size)
        loss = _Loss(features, values)
        full, full_path, full_steps = _full(loss)
        single, single_path, single_steps = _single(loss, features, values, np.random.default_rng([seed, size, 1]))
        found[str(size)] = {
            "full": {"cost": float(full * size), "rises": _rises(full_path), "path": full_path[::8]},
            "single": {"cost": float(single), "rises": _rises(single_path), "path": single_path[::8]},
        }
        found["steps"] += full_steps + single_steps
    return found


def _full(loss: _Loss) -> tuple[int, list[float], int]:
    """Steps on all data at the best rate, its path, and all steps that were taken."""
    weights = np.zeros((len(RATES), FEATURES))
    rates, heights = np.array(RATES)[:, None], [loss.heights(np.zeros((len(RATES), FEATURES)))]
    needed = np.full(len(RATES), PASSES + 1)
    for step in range(1, PASSES + 1):
        with np.errstate(over="ignore", invalid="ignore"):
            weights = weights - rates * loss.gradients(weights)
        heights.append(loss.heights(weights))
        needed = np.where((needed > PASSES) & (heights[-1] <= TARGET * loss.least), step, needed)
        if step >= PATH and needed.min() <= PASSES:
            break
    path = [float(one[needed.argmin()]) for one in heights[: PATH + 1]]
    return int(needed.min()), path, step * len(RATES)


def _single(
    loss: _Loss, features: np.ndarray, values: np.ndarray, random: np.random.Generator
) -> tuple[int, list[float], int]:
    """The same on single samples, whose loss is looked at twenty times per pass."""
    size, step = len(values), 0
    weights, rates = np.zeros((len(RATES), FEATURES)), np.array(RATES)
    needed, paths = np.full(len(RATES), SINGLE_STEPS + 1), [loss.heights(weights)]
    look = max(1, size // 20)
    with np.errstate(over="ignore", invalid="ignore"):
        while step < SINGLE_STEPS and (needed.min() > SINGLE_STEPS or step < PATH):
            for k in random.permutation(size).tolist():
                sample = features[k]
                weights = weights - (rates * (weights @ sample - values[k]))[:, None] * sample
                step += 1
                if step <= PATH:
                    paths.append(loss.heights(weights))
                if step % look == 0:
                    met = (needed > SINGLE_STEPS) & (loss.heights(weights) <= TARGET * loss.least)
                    needed = np.where(met, step, needed)
                    if needed.min() <= SINGLE_STEPS and step >= PATH:
                        break
    return int(needed.min()), [float(one[needed.argmin()]) for one in paths], step * len(RATES)


def _rises(path: list[float]) -> float:
    return float(np.mean(np.diff(path) > 1e-12 * path[0]))


def noisy(evidence: Evidence) -> list[Contrast]:
    """The share of steps that raise the loss of all data, each at its best rate, by size of the data."""
    return [
        difference(
            f"{size:,} samples",
            ("single samples", evidence.values("descents", str(size), "single", "rises")),
            ("all samples", evidence.values("descents", str(size), "full", "rises")),
            measure="share of steps uphill",
            more_is_better=True,
            none=0.02,
            threshold=0.1,
        )
        for size in SIZES
    ]


def cheaper(evidence: Evidence) -> list[Contrast]:
    """Gradients of samples until the target, each at its best rate, by size of the data."""
    return [
        factor(
            f"{size:,} samples",
            ("single samples", evidence.values("descents", str(size), "single", "cost")),
            ("all samples", evidence.values("descents", str(size), "full", "cost")),
            measure="less computation",
            more_is_better=False,
            none=1.1,
        )
        for size in SIZES
    ]


def picture(evidence: Evidence) -> Picture:
    """Two paths, and computation against the size of the data."""
    unit = min(evidence.computed["descents"])
    shown = evidence.computed["descents"][unit]["1000"]
    names = {"full": ("all samples", "sgd"), "single": ("single samples", "momentum")}
    paths = tuple(
        Line(names[kind][0], tuple(range(0, 8 * len(shown[kind]["path"]), 8)), tuple(shown[kind]["path"]), rule=rule)
        for kind, rule in (("full", "sgd"), ("single", "momentum"))
    )
    costs = tuple(
        measured_line(name, SIZES, [evidence.values("descents", str(size), kind, "cost") for size in SIZES], rule)
        for kind, (name, rule) in names.items()
    )
    return Picture(
        "Left: one run each on 1,000 samples, at the best rate. Right: what the target costs; single samples cost no "
        "more when there is more data.",
        (
            Panel("Loss of all data", "step", "loss", paths, log_y=True),
            Panel("Computation", "samples in the data", "gradients of samples", costs, log_x=True, log_y=True),
        ),
    )


CLAIM = Claim(
    number=1,
    file=__file__,
    short="SGD: noisy path, yet less computation",
    text=(
        "Full-batch gradient descent follows a smooth path, stochastic gradient descent a noisy one, and yet the "
        "stochastic one reaches a given loss with less computation on a large data set."
    ),
    source="nearly every textbook and course",
    method=(
        f"Linear regressions with {FEATURES} features of unequal scale, and {SIZES[0]} to {SIZES[-1]:,} samples, drawn "
        f"anew for each seed. Each method has the best of the same {len(RATES)} constant learning rates on each data "
        f"set; the target is {TARGET} times the least loss. Computation is counted in gradients of single samples; "
        "looking at the loss costs nothing. Uphill: a step that raises the loss of all data, among the first "
        f"{PATH} steps."
    ),
    parts=(
        Part(
            text="On single samples more steps go uphill than on all, by more than a tenth of all steps.",
            contrasts=noisy,
            rule=Decision(),
            variable="the size of the data",
        ),
        Part(
            text="Single samples need less computation to reach the loss.",
            contrasts=cheaper,
            rule=Decision(spare=1),
            variable="the size of the data",
        ),
    ),
    evidence=(Computed("descents", descend, units=10, seconds=6.0),),
    picture=picture,
    remarks=("A convex loss; processors that work on many samples at once, which favour batches, are not counted.",),
)
