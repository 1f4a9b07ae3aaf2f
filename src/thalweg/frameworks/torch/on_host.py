"""Tensors in the host's memory that one kernel steps in one native call, and their numbers."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import replace
from itertools import repeat
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from torch import Tensor

from thalweg.compile.numba import Kernel, compiled
from thalweg.compile.storage import Storage
from thalweg.frameworks.torch.plan import Plan, Recipe
from thalweg.frameworks.torch.state import shared_numbers
from thalweg.sweep.cpu import keys, norm_table, squared_norm, step_values, sweep
from thalweg.sweep.table import Table
from thalweg.sweep.threads import Launch

if TYPE_CHECKING:
    from thalweg.frameworks.torch.batch import Member


class Threads(NamedTuple):
    """How many threads of the host may step, and who runs them."""

    count: int
    launch: Launch


class HostSweep:
    """Steps the members of a batch.

    Attributes:
        table: Where their arrays lie.
        steps: For each member how many steps it has taken.
    """

    def __init__(self, recipe: Recipe, members: Sequence[Member], counts: Sequence[int], storage: Storage) -> None:
        self._recipe, self._storage, self._counts = recipe, storage, counts
        states = [member.state for member in members]
        self._groups, self._group_of = np.unique([member.group for member in members], return_inverse=True)
        if recipe.counted:
            self.steps = shared_numbers(states, "step").numpy()
        else:  # torch knows of the first step only, by the state that it lacks
            self.steps = np.array([0.0 if member.fresh else 1.0 for member in members])
        self.scalars = [shared_numbers(states, key).numpy() for key in recipe.scalar_keys]
        self.table = Table(compiled(recipe.program, storage), counts)
        self._norm: Table | None = None

    def point(self, array: int, addresses: np.ndarray) -> None:
        """Say where an array of every member begins."""
        self.table.point(array, addresses)
        if array == 1 and self._norm is not None:
            self._norm.point(0, addresses)

    def draw(self, seed: int, streams: np.ndarray, offsets: np.ndarray) -> None:
        """Say where the members' random bits come from: a seed, and for each its stream, and where in it it begins."""
        self._seed, self._streams = seed, streams
        self.table.start_at(offsets)

    def squared_norm(self, present: np.ndarray | None, threads: Threads) -> tuple[float, int]:
        """The sum of the squares of the gradients, and how many infinities and NaNs they have."""
        dtype = self._storage.types[1]
        if self._norm is None:
            self._norm = norm_table(dtype, self._counts)
            self._norm.point(0, self.table.bases[1])
        self._norm.present(present)
        return squared_norm(self._norm, dtype, threads=threads.count, launch=threads.launch)

    def count(self, members: Sequence[int]) -> None:
        """Count a step of members that others take."""
        self.steps[list(members)] += 1

    def step(
        self,
        present: np.ndarray | None,
        plans: Sequence[Plan],
        threads: Threads,
        with_sums: bool = False,
        skip: Tensor | None = None,
    ) -> None:
        """Step the members that are present, in one call.

        Args:
            present: Which members are; None stands for all.
            plans: For each group of the optimizer how to step it.
            threads: Who steps.
            with_sums: Whether `sums` is asked for afterwards.
            skip: None: here it is known whether a step is taken.
        """
        self.steps += 1 if present is None else present
        values, sets = self._values(plans, present)
        if self._storage.rounding == "stochastic":
            self.table.draw(keys(self._seed, self._streams, self.steps.astype(np.int64)))
        kernel = self._summing if with_sums else None
        sweep(self.table, values, which=sets, threads=threads.count, launch=threads.launch, kernel=kernel)

    @functools.cached_property
    def _summing(self) -> Kernel:
        """The kernel that makes the same step, and adds up."""
        self.table.collect()
        return compiled(self._recipe.program, replace(self._storage, sums=True))

    def sums(self, total: np.ndarray | None = None) -> np.ndarray:
        """For each member what the last step added up; written where it is asked for."""
        return self.table.sums(total)

    def _values(self, plans: Sequence[Plan], present: np.ndarray | None) -> tuple[np.ndarray, np.ndarray | None]:
        """The sets of per-step values that the members need, and for each member which of them; None stands for one."""
        program, numbers = self._recipe.program, (self.steps, *self.scalars)
        if not any(np.count_nonzero(column != column[0]) for column in numbers):  # faster than `all`
            which = self._group_of
            needed = list(zip(self._groups.tolist(), *(repeat(float(column[0])) for column in numbers), strict=False))
        else:
            groups = self._groups[self._group_of].tolist()
            rows = list(zip(groups, *(column.tolist() for column in numbers), strict=True))
            order = {row: k for k, row in enumerate(dict.fromkeys(rows))}
            needed, which = list(order), np.array([order[row] for row in rows])
        made = [step_values(program, t, plans[group].hyper, state) for group, t, *state in needed]
        moved = slice(None) if present is None else present > 0
        for column, new in zip(self.scalars, zip(*(new for _, new in made), strict=True), strict=False):
            column[moved] = np.array(new)[which[moved]]
        return np.array([values for values, _ in made]), which if len(made) > 1 else None

    def lost(self) -> tuple[int, int]:
        """How many weights should have moved in the last step, and how many of them rounding kept where they were."""
        if not self._storage.tally:
            return 0, 0
        return int(self.table.result("first").sum()), int(self.table.result("second").sum())
