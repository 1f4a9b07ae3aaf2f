"""What a claim's numbers come from: trainings of the lab, and computations of its own, each declared with its cost."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from thalweg.lab.table import Comparison

TUNE = 9  # places of the usual grid of learning rates: half a power of ten apart from 1e-4 to 1
SEEDS = 5


@dataclass(frozen=True)
class Trained:
    """A comparison of the lab: every optimizer as given, and where `tune` is above 0 also at its best learning rate.

    Two claims that declare the same training share its runs.

    Attributes:
        name: How the claim's measures call it; a setting's name, mostly.
        problem: A problem's name, or a Python file.
        optimizers: In the command line's grammar, one each; these texts are also the labels.
        epochs: Passes over the training data.
        seconds: What one run takes on one core of a usual machine: for the plan and the progress bar.
        batch_size: Samples per step; None for the problem's own.
        seeds: Runs per row.
        tune: Whole trials that each optimizer has.
        ranges: Where other ranges are wanted, as `"lr=1e-5:10"`.
        hyper: What is tuned.
        sampler: How trials are drawn.
        source: Where the data is, for problems that have several.
    """

    name: str
    problem: str
    optimizers: tuple[str, ...]
    epochs: int
    seconds: float
    batch_size: int | None = None
    seeds: int = SEEDS
    tune: int = 0
    ranges: str | None = None
    hyper: str = "lr"
    sampler: str = "grid"
    source: str | None = None

    @property
    def runs(self) -> int:
        """Runs and trials, those beyond the budget left out."""
        rows = len(self.optimizers) * self.seeds
        return rows + (len(self.optimizers) * self.tune + rows if self.tune else 0)

    @property
    def work(self) -> float:
        """Seconds on one core."""
        return self.runs * self.seconds


@dataclass(frozen=True)
class Computed:
    """Something that is worked out directly, one unit at a time; each is kept when it is done.

    Attributes:
        name: How the claim's measures call it.
        compute: From a unit's number, which is its seed too, to plain data: mappings, lists, numbers, texts. A number
            under the key `"steps"` is counted as steps. It must give the same for the same unit, but for what a
            clock tells.
        together: Whether `compute` takes many units at a time, as a sequence, and gives a mapping from each to its
            data: for descents that one call takes side by side.
        units: How many there are.
        seconds: What one takes.
        unit: What one is: `"seed"`, `"start"`, `"repeat"`.
    """

    name: str
    compute: Callable[[Any], Mapping[Any, Any]]
    units: int = 1
    seconds: float = 1.0
    unit: str = "seed"
    together: bool = False

    @property
    def runs(self) -> int:
        """It trains nothing."""
        return 0

    @property
    def work(self) -> float:
        """Seconds on one core."""
        return self.units * self.seconds


def shared(evidence: Iterable[Trained | Computed]) -> tuple[int, float]:
    """Runs, and seconds on one core, of evidence of several claims: an optimizer that two of them train counts once.

    Example:
        >>> one = Trained("a", "mnist-mlp", ("sgd", "adam"), epochs=3, seconds=2.0)
        >>> shared([one, replace(one, name="b", optimizers=("adam", "rmsprop"))])
        (15, 30.0)
    """
    arms: dict[Trained | int, Trained | Computed] = {}
    for one in evidence:
        if isinstance(one, Trained):
            every = [replace(one, name="", optimizers=(text,)) for text in one.optimizers]
            arms |= {replace(arm, seconds=0.0): arm for arm in every}
        else:
            arms[id(one)] = one
    return sum(arm.runs for arm in arms.values()), sum(arm.work for arm in arms.values())


@dataclass(frozen=True)
class Evidence:
    """What was found.

    Attributes:
        tables: By name the comparison of every training.
        computed: By name what every unit gave.
    """

    tables: Mapping[str, Comparison] = field(default_factory=dict)
    computed: Mapping[str, Mapping[int, Any]] = field(default_factory=dict)

    def values(self, name: str, *path: str) -> dict[int, float]:
        """By unit a number of what was computed, found along keys.

        Example:
            >>> found = Evidence(computed={"steps": {0: {"sgd": {"10": 5}}, 1: {"sgd": {"10": 7}}}})
            >>> found.values("steps", "sgd", "10")
            {0: 5.0, 1: 7.0}
        """
        found = {}
        for unit, value in self.computed[name].items():
            for key in path:
                value = value[key]
            found[unit] = float(value)
        return found
