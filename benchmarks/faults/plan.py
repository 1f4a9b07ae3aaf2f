"""Which runs there are: problems, rules, optimizers and settings in turn, and a healthy twin for every faulty run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from faults.fault import FAULTS, Fault
from faults.grounds import Ground
from faults.trial import Trial

SPREAD = 1.5  # by how much, up or down, a good learning rate varies from run to run
COSINES = 0.25  # share of the runs with a schedule
# Which rule's rate another goes by.
LIKE = {"adamw": "adam", "nadam": "adam"}


def planned(fault: Fault, grounds: Sequence[Ground], runs: int, every: int) -> list[tuple[Trial, Trial]]:
    """Every faulty run of a fault with its healthy twin; the same for the same arguments.

    Problems, rules, torch's or Thalweg's optimizer, and forms of the fault come equally often, in an order that is
    drawn, so that no two of them always come together.
    """
    place = [each.name for each in FAULTS].index(fault.name)
    random = np.random.default_rng(place)
    suited = [ground for ground in grounds if suits(fault, ground)]
    if not suited:
        return []
    columns: tuple[Any, ...] = (
        _equally(("torch", "thalweg"), runs, random),
        _equally(fault.rules, runs, random),
        _equally(range(6), runs, random),
        random.permutation(np.arange(runs) < COSINES * runs),
        SPREAD ** random.uniform(-1, 1, runs),
        random.integers(1, 3, runs),
        random.uniform(1 / 3, 2 / 3, runs),
    )
    pairs = []
    for turn, (engine, rule, variant, cosine, scale, part, when) in enumerate(zip(*columns, strict=True)):
        ground = suited[turn % len(suited)]
        good = Trial(
            fault=fault.name,
            faulty=False,
            turn=turn,
            problem=ground.problem,
            rule=rule,
            engine=engine,
            seed=1000 * (place + 1) + turn,
            lr=scale * ground.rates[LIKE.get(rule) or rule],
            batch=-(-ground.batch // int(part)),
            steps=ground.steps,
            cosine=bool(cosine),
            begins=int(when * ground.steps) if fault.once else 1,
            every=every,
            variant=variant,
        )
        pairs.append((rounded(replace(fault.faulty(good, ground), faulty=True)), rounded(fault.healthy(good, ground))))
    return pairs


def rounded(trial: Trial) -> Trial:
    """The trial at a learning rate of three digits, as a user writes one."""
    return replace(trial, lr=float(f"{trial.lr:.3g}"))


def suits(fault: Fault, ground: Ground) -> bool:
    """Whether a fault is one on that problem, and can be planted there."""
    return fault.name not in ground.without and fault.suits(ground)


def _equally(choices: Sequence[Any], runs: int, random: np.random.Generator) -> list[Any]:
    """The choices equally often, in a random order."""
    return [choices[place % len(choices)] for place in random.permutation(runs)]
