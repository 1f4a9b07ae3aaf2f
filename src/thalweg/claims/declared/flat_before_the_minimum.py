"""Claim 19: in a flat region before the minimum momentum methods win; adaptive ones are more robust overall."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from thalweg.claims.claim import Claim, Part
from thalweg.claims.contrast import difference, factor
from thalweg.claims.descents import grid
from thalweg.claims.evidence import Computed, Evidence
from thalweg.claims.table import Contrast, Line, Panel, Picture
from thalweg.claims.verdict import Decision
from thalweg.formula.surface import Surface
from thalweg.frameworks.numpy import minimize
from thalweg.surfaces import SURFACES

MOMENTUM = {"momentum": "momentum 0.9", "nesterov": "Nesterov 0.9"}
ADAPTIVE = {"adagrad": "AdaGrad", "rmsprop": "RMSProp", "adam": "Adam"}
RULES = {**MOMENTUM, **ADAPTIVE}
FLATS = {"near": (2.5, 4.0), "far": (6.0, 9.0)}  # from the minimum; the height there is .86 to .99 of the plateau's
GROUNDS = ("ravine", "rosenbrock", "beale", "himmelblau", "two_minima", "plateau")
RATES = grid(1e-4, 100.0, 25)
STEPS = 600
TARGET = 0.01  # of the first height above the lowest


def cross(seeds: Sequence[int]) -> Mapping[int, Any]:
    """For every start on the flat the steps until a run rests at the minimum, at its rule's best rate."""
    found: dict[int, Any] = {seed: {"steps": STEPS * len(RATES) * len(RULES) * len(FLATS)} for seed in seeds}
    for flat, (low, high) in FLATS.items():
        starts = np.array([_around(seed, low, high) for seed in seeds])
        for rule in RULES:
            needed = _needed(rule, SURFACES["plateau"], starts).min(axis=1)
            for seed, steps in zip(seeds, needed, strict=True):
                found[seed].setdefault(flat, {})[rule] = int(steps)
    return found


def _around(seed: int, low: float, high: float) -> list[float]:
    random = np.random.default_rng(seed)
    angle, distance = random.uniform(0, 2 * np.pi), random.uniform(low, high)
    return [distance * np.cos(angle), distance * np.sin(angle) / 2]  # the plateau is twice as steep in y


def arrive(seeds: Sequence[int]) -> Mapping[int, Any]:
    """For every start in a surface's window the share of the rates at which a run comes to rest at the minimum."""
    found: dict[int, Any] = {seed: {"steps": STEPS * len(RATES) * len(RULES) * len(GROUNDS)} for seed in seeds}
    for name in GROUNDS:
        surface = SURFACES[name]
        starts = np.array([_inside(seed, surface) for seed in seeds])
        for rule in RULES:
            shares = (_needed(rule, surface, starts) <= STEPS).mean(axis=1)
            for seed, share in zip(seeds, shares, strict=True):
                found[seed].setdefault(name, {})[rule] = float(share)
    return found


def _inside(seed: int, surface: Surface) -> list[float]:
    random = np.random.default_rng(seed)
    return [float(random.uniform(low, high)) for low, high in surface.window]


def _needed(rule: str, surface: Surface, starts: np.ndarray) -> np.ndarray:
    """Steps after which the height stays below the target, of shape (starts, rates); one more than all for never."""
    with np.errstate(all="ignore"):
        path = minimize(rule, surface, starts[:, None], steps=STEPS, lr=np.array(RATES)[None])
        x, y = path[..., 0], path[..., 1]
        heights = np.asarray(_height(surface, x, y))
    lowest = float(_height(surface, *map(np.float64, surface.minima[0])))
    above = ~(heights - lowest <= TARGET * (heights[0] - lowest))
    last = STEPS - np.argmax(above[::-1], axis=0)  # the last step that was above
    return np.where(above.any(axis=0), last + 1, 0)


def _height(surface: Surface, x: Any, y: Any) -> Any:
    from thalweg.compile.gradient import trace_gradient
    from thalweg.compile.numpy import values

    return values(trace_gradient(surface), x, y)[0]


