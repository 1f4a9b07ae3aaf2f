"""Claim 18: adaptive methods leave a saddle point earlier than SGD and momentum, except at large rates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from thalweg.claims.claim import Claim, Part
from thalweg.claims.contrast import factor
from thalweg.claims.descents import measured_line, trajectory
from thalweg.claims.evidence import Computed, Evidence
from thalweg.claims.table import Contrast, Line, Panel, Picture
from thalweg.claims.verdict import Decision
from thalweg.frameworks.numpy import minimize

ADAPTIVE = {"adagrad": "AdaGrad", "rmsprop": "RMSProp", "adadelta": "AdaDelta", "adam": "Adam"}
PLAIN = {"sgd": "gradient descent", "momentum": "momentum 0.9"}
SMALL, LARGE = (0.001, 0.01, 0.1), (0.5, 0.9)
ADADELTA = 1.0  # its own rate, whatever the others have: the paper has none
TURNS = {"along the axes": 0.0, "turned by 45°": np.pi / 4}
STEPS = 8000
LEFT = 1.0  # how far down the other side a run has left; starts are at most 0.01 from the ridge


def _slopes(points: np.ndarray) -> np.ndarray:
    """Of x² - y²."""
    return points * np.array([2.0, -2.0])


def leave(seeds: Sequence[int]) -> Mapping[int, Any]:
    """For every start the steps until a run has left the saddle, by rule, rate and how the saddle lies."""
    starts, rates = np.array([_start(seed) for seed in seeds]), np.array([*SMALL, *LARGE])
    found: dict[int, Any] = {seed: {"steps": STEPS * len(rates) * 6 * len(TURNS)} for seed in seeds}
    for rule in (*ADAPTIVE, *PLAIN):
        for turn, angle in TURNS.items():
            axes = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
            needed = _needed(rule, axes, starts, rates)
            for seed, own in zip(seeds, needed, strict=True):
                named = {f"rate {rate:g}, {turn}": int(n) for rate, n in zip(rates, own, strict=True)}
                found[seed].setdefault(rule, {}).update(named)
    return found


def _start(seed: int) -> list[float]:
    """Beside the ridge, and some way from the saddle point."""
    random = np.random.default_rng(seed)
    signs = random.choice([-1, 1], 2)
    return [signs[0] * random.uniform(0.5, 1.5), signs[1] * 10 ** random.uniform(-6, -2)]


def _needed(rule: str, axes: np.ndarray, starts: np.ndarray, rates: np.ndarray) -> np.ndarray:
    """Steps until the second coordinate of the unturned saddle is large, of shape (starts, rates)."""
    needed = np.full((len(starts), len(rates)), STEPS + 1)
    taken = iter(range(STEPS + 1))

    def slopes(points: np.ndarray) -> np.ndarray:
        step, flat = next(taken), points @ axes
        gone = ~(np.abs(flat[..., 1]) < LEFT)
        needed[gone & (needed > STEPS)] = step
        return np.where(gone[..., None], 0.0, _slopes(flat)) @ axes.T

    lr = np.full(len(rates), ADADELTA) if rule == "adadelta" else rates
    with np.errstate(over="ignore", invalid="ignore"):
        minimize(rule, slopes, (starts @ axes.T)[:, None], steps=STEPS, record="last", lr=lr[None])
    return needed


def _plain(evidence: Evidence, setting: str) -> dict[int, float]:
    """For every start the steps of the quicker of gradient descent and momentum."""
    first, second = (evidence.values("leaving", rule, setting) for rule in PLAIN)
    return {unit: min(first[unit], second[unit]) for unit in first}


def _contrast(evidence: Evidence, rule: str, setting: str, *, adaptive_claimed: bool) -> Contrast:
    adaptive = (ADAPTIVE[rule], evidence.values("leaving", rule, setting))
    plain = ("the quicker of gradient descent and momentum", _plain(evidence, setting))
    first, second = (adaptive, plain) if adaptive_claimed else (plain, adaptive)
    return factor(
        f"{ADAPTIVE[rule]}, {setting.replace(', along the axes', '').replace('turned by 45°', 'turned')}",
        first,
        second,
        measure="fewer steps to leave",
        more_is_better=False,
        none=1.1,
        unit="start",
    )


def earlier(evidence: Evidence) -> list[Contrast]:
    """Every adaptive rule against the quicker plain one at the small rates, then on a saddle that lies askew."""
    settings = [*(f"rate {rate:g}, along the axes" for rate in SMALL), "rate 0.01, turned by 45°"]
    return [_contrast(evidence, rule, s, adaptive_claimed=True) for rule in ADAPTIVE for s in settings]


def not_at_large(evidence: Evidence) -> list[Contrast]:
    """The quicker plain rule against every adaptive one at the large rates."""
    settings = [f"rate {rate:g}, along the axes" for rate in LARGE]
    rated = [rule for rule in ADAPTIVE if rule != "adadelta"]  # whose own rate stays what it is
    return [_contrast(evidence, rule, s, adaptive_claimed=False) for rule in rated for s in settings]


def picture(evidence: Evidence) -> Picture:
    """The usual picture, and the steps against the rate."""
    rules = {**PLAIN, **ADAPTIVE}
    window = ((-1.7, 0.6), (-0.3, 1.5))
    paths = tuple(
        trajectory(name, minimize(rule, _slopes, [-1.5, 1e-3], steps=120, lr=_rate(rule, 0.03)), rule)
        for rule, name in rules.items()
    )
    usual = Panel("Rate 0.03, 120 steps from (-1.5, 0.001)", "x", "y", (*_ground(), *paths), window=window)
    lines = tuple(_against_rate(evidence, rule, name, "along the axes") for rule, name in rules.items())
    steps = Panel("Steps to leave, along the axes", "rate", "steps", lines, log_x=True, log_y=True)
    turned = tuple(_against_rate(evidence, rule, name, "turned by 45°") for rule, name in rules.items())
    askew = Panel("Steps to leave, turned by 45°", "rate", "steps", turned, log_x=True, log_y=True)
    note = (
        "Dividing by the gradient's own size makes the tiny push off the ridge as strong as any: where the ridge lies "
        "along an axis. Where it lies askew every coordinate feels the steep side, and that help is gone."
    )
    return Picture(note, (usual, steps, askew))


def _against_rate(evidence: Evidence, rule: str, name: str, turn: str) -> Line:
    rates = (*SMALL, *LARGE)
    each = [evidence.values("leaving", rule, f"rate {rate:g}, {turn}") for rate in rates]
    own = rule == "adadelta"
    return measured_line(f"{name} (rate 1)" if own else name, rates, each, rule, dashed=own)


def _rate(rule: str, rate: float) -> float:
    return ADADELTA if rule == "adadelta" else rate


def _ground() -> tuple[Line, ...]:
    """Contour lines of x² - y²."""
    lines, along = [], np.linspace(-3, 3, 61)
    for height in (0.05, 0.3, 0.8, 1.6, 2.6):
        beside = np.sqrt(along**2 + height)
        lines += [(sign * beside, along) for sign in (1, -1)] + [(along, sign * beside) for sign in (1, -1)]
    return tuple(Line("", tuple(x.round(3).tolist()), tuple(y.round(3).tolist()), rule="contour") for x, y in lines)


CLAIM = Claim(
    number=18,
    file=__file__,
    short="adaptive methods leave saddles earlier",
    text="Adaptive methods leave a saddle point earlier than SGD and momentum (except at large learning rates).",
    source="animations of a saddle, and the courses that show them",
    method=(
        "The saddle x² - y², from random starts between a millionth and a hundredth beside its ridge, without "
        "noise. All "
        f"rules have the same rate, as in the pictures (AdaDelta has its own, {ADADELTA:g}). A run has left when it is "
        f"{LEFT:g} down the other side; one that has not after {STEPS:,} steps counts as one more. Every adaptive "
        f"rule is "
        "held against the quicker of gradient descent and momentum 0.9. The same saddle turned by 45° shows what "
        "the axes "
        "do."
    ),
    parts=(
        Part(
            text="At small rates an adaptive rule leaves the saddle in fewer steps than SGD and momentum.",
            contrasts=earlier,
            rule=Decision(spare=2),
            variable="the rule, the rate and how the saddle lies to the axes",
        ),
        Part(
            text="At large rates SGD or momentum leave it first.",
            contrasts=not_at_large,
            rule=Decision(spare=1),
            variable="the adaptive rule",
        ),
    ),
    evidence=(Computed("leaving", leave, units=40, seconds=0.4, unit="start", together=True),),
    picture=picture,
)
