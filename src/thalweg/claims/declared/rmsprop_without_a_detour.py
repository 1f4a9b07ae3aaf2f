"""Claim 10: RMSProp cures AdaGrad's decay and goes to the minimum without a detour."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from thalweg.claims.claim import Claim, Part
from thalweg.claims.contrast import factor
from thalweg.claims.descents import ellipses, grid, steps_until, trajectory
from thalweg.claims.evidence import Computed, Evidence
from thalweg.claims.table import Contrast, Line, Panel, Picture
from thalweg.claims.verdict import Decision
from thalweg.frameworks.numpy import minimize

# Gradients that never end, as in a stream of data: mean and standard deviation of each component.
STREAMS = {"steady": (1.0, 0.0), "noisy": (1.0, 3.0), "noise alone": (0.0, 1.0), "fading": (1.0, 0.3)}
FADING = 1000.0  # steps in which the gradients of "fading" fall by a factor e
LONG, WINDOW = 4000, 200  # steps in all, and at both ends those over which lengths are averaged
KEPT = 0.5  # of the early step's length: less is decay
TURNS = {"along the axes": 0.0, "turned by 45°": np.pi / 4}
CONDITION = 30.0
RATES = grid(1e-4, 1.0, 33)
SMALL = 0.003  # of the start's distance: a rate at which a picture shows a smooth way
STEPS = 1500
TARGET = 1e-3  # of the first height
STRAIGHT = 1.2  # a way this much longer than the straight line is a detour
NEVER = 1e3
PACES = ("fastest rate", f"rate {SMALL:g}")


def lengths(seed: int) -> Mapping[str, Any]:
    """The late steps' length over the early ones', by rule and stream."""
    found: dict[str, Any] = {"steps": 2 * LONG * len(STREAMS)}
    for rule in ("rmsprop", "adagrad"):
        found[rule] = {name: _kept(rule, name, seed) for name in STREAMS}
    return found


def _kept(rule: str, stream: str, seed: int) -> float:
    length = np.abs(np.diff(_walk(rule, stream, seed), axis=0)).mean(axis=-1)
    return float(length[-WINDOW:].mean() / length[WINDOW : 2 * WINDOW].mean())


def _walk(rule: str, stream: str, seed: int) -> np.ndarray:
    """The places of 20 weights that meet the stream's gradients, whatever the weights are."""
    random, (mean, spread), taken = np.random.default_rng(seed), STREAMS[stream], iter(range(LONG + 1))

    def slopes(points: np.ndarray) -> np.ndarray:
        fall = np.exp(-next(taken) / FADING) if stream == "fading" else 1.0
        return fall * (mean + random.normal(scale=spread, size=points.shape) if spread else np.full(points.shape, mean))

    return minimize(rule, slopes, np.zeros(20), steps=LONG, lr=0.01)


def detours(seed: int) -> Mapping[str, Any]:
    """The way to the minimum and the straight line, by ravine and rate."""
    angle = np.random.default_rng(seed).uniform(0, 2 * np.pi)
    matrices = np.array([_matrix(CONDITION, turned) for turned in TURNS.values()])
    starts = np.broadcast_to([np.cos(angle), np.sin(angle)], (len(TURNS), 1, 2))
    points = minimize("rmsprop", lambda at: at @ matrices, starts, steps=STEPS, lr=np.array([*RATES, SMALL])[None])
    heights = 0.5 * ((points @ matrices) * points).sum(-1)
    needed = steps_until(heights, TARGET * heights[0])
    found: dict[str, Any] = {"steps": STEPS * len(TURNS) * (len(RATES) + 1)}
    for place, turn in enumerate(TURNS):
        for pace, rate in zip(PACES, (int(needed[place, :-1].argmin()), len(RATES)), strict=True):
            found[f"{pace}, {turn}"] = _way(points[:, place, rate], int(needed[place, rate]))
    return found


def _way(path: np.ndarray, needed: int) -> dict[str, float]:
    """The length of the way until it arrived, and of the straight line there."""
    if needed > STEPS:
        return {"way": NEVER, "line": 1.0}
    path = path[: needed + 1]
    way = float(np.linalg.norm(np.diff(path, axis=0), axis=-1).sum())
    return {"way": way, "line": float(np.linalg.norm(path[-1] - path[0]))}


def _matrix(condition: float, turned: float) -> np.ndarray:
    """A quadratic with curvatures 1 and 1 / condition, its axes turned."""
    axes = np.array([[np.cos(turned), -np.sin(turned)], [np.sin(turned), np.cos(turned)]])
    return (axes * np.array([1 / condition, 1.0])) @ axes.T


