"""Claim 11: RMSProp is robust to the choice of learning rate, yet at larger ones oscillates where Adam settles."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from thalweg.claims.claim import Claim, Part
from thalweg.claims.contrast import difference, factor
from thalweg.claims.descents import measured_line, quadratics
from thalweg.claims.evidence import Computed, Evidence, Trained
from thalweg.claims.measures import finals
from thalweg.claims.table import Contrast, Line, Panel, Picture
from thalweg.claims.verdict import Decision
from thalweg.frameworks.numpy import minimize

RATES = ("0.0001", "0.0003", "0.001", "0.003", "0.01", "0.03", "0.1", "0.3", "1")
RULES = ("rmsprop", "sgd", "adam")
# By problem: epochs, seconds of a run, whether more is better, what a lost run counts as, what is near the best.
GROUNDS = {
    "linear-regression": (50, 0.7, False, 18.2, 1.1),
    "sparse-logistic": (10, 0.8, True, 0.5, 0.02),
    "mnist-mlp": (5, 0.6, True, 0.1, 0.02),
}
STUDIES = {
    problem: Trained(
        f"{problem}, rates", problem, tuple(f"{rule}:lr={rate}" for rule in RULES for rate in RATES), epochs, seconds
    )
    for problem, (epochs, seconds, *_) in GROUNDS.items()
}
LARGE = (0.01, 0.03, 0.1, 0.3)
STEPS, LAST = 3000, 300
CONDITION = 30.0
FLOOR = 1e-9  # of the first distance
AT_LARGE: dict[str, dict[str, Any]] = {"rmsprop": {"beta": 0.9}, "adam": {}}


def settle(seed: int) -> Mapping[str, Any]:
    """How far from the optimum each rule stays in the last steps, by rate."""
    functions = quadratics(seed, (CONDITION,))
    first = float(np.linalg.norm(functions.starts[0]))
    found: dict[str, Any] = {"steps": STEPS * len(LARGE) * len(AT_LARGE)}
    for rule, hyper in AT_LARGE.items():
        points = minimize(
            rule, functions.slopes, functions.starts[:, None], steps=STEPS, lr=np.array(LARGE)[None], **hyper
        )
        away = np.sqrt((points[-LAST:, 0] ** 2).sum(-1).mean(0)) / first
        found[rule] = {f"{rate:g}": float(max(one, FLOOR)) for rate, one in zip(LARGE, away, strict=True)}
    return found


def _ends(evidence: Evidence, problem: str, rule: str) -> dict[str, dict[int, float]]:
    table, worst = evidence.tables[STUDIES[problem].name], GROUNDS[problem][3]
    return {rate: finals(table, f"{rule}:lr={rate}", lost=worst) for rate in RATES}


def _good(evidence: Evidence, problem: str, rule: str) -> dict[int, float]:
    """By seed at how many of the nine rates the rule ends near its best."""
    maximize, near = GROUNDS[problem][2], GROUNDS[problem][4]
    ends = _ends(evidence, problem, rule)
    found = {}
    for seed in ends[RATES[0]]:
        values = [ends[rate][seed] for rate in RATES]
        if maximize:
            found[seed] = float(sum(value >= max(values) - near for value in values))
        else:
            found[seed] = float(sum(value <= min(values) * near for value in values))
    return found


def robust(evidence: Evidence) -> list[Contrast]:
    """Good rates of RMSProp against those of gradient descent and of Adam, by problem."""
    return [
        difference(
            f"{problem}, against {other}",
            ("rmsprop", _good(evidence, problem, "rmsprop")),
            (other, _good(evidence, problem, other)),
            measure="good ones of nine rates",
            more_is_better=True,
            none=0.5,
        )
        for problem in GROUNDS
        for other in ("sgd", "adam")
    ]


def oscillates(evidence: Evidence) -> list[Contrast]:
    """How far RMSProp stays from the optimum, against Adam at the same rate."""
    return [
        factor(
            f"rate {rate:g}",
            ("rmsprop", evidence.values("settling", "rmsprop", f"{rate:g}")),
            ("adam", evidence.values("settling", "adam", f"{rate:g}")),
            measure="distance to the optimum",
            more_is_better=True,
            none=1.1,
        )
        for rate in LARGE
    ]


def picture(evidence: Evidence) -> Picture:
    """Accuracy against the rate on digits, and the distance that is left against the rate."""
    lines = []
    for rule in RULES:
        ends = _ends(evidence, "mnist-mlp", rule)
        means = tuple(float(np.mean(list(ends[rate].values()))) for rate in RATES)
        lines.append(Line(rule, tuple(map(float, RATES)), means, rule=rule, points=True))
    left = tuple(
        measured_line(rule, LARGE, [evidence.values("settling", rule, f"{rate:g}") for rate in LARGE], rule)
        for rule in AT_LARGE
    )
    return Picture(
        "Left: digits after five epochs, means over seeds. "
        f"Right: quadratics, mean of the last {LAST} of {STEPS:,} steps.",
        (
            Panel("Digits", "learning rate", "test accuracy", tuple(lines), log_x=True),
            Panel("Distance left", "learning rate", "of the first distance", left, log_x=True, log_y=True),
        ),
    )


CLAIM = Claim(
    number=11,
    file=__file__,
    short="RMSProp: robust rate, but oscillates if large",
    text=(
        "RMSProp is robust to the first choice of learning rate, yet at larger rates it oscillates around the optimum "
        "where Adam settles."
    ),
    source="course notes and blog posts",
    method=(
        "Nine learning rates, half a power of ten apart from 1e-4 to 1, five seeds each, on three problems: at how "
        "many of them a rule ends near its own best of that seed (.02 of accuracy, 10 % of a loss). And quadratics of "
        f"10 variables, condition {CONDITION:g}, without noise: the distance to the optimum in the last {LAST} of "
        f"{STEPS:,} steps, RMSProp (.9) and Adam at the same rates."
    ),
    parts=(
        Part(
            text="More of the nine rates are good for RMSProp than for gradient descent, and than for Adam.",
            contrasts=robust,
            rule=Decision(spare=1),
            variable="the problem and what it is compared with",
        ),
        Part(
            text="At the same large rate RMSProp stays further from the optimum than Adam.",
            contrasts=oscillates,
            rule=Decision(spare=1),
            variable="the learning rate",
        ),
    ),
    evidence=(*STUDIES.values(), Computed("settling", settle, units=20, seconds=0.5)),
    picture=picture,
)
