"""Parameters that one kernel steps in one native call, and what is remembered of them between steps.

Nothing may be written through an address that is no longer the tensor's. So every step asks every tensor where it is,
which is what gathering costs, and compares; only what moved is written into the table anew.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from operator import attrgetter, itemgetter
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from thalweg.compile.storage import Storage
from thalweg.frameworks.torch.frame import Frame
from thalweg.frameworks.torch.memory import PLAIN, aligned, foldable, same_order
from thalweg.frameworks.torch.on_device import DeviceSweep
from thalweg.frameworks.torch.on_host import HostSweep, Threads
from thalweg.frameworks.torch.plan import Plan, Recipe
from thalweg.frameworks.torch.sharded import check_kind, holds_parts, locals_of, spread_of, stream
from thalweg.sweep.gpu import is_on_gpu

ADDRESS, IS_CONTIGUOUS, STRIDE, DTYPE = Tensor.data_ptr, Tensor.is_contiguous, Tensor.stride, attrgetter("dtype")
SIZE = Tensor.numel


class Member(NamedTuple):
    """One parameter of a batch.

    Attributes:
        x: The parameter.
        state: Its state.
        group: The index of its group.
        number: Its position among all parameters of the optimizer.
        fresh: Whether its state was made just now.
    """

    x: Tensor
    state: dict[str, Any]
    group: int
    number: int
    fresh: bool


@dataclass
class Gathered:
    """The gradients of one step.

    Attributes:
        present: Which members the kernel steps; None stands for all.
        copies: Gradients that had to be brought into their parameter's order, by member.
        sparse: Members whose gradients are sparse, which are stepped elsewhere.
    """

    present: np.ndarray | None = None
    copies: dict[int, Tensor] = field(default_factory=dict)
    sparse: list[Member] = field(default_factory=list)


class Batch:
    """The members, their kernel and its table.

    Attributes:
        recipe: How they are stepped.
        members: They; all of them plain tensors, or all of them DTensors with parts in the same processes.
        xs: What the kernel writes: the parameters, or of DTensors the parts that this process has.
        spread: Where the other parts are, if there are any.
        arrays: The keys of their state arrays, in the kernel's order.
        storage: How all arrays are stored.
        sweep: Steps them, on the host or on a device.
    """

    def __init__(
        self, recipe: Recipe, frame: Frame, members: Sequence[Member], arrays: tuple[str, ...], storage: Storage
    ) -> None:
        self.recipe, self.frame, self.members = recipe, frame, members
        self._params = [m.x for m in members]
        self.spread = spread_of(self._params[0])
        self._open = list if self.spread is None else locals_of
        self.xs = self._open(self._params)
        self.states = [m.state for m in members]
        self._positions = [m.number for m in members]
        self._where = np.array(self._positions)
        self._in_order = self._positions == list(range(len(members)))
        self.gradient_dtype = self.xs[0].dtype
        self.storage, self.arrays = storage, arrays
        counts = [x.numel() * (2 if x.is_complex() else 1) for x in self.xs]
        if is_on_gpu(self.xs[0]):
            device = self.xs[0].device
            self.sweep = DeviceSweep(recipe, members, counts, storage, device, frame.exact)
        else:
            self.sweep = HostSweep(recipe, members, counts, storage)
        self._places, self._sizes = list(map(ADDRESS, self.xs)), list(map(SIZE, self.xs))
        self._state_places = self._find_state()
        # The kernel's arrays are x, g, then the states: nobody knows the gradients yet.
        self.sweep.point(0, np.array(self._places, np.int64))
        for array, places in enumerate(self._state_places[: len(arrays)], start=2):
            self.sweep.point(array, np.array(places, np.int64))
        self._gradients: list[int] | None = None
        self._contiguous = all(map(IS_CONTIGUOUS, self.xs))
        self._strides = None if self._contiguous else list(map(STRIDE, self.xs))
        self._foldable = [x for x in self.xs if foldable(x)]
        if storage.rounding == "stochastic":
            drawn = np.array([stream(m.x, m.number) for m in members], np.int64)
            self.sweep.draw(frame.seed, drawn[:, 0], drawn[:, 1])
        self._careful = [k for k, x in enumerate(self.xs) if x.is_complex() or x.numel() == 1]

    @property
    def is_on_host(self) -> bool:
        """Whether all of it lies in the host's memory, and is stepped there."""
        return isinstance(self.sweep, HostSweep)

    @property
    def bases(self) -> np.ndarray | None:
        """For each array of the kernel where the members' first elements are, kept up to date; None of a device."""
        return self.sweep.table.bases if isinstance(self.sweep, HostSweep) else None

    def _find_state(self) -> list[list[int]]:
        """Where the members' state arrays and numbers are, key by key."""
        numbers = (*(("step",) if self.recipe.counted else ()), *self.recipe.scalar_keys)
        arrays = [list(map(ADDRESS, self._open(map(itemgetter(key), self.states)))) for key in self.arrays]
        return arrays + [list(map(ADDRESS, map(itemgetter(key), self.states))) for key in numbers]

    def is_state_unmoved(self) -> bool:
        """Whether every state is still where it was."""
        try:
            return self._find_state() == self._state_places
        except (KeyError, TypeError, AttributeError):  # of no tensor, and of no DTensor
            return False

    def is_unmoved(self) -> bool:
        """Whether every parameter is still where it was, and laid out as it was."""
        if self.spread is not None and not holds_parts(self._params, self.xs):
            return False
        if set(map(DTYPE, self.xs)) != {self.gradient_dtype}:
            return False
        if list(map(ADDRESS, self.xs)) != self._places or list(map(SIZE, self.xs)) != self._sizes:
            return False
        if self._contiguous:
            return all(map(IS_CONTIGUOUS, self._foldable))
        return list(map(STRIDE, self.xs)) == self._strides

    def select(self, everything: list[Any]) -> list[Any]:
        """The members' part of a list with an item for each parameter of the optimizer."""
        if self._in_order and len(everything) == len(self._positions):
            return everything
        return [everything[k] for k in self._positions]

    def gather(self, gradients: Sequence[Tensor | None], taken: set[int] | None = None) -> Gathered:
        """Point the kernel at this step's gradients.

        Args:
            gradients: One for each member, or None.
            taken: Where the gradients are that other batches zero; those of this one are added. None if nobody asks.
        """
        if isinstance(self.sweep, DeviceSweep):
            self.sweep.table.release()  # of a capture that was given up, or that had no step
        try:
            addresses = list(map(ADDRESS, gradients))  # type: ignore[arg-type]
            if (taken is None or taken.isdisjoint(addresses)) and self._fit(gradients, addresses):  # type: ignore[arg-type]
                if taken is not None:
                    taken.update(addresses)
                if addresses != self._gradients:
                    self.sweep.point(1, np.array(addresses, np.int64))
                    self._gradients = addresses
                    self.sweep.table.present(None)
                return Gathered()
        except (TypeError, RuntimeError):  # of None, or of a sparse gradient
            pass
        return self._gather_each(gradients, set() if taken is None else taken)

    def _fit(self, gradients: Sequence[Tensor], addresses: list[int]) -> bool:
        """Whether the kernel can walk all these gradients as they are."""
        if self._contiguous:
            in_order = all(map(IS_CONTIGUOUS, gradients))
        else:
            in_order = list(map(STRIDE, gradients)) == self._strides
        if not in_order or not all(same_order(gradients[k], self.xs[k]) for k in self._careful):
            return False
        if addresses == self._gradients:
            return True
        plain = set(map(type, gradients)) <= set(PLAIN) and set(map(DTYPE, gradients)) == {self.gradient_dtype}
        return plain and not (self.frame.zero_grad and len(set(addresses)) < len(addresses))

    def _gather_each(self, gradients: Sequence[Tensor | None], taken: set[int]) -> Gathered:
        """Look at each gradient: some are missing, sparse, in another order, or shared by several parameters."""
        found = Gathered(present=np.ones(len(self.xs), np.int64))
        addresses = [0] * len(self.xs)
        for k, (x, gradient) in enumerate(zip(self.xs, gradients, strict=True)):
            if gradient is None or gradient.layout != torch.strided:
                found.present[k] = 0  # type: ignore[index]
                if gradient is not None:
                    found.sparse.append(self.members[k]._replace(fresh=bool(self.sweep.steps[k] == 0)))
                continue
            usable = _usable(gradient, x, self.gradient_dtype)
            if self.frame.zero_grad and usable.data_ptr() in taken:
                usable = usable.clone(memory_format=torch.preserve_format)
            if usable is not gradient:
                found.copies[k] = usable
            addresses[k] = usable.data_ptr()
            taken.add(addresses[k])
        self.sweep.point(1, np.array(addresses, np.int64))
        self.sweep.table.present(found.present)
        self._gradients = None
        return found

    def step(
        self,
        found: Gathered,
        plans: Sequence[Plan],
        threads: Threads,
        with_sums: bool = False,
        skip: Tensor | None = None,
    ) -> None:
        """Step every member that has a gradient; see `HostSweep.step`."""
        if found.sparse and not self.recipe.counted:  # nobody else counts those
            sparse = {member.number for member in found.sparse}
            self.sweep.count([k for k, number in enumerate(self._positions) if number in sparse])
        self.sweep.step(found.present, plans, threads, with_sums, skip)
        self._mark_changed(found)

    def add_up(self, found: Gathered, sums: np.ndarray) -> None:
        """Write the sums of the last step into the rows of the members that it stepped, by their positions."""
        if found.present is None and self._in_order and len(sums) == len(self._where):
            self.sweep.sums(sums)
            return
        there = slice(None) if found.present is None else found.present > 0
        sums[self._where[there]] = self.sweep.sums()[there]

    def _mark_changed(self, found: Gathered) -> None:
        """Tell autograd which parameters a kernel has written, and zero the gradients that it saw as copies only."""
        present, params = found.present, self._params
        xs = params if present is None else [x for x, there in zip(params, present, strict=True) if there]
        torch.autograd.graph.increment_version(xs)
        if self.frame.zero_grad:
            torch.autograd.graph.increment_version([x.grad for x in xs])  # type: ignore[arg-type]
            for k in found.copies:
                params[k].grad.zero_()  # type: ignore[union-attr]


def _usable(gradient: Tensor, x: Tensor, dtype: torch.dtype) -> Tensor:
    """A dense gradient as the kernel can read it: itself, or a copy in the parameter's order."""
    if gradient.dtype == dtype and same_order(gradient, x):
        return gradient
    check_kind(x, "a gradient", gradient)
    return aligned(torch.Tensor(gradient.resolve_conj().resolve_neg().to(dtype)), x)
