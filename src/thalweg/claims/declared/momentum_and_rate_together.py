"""Claim 4: with more momentum the rate must be lower; both high overshoots and oscillates."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from thalweg.claims.claim import Claim, Part
from thalweg.claims.contrast import factor
from thalweg.claims.descents import Quadratics, descents, ellipses, grid, measured_line, quadratics, trajectory
from thalweg.claims.evidence import Computed, Evidence
from thalweg.claims.table import Contrast, Panel, Picture
from thalweg.claims.verdict import Decision
from thalweg.frameworks.numpy import minimize

MOMENTA = (0.0, 0.5, 0.9, 0.99)
RATES = grid(1e-4, 3.9, 93)
STEPS = 500
LAST = 50  # steps at the end over which the height is averaged
EXACT = (10.0, 100.0, 1000.0)
NOISY = (10.0, 100.0)
NOISE = 0.3  # standard deviation of each component of a noisy gradient, where starts lie about 1 from 0 in each
LOW, HIGH = 0.02, 0.5  # rates, of 1 / steepest curvature: "low" and "high" of the second sentence
LITTLE, MUCH = 0.5, 0.99
RAISED = ((0.5, 0.9), (0.9, 0.99))  # momentum, before and after
SWINGS = 3000  # steps over which ways are measured: with momentum 0.99 swings last some hundreds


class Noise:
    """The gradients of quadratics with noise, the same in every descent that begins anew with the same seed."""

    def __init__(self, functions: Quadratics, seed: int) -> None:
        self.functions, self.random = functions, np.random.default_rng(seed)

    def slopes(self, points: np.ndarray) -> np.ndarray:
        """Gradients: every rate meets the same noise."""
        noise = self.random.normal(scale=NOISE, size=(points.shape[0], 1, points.shape[-1]))
        return self.functions.slopes(points) + noise


def best_rates(seed: int) -> Mapping[str, Any]:
    """The rate that ends lowest, by setting and momentum."""
    found: dict[str, Any] = {"steps": STEPS * len(RATES) * len(MOMENTA) * (len(EXACT) + len(NOISY))}
    for kind, conditions in (("exact", EXACT), ("noisy", NOISY)):
        functions = quadratics(seed, conditions)
        for rho in MOMENTA:
            source = functions if kind == "exact" else Noise(functions, seed)
            with np.errstate(over="ignore", invalid="ignore"):
                points = minimize(
                    "momentum",
                    source.slopes,
                    functions.starts[:, None],
                    steps=STEPS,
                    lr=np.array(RATES)[None],
                    rho=rho,
                )
                heights = functions.heights(points[-LAST:]).mean(axis=0)
            chosen = np.where(np.isfinite(heights), heights, np.inf).argmin(axis=1)
            for condition, place in zip(conditions, chosen, strict=True):
                found.setdefault(f"{kind}, condition {condition:g}", {})[f"{rho:g}"] = RATES[int(place)]
    return found


def swings(seed: int) -> Mapping[str, Any]:
    """The length of the whole way over that of the straight line to the minimum, by condition and pair."""
    functions = quadratics(seed, EXACT)
    found: dict[str, Any] = {"steps": SWINGS * 4 * len(EXACT)}
    for rho in (LITTLE, MUCH):
        points = descents("momentum", functions, (LOW, HIGH), SWINGS, {"rho": rho})
        lengths = np.linalg.norm(np.diff(points, axis=0), axis=-1).sum(axis=0)
        detours = lengths / np.linalg.norm(functions.starts, axis=-1)[:, None]
        for condition, pair in zip(EXACT, detours, strict=True):
            for rate, detour in zip((LOW, HIGH), pair, strict=True):
                found.setdefault(f"{condition:g}", {})[f"{rate:g} {rho:g}"] = float(detour)
    return found


def lower_rates(evidence: Evidence) -> list[Contrast]:
    """How much lower the best rate is with more momentum, by setting."""
    settings = [*(f"exact, condition {k:g}" for k in EXACT), *(f"noisy, condition {k:g}" for k in NOISY)]
    return [
        factor(
            f"{less:g} to {more:g}, {setting}",
            (f"momentum {more:g}", evidence.values("best rates", setting, f"{more:g}")),
            (f"momentum {less:g}", evidence.values("best rates", setting, f"{less:g}")),
            measure="lower best rate",
            more_is_better=False,
            none=1.15,  # a rate of the grid is 1.12 times the one before
        )
        for less, more in RAISED
        for setting in settings
    ]


def more_swings(evidence: Evidence) -> list[Contrast]:
    """The way with both high against that with only one of them high, by condition number."""
    others = ((LOW, MUCH, "only momentum high"), (HIGH, LITTLE, "only the rate high"))
    return [
        factor(
            f"{name}, condition {condition:g}",
            ("both high", evidence.values("swings", f"{condition:g}", f"{HIGH:g} {MUCH:g}")),
            (name, evidence.values("swings", f"{condition:g}", f"{rate:g} {rho:g}")),
            measure="longer way to the minimum",
            more_is_better=True,
            none=1.1,
        )
        for rate, rho, name in others
        for condition in EXACT
    ]


def picture(evidence: Evidence) -> Picture:
    """The best rate against the momentum, and both high in a ravine."""
    lines = []
    for kind, conditions in (("exact", EXACT), ("noisy", NOISY)):
        for condition in conditions:
            setting = f"{kind}, condition {condition:g}"
            each = [evidence.values("best rates", setting, f"{rho:g}") for rho in MOMENTA]
            lines.append(measured_line(setting, MOMENTA, each, "", dashed=kind == "noisy"))
    rates = Panel("The best rate", "momentum", "rate, of 1 / steepest curvature", tuple(lines), log_y=True)
    paths = (
        ("both high", HIGH, MUCH, "nesterov"),
        ("only the rate high", HIGH, LITTLE, "sgd"),
        ("only momentum high", LOW, MUCH, "momentum"),
    )
    drawn = tuple(trajectory(name, _descent(rate, rho), rule) for name, rate, rho, rule in paths)
    ravine = Panel(
        "Condition 10, 80 steps", "along", "across", (*ellipses(10.0, 5.5), *drawn), window=((-5.5, 5.5), (-2.4, 2.4))
    )
    return Picture(
        "Where gradients are exact more momentum bears the same rate or a higher one; with noise the best rate falls. "
        "With both high the descent shoots past the minimum again and again.",
        (rates, ravine),
    )


def _descent(rate: float, rho: float) -> np.ndarray:
    def slopes(points: np.ndarray) -> np.ndarray:
        return points * np.array([0.1, 1.0])

    return minimize("momentum", slopes, [-4.0, 1.0], steps=80, lr=rate, rho=rho)


CLAIM = Claim(
    number=4,
    file=__file__,
    short="more momentum needs a lower learning rate",
    text="With more momentum the learning rate must be lower; both high overshoots and oscillates.",
    source="courses and library guides",
    method=(
        f"Quadratics of 10 variables, turned at random. For the rate: of {len(RATES)} rates the one whose height after "
        f"{STEPS} steps is lowest (the mean of the last {LAST}), with exact gradients and with noise of standard "
        f"deviation "
        f"{NOISE:g} in each component, at momentum 0.5, 0.9 and 0.99. For the swings: how long the whole way to the "
        f"minimum is with rate {HIGH:g} (high) or {LOW:g} (low) of 1 / steepest curvature, over the straight line."
    ),
    parts=(
        Part(
            text="With more momentum the best rate is lower.",
            contrasts=lower_rates,
            rule=Decision(spare=1),
            variable="the noise in the gradients and how steep the ravine is",
        ),
        Part(
            text="With both high the way is longer than with one of them high.",
            contrasts=more_swings,
            rule=Decision(spare=1),
            variable="how steep the ravine is",
        ),
    ),
    evidence=(
        Computed("best rates", best_rates, units=20, seconds=1.5),
        Computed("swings", swings, units=20, seconds=0.4),
    ),
    picture=picture,
    remarks=("Momentum is v = rho v + g, w -= lr v, as in torch: its effective rate is lr / (1 - rho).",),
)