def cured(evidence: Evidence) -> list[Contrast]:
    """How much more of its early length RMSProp's late step has than AdaGrad's, by stream."""
    return [
        factor(
            name,
            ("RMSProp", evidence.values("lengths", "rmsprop", name)),
            ("AdaGrad", evidence.values("lengths", "adagrad", name)),
            measure="more of the early step's length left",
            more_is_better=True,
            none=1.1,
            threshold=1 / KEPT,
        )
        for name in STREAMS
    ]


def straight(evidence: Evidence) -> list[Contrast]:
    """The straight line over RMSProp's way, by ravine and rate."""
    return [
        factor(
            name,
            ("RMSProp", evidence.values("detours", name, "way")),
            ("the straight line", evidence.values("detours", name, "line")),
            measure="straight line over the way",
            more_is_better=False,
            none=1.02,
            threshold=1 / STRAIGHT,
            unit="start",
        )
        for name in (f"{pace}, {turn}" for turn in TURNS for pace in PACES)
    ]


def picture(evidence: Evidence) -> Picture:
    """Two ravines, and steps that last or die."""
    panels = []
    for turn, turned in TURNS.items():
        axes = np.array([[np.cos(turned), -np.sin(turned)], [np.sin(turned), np.cos(turned)]])
        matrix, start = _matrix(30.0, turned), axes @ np.array([-1.0, 0.3])
        paths = tuple(
            trajectory(name, minimize(rule, lambda at, m=matrix: at @ m, start, steps=150, lr=lr), rule)
            for rule, name, lr in (
                ("rmsprop", "RMSProp", 0.01),
                ("momentum", "momentum .9", 0.1),
                ("sgd", "gradient descent", 1.5),
            )
        )
        ground = tuple(_turned(line, axes) for line in ellipses(30.0, 1.4))
        panels.append(
            Panel(f"Ravine {turn}, condition 30", "x", "y", (*ground, *paths), window=((-1.3, 0.5), (-0.9, 0.5)))
        )
    places = np.unique(np.geomspace(1, LONG, 60).astype(int))
    lines = []
    for rule, name in (("rmsprop", "RMSProp"), ("adagrad", "AdaGrad")):
        length = np.abs(np.diff(_walk(rule, "noisy", 0), axis=0)).mean(axis=-1)
        smooth = [float(length[max(0, p - p // 5 - 1) : p].mean()) for p in places]
        lines.append(_plain_line(name, places, smooth, rule))
    panels.append(Panel("Length of a step, noisy gradients", "step", "lr 0.01", tuple(lines), True, True))
    note = (
        "Along the axes RMSProp walks nearly straight; where the ravine lies askew both its coordinates feel the steep "
        "side, and it swings. AdaGrad's steps shrink with the root of time, RMSProp's keep their length."
    )
    return Picture(note, tuple(panels))


def _plain_line(name: str, places: np.ndarray, values: list[float], rule: str) -> Line:
    return Line(name, tuple(map(float, places)), tuple(float(f"{v:.5g}") for v in values), rule=rule)


def _turned(line: Line, axes: np.ndarray) -> Line:
    x, y = axes @ np.array([line.x, line.y])
    return replace(line, x=tuple(x.round(4).tolist()), y=tuple(y.round(4).tolist()))


CLAIM = Claim(
    number=10,
    file=__file__,
    short="RMSProp cures the decay, makes no detour",
    text="RMSProp cures AdaGrad's decay and goes to the minimum without a detour.",
    source="courses, after Hinton's lecture 6e",
    method=(
        f"For the decay: gradients that go on for ever, as in a stream of data, on 20 weights; measured is the "
        f"mean step "
        f"of the last {WINDOW} of {LONG:,} steps over that of the early ones. For the detour: ravines of two "
        f"variables, "
        f"condition {CONDITION:g}, starts all around the minimum at distance 1, torch's defaults but for the "
        f"rate: that one "
        f"of {len(RATES)} which arrives first at {TARGET:g} of the first height, and {SMALL:g}, at which the way "
        f"is smooth. "
        f"A way more than {STRAIGHT:g} times the straight line is a detour."
    ),
    parts=(
        Part(
            text="RMSProp's late steps keep at least twice as much of their early length as AdaGrad's.",
            contrasts=cured,
            rule=Decision(spare=1),
            variable="the gradients",
        ),
        Part(
            text=f"RMSProp's way to the minimum is less than {STRAIGHT:g} times the straight line.",
            contrasts=straight,
            rule=Decision(spare=0),
            variable="the rate and whether the ravine lies along the axes",
        ),
    ),
    evidence=(
        Computed("lengths", lengths, units=10, seconds=1.6),
        Computed("detours", detours, units=40, seconds=0.4, unit="start"),
    ),
    picture=picture,
)
