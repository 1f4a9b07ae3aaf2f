"""Tensors on a GPU that one kernel steps: step numbers, hyperparameters and decisions stay there, and nobody waits."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from thalweg.compile.measured import SUMS
from thalweg.compile.storage import Storage
from thalweg.compile.triton import source
from thalweg.compile.triton_norm import norm_source
from thalweg.compile.triton_once import keys_source, values_source
from thalweg.frameworks.torch.memory import KERNEL_DTYPES
from thalweg.frameworks.torch.plan import Plan, Recipe
from thalweg.frameworks.torch.state import shared_numbers
from thalweg.sweep.gpu import DeviceTable, Part, launch, within
from thalweg.sweep.mirror import Later, Mirror, is_capturing, keep

if TYPE_CHECKING:
    from thalweg.frameworks.torch.batch import Member
    from thalweg.frameworks.torch.on_host import Threads

KEYS = 128  # rows that get their keys from one program
TALLIES = 64  # steps: in one of so many the updates that rounding keeps are counted


class DeviceSweep:
    """Steps the members of a batch, as `HostSweep` does.

    Attributes:
        table: Where their arrays lie.
        steps: For each member how many steps it has taken, a tensor on the device.
    """

    def __init__(
        self,
        recipe: Recipe,
        members: Sequence[Member],
        counts: Sequence[int],
        storage: Storage,
        device: torch.device,
        exact: bool,
    ) -> None:
        self._program, self._device, self._exact = recipe.program, device, exact
        self._storage, self._tallies, self._turn = replace(storage, tally=False), storage.tally, 0
        self._groups, self._group_of = np.unique([member.group for member in members], return_inverse=True)
        states = [member.state for member in members]
        if recipe.counted:
            self.steps = _numbers(states, "step", device, (torch.float32, torch.float64))
        else:  # torch knows of the first step only, by the state that it lacks
            known = [0.0 if member.fresh else 1.0 for member in members]
            self.steps = list(torch.tensor(known, dtype=torch.float32, device=device).unbind())
        self._scalars = [_numbers(states, key, device, (torch.float64,)) for key in recipe.scalar_keys]
        self._make_room(len(members))
        self.table = DeviceTable(storage.itemsizes, counts, device)
        self.table.choose(_places(self._values, len(members)))
        self._pending: Later | None = None

    def _make_room(self, members: int) -> None:
        """For what is made anew in each step, and for the addresses of that."""
        make = functools.partial(torch.zeros, dtype=torch.float64, device=self._device)
        width, hyper = max(1, len(self._program.used_scalars)), len(self._program.hyper)
        self._values, self._nowhere, self._never = make((members, width)), make(width), make(())
        self._hyper = Mirror((len(self._groups), max(1, hyper)), torch.float64, self._device)
        self._image = np.zeros((members, 2 + hyper + len(self._scalars)), np.int64)
        self._image[:, 0] = _places(self.steps, members)
        for k, column in enumerate(self._scalars, start=1 + hyper):
            self._image[:, k] = _places(column, members)
        self._image[:, -1] = _places(self._values, members)
        self._sets = Mirror(self._image.shape, torch.int64, self._device)

    def point(self, array: int, addresses: np.ndarray) -> None:
        """Say where an array of every member begins."""
        self.table.point(array, addresses)

    def draw(self, seed: int, streams: np.ndarray, offsets: np.ndarray) -> None:
        """Say where the members' random bits come from: a seed, and for each its stream, and where in it it begins."""
        self._seed = torch.tensor([(seed + 2**63) % 2**64 - 2**63], device=self._device)
        self._streams, self._drawn_for = streams, -1
        self._draws = Mirror((2, len(self.table.tensor)), torch.int64, self._device)
        self.table.start_at(offsets)

    def norm(self, squares: Tensor, unfits: Tensor) -> None:
        """Write for each row the sum of the gradients' squares, and how many infinities and NaNs they have."""
        text = norm_source(self._storage.types[1], self._storage.arrays(self._program))
        with within(self._device):
            for part in self.table.parts():
                part.launch(text, squares[part.rows], unfits[part.rows])

    def squared_norm(self, present: np.ndarray | None, threads: Threads) -> tuple[float, int]:
        """As `HostSweep` says it; the host waits for that."""
        both = torch.zeros((2, len(self.table.tensor)), dtype=torch.float64, device=self._device)
        self.norm(*both)
        square, unfit = both.sum(dim=1).tolist()
        return square, int(unfit)

    def count(self, members: Sequence[int]) -> None:
        """Count a step of members that others take."""
        for k in members:
            self.steps[k] += 1

    def step(
        self,
        present: np.ndarray | None,
        plans: Sequence[Plan],
        threads: Threads,
        with_sums: bool = False,
        skip: Tensor | None = None,
    ) -> None:
        """Step the members that are present: a launch for their per-step values, and one or two for their arrays.

        Args:
            present: Which members are; None stands for all.
            plans: For each group of the optimizer how to step it.
            threads: Of the host, which have nothing to do.
            with_sums: Whether `sums` is asked for afterwards.
            skip: A float64 on the device that is not zero where the step shall be left out; None: it is taken.
        """
        skip = self._never if skip is None else skip
        captures = is_capturing(self._device)
        tally = self._tallies and self._turn % TALLIES == 1 and not captures
        self._turn += 1
        if captures:
            keep(self, skip)  # what a graph reads and writes outlives the book
        with within(self._device):
            text = values_source(self._program, KERNEL_DTYPES[self.steps[0].dtype])
            launch(text, len(self._image), self._sets_of(plans, present), skip, warps=1)
            parts = self.table.parts()
            drawn = self._drawn() if self._storage.rounding == "stochastic" else ()
            for part in parts:
                self._draw(part, *drawn)
                self._step_rows(part, skip, with_sums, tally)
        self.table.release()
        if tally:
            self._pending = Later(torch.stack([part.table[:, -2:].sum(dim=0) for part in parts]).sum(dim=0))

    def _step_rows(self, part: Part, skip: Tensor, with_sums: bool, tally: bool) -> None:
        sums = (self._sums[part.rows],) if with_sums else ()
        storage = replace(self._storage, sums=with_sums, tally=tally) if with_sums or tally else self._storage
        part.launch(source(self._program, storage, self._exact), skip, *sums, exact=self._exact)

    def _sets_of(self, plans: Sequence[Plan], present: np.ndarray | None) -> Tensor:
        """The table of what the per-step values are made of, on the device: who is absent works with nothing."""
        width = len(self._program.hyper)
        self._image[:, 1 : 1 + width] = self._hyper_places(plans)[self._group_of][:, :width]
        image = self._image
        if present is not None:
            image = np.where(present[:, None] > 0, image, self._nowhere.data_ptr())
        return self._sets.holding(image, is_shared=False)

    def _hyper_places(self, plans: Sequence[Plan]) -> np.ndarray:
        """Where each group's hyperparameters are on the device.

        A float64 there is read where it is, any other tensor is copied in each step, and numbers of the host when they
        have changed.
        """
        asked = [[plans[group].hyper[name] for name in self._program.hyper] for group in self._groups]
        told = {(g, k): v for g, row in enumerate(asked) for k, v in enumerate(row) if isinstance(v, Tensor)}
        host = np.zeros(self._hyper.numbers.shape)
        for g, row in enumerate(asked):
            # Where a tensor is told there stands a NaN, so that a number that follows it is sent, whichever it is.
            host[g, : len(row)] = [np.nan if isinstance(value, Tensor) else value for value in row]
        numbers = self._hyper.holding(host)
        places = numbers.data_ptr() + 8 * np.arange(host.size, dtype=np.int64).reshape(host.shape)
        for (g, k), value in told.items():
            if value.dtype == torch.float64 and value.device == self._device:
                places[g, k] = value.data_ptr()
            else:
                numbers[g, k].copy_(value.detach().reshape(()), non_blocking=True)
        return places

    def _drawn(self) -> Tensor:
        """For each row its stream of random bits, and where its step number is, on the device."""
        captures = is_capturing(self._device)
        if captures or self._drawn_for != self.table.version:
            places = _places(self.steps, len(self._image))
            rows = np.stack([self._streams[self.table.tensor], places[self.table.tensor]])
            found = self._draws.holding(rows, is_shared=False)
            if captures:
                return found
            self._drawn_for = self.table.version
        return self._draws.numbers

    def _draw(self, part: Part, *drawn: Tensor) -> None:
        """Write the keys of random bits into the rows, if there are any."""
        if not drawn:
            return
        (streams, steps), rows = drawn, len(part.table)
        arguments = (part.table, streams[part.rows], steps[part.rows], self._seed, rows)
        text = keys_source(len(self._storage.itemsizes), KERNEL_DTYPES[self.steps[0].dtype])
        launch(text, -(-rows // KEYS), *arguments, BLOCK=KEYS)

    @functools.cached_property
    def _sums(self) -> Tensor:
        return torch.zeros((len(self.table.tensor), len(SUMS)), dtype=torch.float64, device=self._device)

    def sums(self, total: np.ndarray | None = None) -> np.ndarray:
        """For each member what the last step added up; written where it is asked for. The host waits for that."""
        found = self.table.total(self._sums.cpu().numpy())
        if total is None:
            return found
        total[:] = found
        return total

    def lost(self) -> tuple[int, int]:
        """What was counted in a step some time ago and has arrived now, once: see `HostSweep`."""
        if self._pending is None or is_capturing(self._device):  # to ask for an event breaks a capture
            return 0, 0
        numbers = self._pending.read()
        if numbers is None:
            return 0, 0
        self._pending = None
        return int(numbers[0]), int(numbers[1])


def _numbers(
    states: list[dict[str, Any]], key: str, device: torch.device, types: tuple[torch.dtype, ...]
) -> list[Tensor]:
    """The states' numbers, on the device, in the first of some types if they have none of them.

    Who lies there already stays where it is, as a captured graph may count with it.
    """
    taken: set[int] = set()
    lacking = []
    for state in states:
        number = state[key]
        if number.dtype not in types:
            state[key] = number = number.to(types[0])
        if number.device != device or number.ndim or number.data_ptr() in taken:
            lacking.append(state)
        taken.add(number.data_ptr())
    if lacking:
        shared_numbers(lacking, key, device)
    return [state[key] for state in states]


def _places(numbers: Tensor | list[Tensor], rows: int) -> np.ndarray:
    """Where the numbers of a list are, or the first number of each row of a tensor."""
    if isinstance(numbers, list):
        return np.array([number.data_ptr() for number in numbers], np.int64)
    return numbers.data_ptr() + np.arange(rows, dtype=np.int64) * (numbers.stride(0) * numbers.element_size())
