"""Where the next trials lie: places in a cube whose sides go from 0 to 1, one per hyperparameter.

The only file that knows Optuna, and it takes two samplers from it and nothing else: what was tried and what is still to
do is decided from our own store, since a study of Optuna's that was killed does some trials again and others never.
Every function is pure: the same arguments give the same places, in every process.
"""

from __future__ import annotations

import functools
import itertools
import math
import random
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

Place = tuple[float, ...]


@dataclass(frozen=True)
class Seen:
    """A place that was tried.

    Attributes:
        place: Where it lies in the cube.
        loss: What it gave, less being better; None where it diverged or failed.
        epochs: After how many epochs.
        finished: Whether those were all.
    """

    place: Place
    loss: float | None
    epochs: int
    finished: bool


@functools.lru_cache(maxsize=64)
def quasi_random(dimensions: int, count: int, seed: int) -> tuple[Place, ...]:
    """The first places of a scrambled Sobol sequence: they fill the cube evenly, however many are taken.

    Example:
        >>> sorted(int(4 * place[0]) for place in quasi_random(1, 4, seed=0))
        [0, 1, 2, 3]
    """
    optuna = _optuna()

    space: dict[str, Any] = {str(i): optuna.distributions.FloatDistribution(0, 1) for i in range(dimensions)}
    with _quiet():
        sampler = optuna.samplers.QMCSampler(scramble=True, seed=_number(seed, "sobol"))
        study = optuna.create_study(sampler=sampler)
        trial = optuna.trial.create_trial(value=0.0)  # asked for, and never looked at
        # Not through the study: it would draw its first trial at random, outside the sequence.
        drawn = [sampler.sample_relative(study, trial, space) for _ in range(count)]
    return tuple(tuple(float(point[str(i)]) for i in range(dimensions)) for point in drawn)


@functools.lru_cache(maxsize=64)
def tree_parzen(history: tuple[Seen, ...], dimensions: int, count: int, seed: int, number: int) -> tuple[Place, ...]:
    """Where Optuna's TPE sampler looks next: where places like the better ones of the history are likely.

    Places of one call keep clear of each other, since each is held to be a bad one until its result is known.

    Args:
        history: What was tried.
        dimensions: Sides of the cube.
        count: How many places.
        seed: Decides them, together with `number`.
        number: Of the round: no two rounds draw the same random numbers.

    Example:
        >>> history = tuple(Seen((place,), (place - 0.3) ** 2, 1, True) for place in (0.1, 0.3, 0.6, 0.9))
        >>> len(set(tree_parzen(history, 1, 4, seed=0, number=1)))
        4
    """
    optuna = _optuna()

    space: Any = {str(i): optuna.distributions.FloatDistribution(0, 1) for i in range(dimensions)}
    with _quiet():
        chosen = _number(seed, f"tpe {number}")
        sampler = optuna.samplers.TPESampler(n_startup_trials=0, multivariate=True, constant_liar=True, seed=chosen)
        study = optuna.create_study(sampler=sampler)
        study.add_trials([_trial(seen, space) for seen in history])
        asked = [study.ask(space).params for _ in range(count)]
    return tuple(tuple(float(point[str(i)]) for i in range(dimensions)) for point in asked)


@functools.lru_cache(maxsize=64)
def grid(trials: int, dimensions: int) -> tuple[Place, ...]:
    """A full factorial of at most so many places, its sides as equal as can be, each place far from those before it.

    In that order the first places span the whole cube, so that those that come later are fairly compared with them.

    Example:
        >>> grid(5, 1)
        ((0.0,), (1.0,), (0.5,), (0.25,), (0.75,))
        >>> len(grid(20, 2)), len(grid(7, 3))
        (20, 4)
    """
    axes = [[i / (side - 1) for i in range(side)] if side > 1 else [0.5] for side in _sides(trials, dimensions)]
    first, *rest = itertools.product(*axes)
    ordered, gaps = [first], {place: math.dist(place, first) for place in rest}
    while gaps:
        farthest = max(gaps, key=lambda place: gaps[place])
        del gaps[farthest]
        ordered.append(farthest)
        gaps = {place: min(gap, math.dist(place, farthest)) for place, gap in gaps.items()}
    return tuple(ordered)


def _sides(trials: int, dimensions: int) -> list[int]:
    """Points per side: the largest equal number that fits, and one more for each of the first as far as that fits."""
    side = next(n for n in itertools.count(1) if (n + 1) ** dimensions > trials)
    more = max(i for i in range(dimensions) if (side + 1) ** i * side ** (dimensions - i) <= trials)
    return [side + 1] * more + [side] * (dimensions - more)


def _trial(seen: Seen, space: Any) -> Any:
    """A trial as Optuna keeps it: what did not finish ranks below what did, the worse the sooner it ended."""
    optuna = _optuna()

    complete = seen.finished and seen.loss is not None
    return optuna.trial.create_trial(
        state=optuna.trial.TrialState.COMPLETE if complete else optuna.trial.TrialState.PRUNED,
        value=seen.loss if complete else None,
        params={str(i): side for i, side in enumerate(seen.place)},
        distributions=space,
        intermediate_values={} if complete or seen.loss is None else {seen.epochs: seen.loss},
    )


def _number(seed: int, purpose: str) -> int:
    return random.Random(f"{seed} {purpose}").getrandbits(32)


def _optuna() -> Any:
    """Optuna, imported without tqdm's advice to a notebook that lacks widgets: no bar of Optuna's is ever shown."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "IProgress not found")
        import optuna
    return optuna


@contextmanager
def _quiet() -> Iterator[None]:
    """Optuna says nothing within; outside it speaks as before, since a user may have studies of their own."""
    optuna = _optuna()

    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            yield
    finally:
        optuna.logging.set_verbosity(before)
