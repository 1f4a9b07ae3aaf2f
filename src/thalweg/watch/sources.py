"""Where the arrays of layers lie: as one of Thalweg's optimizers has found out for its own step, or as we ask torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from operator import attrgetter, is_, itemgetter
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from thalweg.frameworks.torch.batch import Batch
from thalweg.frameworks.torch.memory import KERNEL_DTYPES, PLAIN, aligned, same_order, walkable
from thalweg.sweep.gather import Gather, Sample

WEIGHTS, GRADIENT, STATES = 0, 1, 2
ADDRESS, IS_CONTIGUOUS, DTYPE, GRAD = Tensor.data_ptr, Tensor.is_contiguous, attrgetter("dtype"), attrgetter("grad")

Wanted = tuple[tuple[int, int], ...]  # arrays, and the rows in which their numbers are wanted


class Layer(NamedTuple):
    """A parameter that is watched.

    Attributes:
        name: Its name.
        x: It.
        group: The number of its group.
        keys: The keys, in torch's state, of its rule's array states.
        variance: Where torch keeps a mean of squares in place of a rule's variance the arrays of the mean and of that.
    """

    name: str
    x: Tensor
    group: int
    keys: tuple[str, ...]
    variance: tuple[int, int] | None = None


class Booked:
    """Layers that one of Thalweg's optimizers steps in one native call; it looks in every step where they lie.

    Attributes:
        which: Their positions among all layers.
        strange: None is: see `Bundle`.
    """

    strange: Mapping[int, list[tuple[int, Tensor]]] = MappingProxyType({})

    def __init__(self, sample: Sample, batch: Batch, which: list[int], keys: Sequence[str]) -> None:
        self.which = which
        names, count = batch.arrays, len(batch.storage.itemsizes)
        types = [*batch.storage.types, batch.storage.types[0]][:count]
        self._gather = Gather(sample, which, types, batch.bases)
        self._array = [WEIGHTS, GRADIENT, *(STATES + names.index(key) for key in keys)]

    def job(self, wanted: Wanted, result: np.ndarray) -> Callable[[], None]:
        """What reads arrays of these layers into a result."""
        known = [(self._array[array], row) for array, row in wanted if array < len(self._array)]
        return self._gather.job(known, result)

    def locate(self, state: Any, arrays: Sequence[int]) -> None:
        """Nothing is to be done: the optimizer has done it."""

    def let_go(self) -> None:
        """Nothing is held."""


class Bundle:
    """Layers in plain memory whose weights have one type and whose states have the same keys.

    Attributes:
        which: Their positions among all layers.
        xs: Their weights.
        dtype: Of these.
        strange: For each array the layers, and their tensors, that the native call cannot read now.
    """

    def __init__(self, sample: Sample, layers: Sequence[Layer], which: list[int]) -> None:
        self.which, self.xs = which, [layers[k].x for k in which]
        self.dtype = self.xs[0].dtype
        self._keys = [itemgetter(key) for key in layers[which[0]].keys]
        arrays = STATES + len(self._keys)
        self._types = [self.dtype] * arrays
        self._gather = Gather(sample, which, [KERNEL_DTYPES[self.dtype]] * arrays)
        self._addresses: list[list[int]] = [[] for _ in range(arrays)]
        self._in_order = [False] * arrays
        self._held: list[list[Any]] = [[] for _ in range(arrays)]  # so that the memory stays theirs
        self.strange: dict[int, list[tuple[int, Tensor]]] = {}
        self._values: list[Any] | None = None
        self._entries: list[dict] = []

    @property
    def addresses(self) -> np.ndarray:
        """For each array where the layers' first elements were when they were located last; 0 where there is none."""
        return self._gather.bases

    def located(self, array: int) -> list[Any]:
        """The tensors of an array that the addresses are of."""
        return self._held[array]

    def job(self, wanted: Wanted, result: np.ndarray) -> Callable[[], None]:
        """What reads arrays of these layers into a result, once they have been located."""
        return self._gather.job([pair for pair in wanted if pair[0] < len(self._types)], result)

    def let_go(self) -> None:
        """Keep no gradient alive until the next reading."""
        self._held[GRADIENT] = []

    def locate(self, state: Any, arrays: Sequence[int]) -> None:
        """Find out where the first elements of arrays are now."""
        for array in arrays:
            if array < len(self._types):
                self._locate(self._find(state, array), array)

    def _locate(self, tensors: list[Any], array: int) -> None:
        try:
            addresses = list(map(ADDRESS, tensors))
            in_order = all(map(IS_CONTIGUOUS, tensors))
        except (TypeError, RuntimeError, NotImplementedError):  # of None, or of a sparse gradient
            self._locate_each(tensors, array)
            return
        if in_order and self._in_order[array] and addresses == self._addresses[array]:
            self._held[array] = tensors
        elif array == WEIGHTS or not (in_order and self._fits(tensors, array)):
            self._locate_each(tensors, array)
        else:
            self._point(array, tensors, addresses, True)
            self.strange.pop(array, None)

    def _find(self, state: Any, array: int) -> list[Any]:
        if array == WEIGHTS:
            return self.xs
        if array == GRADIENT:
            return list(map(GRAD, self.xs))
        values = list(dict.values(state))
        known = self._values
        if known is None or len(values) != len(known) or not all(map(is_, values, known)):
            self._values, self._entries = values, [dict.get(state, x) or {} for x in self.xs]
        key = self._keys[array - STATES]
        try:
            return list(map(key, self._entries))
        except KeyError:
            return [_value(key, entry) for entry in self._entries]

    def _fits(self, tensors: list[Tensor], array: int) -> bool:
        plain = set(map(type, tensors)) <= set(PLAIN) and set(map(DTYPE, tensors)) == {self._types[array]}
        return plain and self._in_order[WEIGHTS] and not self.xs[0].is_complex()

    def _locate_each(self, tensors: list[Any], array: int) -> None:
        """Look at each tensor: some are missing, sparse, or in another order than their weights."""
        self.strange[array] = []
        self._choose_type(tensors, array)
        used = [self._usable(k, x, tensor, array) for k, x, tensor in zip(self.which, self.xs, tensors, strict=True)]
        if not self.strange[array]:
            del self.strange[array]
        addresses = [0 if tensor is None else tensor.data_ptr() for tensor in used]
        as_they_are = all(a is b and a is not None for a, b in zip(used, tensors, strict=True))
        in_order = as_they_are and all(map(IS_CONTIGUOUS, used))  # type: ignore[arg-type]
        self._point(array, used, addresses, in_order)

    def _choose_type(self, tensors: list[Any], array: int) -> None:
        """States may have a wider type than their weights."""
        if array >= STATES:
            dtypes = {t.dtype for t in tensors if isinstance(t, Tensor) and t.dtype in KERNEL_DTYPES}
            if dtypes and self._types[array] not in dtypes:
                self._types[array] = max(dtypes, key=lambda dtype: (dtype.itemsize, str(dtype)))
                self._gather.set_type(array, KERNEL_DTYPES[self._types[array]])

    def _usable(self, k: int, x: Tensor, tensor: Any, array: int) -> Tensor | None:
        """A tensor as the native call can read it: itself, or a copy in the order of its weights; None if neither."""
        if not isinstance(tensor, Tensor):
            return None
        plain = walkable(x) and x.device.type == tensor.device.type == "cpu" and tensor.shape == x.shape
        if plain and tensor.dtype == self._types[array] and same_order(tensor, x):
            return tensor
        if not plain or tensor.layout != torch.strided or type(tensor) not in PLAIN:
            self.strange[array].append((k, tensor.detach()))
            return None
        with torch.no_grad():
            return aligned(tensor.detach().resolve_conj().resolve_neg().to(self._types[array]), x)

    def _point(self, array: int, tensors: list[Any], addresses: list[int], in_order: bool) -> None:
        self._gather.bases[array] = addresses
        self._addresses[array], self._in_order[array], self._held[array] = addresses, in_order, tensors


def _value(key: Any, entry: dict) -> Any:
    try:
        return key(entry)
    except KeyError:
        return None