def momentum_wins(evidence: Evidence) -> list[Contrast]:
    """The quicker momentum rule against every adaptive one, by how far the flat region reaches."""
    contrasts = []
    for flat in FLATS:
        first, second = (evidence.values("crossing", flat, rule) for rule in MOMENTUM)
        quicker = {unit: float(min(first[unit], second[unit])) for unit in first}
        contrasts += [
            factor(
                f"against {name}, {flat}",
                ("the quicker of momentum and Nesterov", quicker),
                (name, evidence.values("crossing", flat, rule)),
                measure="fewer steps",
                more_is_better=False,
                none=1.1,
                unit="start",
            )
            for rule, name in ADAPTIVE.items()
        ]
    return contrasts


def adaptive_robust(evidence: Evidence) -> list[Contrast]:
    """The share of rates that work, of the adaptive rules and of the momentum rules, by surface."""
    return [
        difference(
            name.replace("_", " "),
            ("adaptive rules", _mean_share(evidence, name, ADAPTIVE)),
            ("momentum rules", _mean_share(evidence, name, MOMENTUM)),
            measure="share of the rates that arrive",
            more_is_better=True,
            none=0.02,
            unit="start",
        )
        for name in GROUNDS
    ]


def _mean_share(evidence: Evidence, ground: str, rules: Mapping[str, str]) -> dict[int, float]:
    each = [evidence.values("arriving", ground, rule) for rule in rules]
    return {unit: float(np.mean([one[unit] for one in each])) for unit in each[0]}


def picture(evidence: Evidence) -> Picture:
    """One descent of each from the plateau at its best rate, and how many starts arrive at which rates."""
    start, drawn = np.array([[-6.0, 2.5]]), []
    for rule, name in RULES.items():
        rate = RATES[int(_needed(rule, SURFACES["plateau"], start)[0].argmin())]
        path = minimize(rule, SURFACES["plateau"], start[0], steps=200, lr=rate)
        height = np.asarray(_height(SURFACES["plateau"], path[:, 0], path[:, 1]))
        values = tuple(float(f"{max(v, 1e-6):.4g}") for v in height)
        drawn.append(Line(f"{name}, lr {rate:.2g}", tuple(map(float, range(201))), values, rule=rule))
    fall = Panel("From far out on the plateau, each at its best rate", "step", "height", tuple(drawn), log_y=True)
    panels = [_by_rate(ground, [*evidence.computed["arriving"]]) for ground in ("himmelblau", "two_minima")]
    note = (
        "What divides by the gradient's size walks over the flat as over any other ground. On most surfaces adaptive "
        "rules also arrive over a wider range of rates, though at higher ones."
    )
    return Picture(note, (fall, *panels))


def _by_rate(ground: str, seeds: Sequence[int]) -> Panel:
    starts = np.array([_inside(seed, SURFACES[ground]) for seed in seeds])
    lines = []
    for rule, name in RULES.items():
        shares = (_needed(rule, SURFACES[ground], starts) <= STEPS).mean(axis=0)
        lines.append(Line(name, tuple(RATES), tuple(shares.round(3).tolist()), rule=rule))
    title = f"Share of starts that arrive: {ground.replace('_', ' ')}"
    return Panel(title, "learning rate", "share", tuple(lines), log_x=True)


CLAIM = Claim(
    number=19,
    file=__file__,
    short="momentum wins on the flat, adaptive is robust",
    text=(
        "In a flat region before the minimum, where gradients vanish, momentum methods win; adaptive ones are "
        "more robust "
        "overall."
    ),
    source="courses that animate surfaces",
    method=(
        "The flat region is the plateau r / (1 + r) of a quadratic r, from random starts near its edge and far "
        "out; each "
        f"rule has, for each start, the best of the same {len(RATES)} rates from 0.0001 to 100, and what counts "
        f"is after "
        f"how many of {STEPS} steps it stays below {TARGET:g} of the first height. Robust is: at how many of "
        f"these rates a "
        f"rule arrives at all, on {len(GROUNDS)} surfaces from random starts in their windows."
    ),
    parts=(
        Part(
            text="Across the flat region momentum or Nesterov need fewer steps than an adaptive rule.",
            contrasts=momentum_wins,
            rule=Decision(spare=1),
            variable="the adaptive rule and how far the flat region reaches",
        ),
        Part(
            text="Adaptive rules arrive at more of the rates than momentum rules.",
            contrasts=adaptive_robust,
            rule=Decision(spare=1),
            variable="the surface",
        ),
    ),
    evidence=(
        Computed("crossing", cross, units=30, seconds=0.3, unit="start", together=True),
        Computed("arriving", arrive, units=30, seconds=0.8, unit="start", together=True),
    ),
    picture=picture,
)
