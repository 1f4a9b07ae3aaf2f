"""The sample of an optimizer's tensors, read in one native call where they lie in plain memory, else through torch.

Array 0 of a layer are its weights, array 1 its gradient, from 2 on the states of its rule. Nothing is written, and no
operation of torch runs that a random generator or autograd could notice.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from thalweg.frameworks.torch.book import Book
from thalweg.frameworks.torch.memory import real_view, walkable
from thalweg.frameworks.torch.sharded import local
from thalweg.sweep.gather import sample_of
from thalweg.watch.sources import GRADIENT, STATES, WEIGHTS, Booked, Bundle, Layer, Wanted

LARGEST_SAMPLE, OF_A_LAYER, AT_LEAST = 8192, 128, 16  # coordinates


class Reader:
    """Reads the sample of an optimizer's layers.

    Attributes:
        layers: They.
        sample: Which elements are read; a complex one counts as two.
        arrays: How many arrays a layer has at most.
        sources: Of the layers that lie in plain memory.
        others: The positions of layers that are read through torch.
        version: Changes whenever the sources do.
        variances: The arrays of a mean and of a mean of squares that is to be a variance, and of which coordinates.
    """

    def __init__(self, state: Any, layers: Sequence[Layer]) -> None:
        self.layers, self.state = layers, state
        parts = [local(layer.x) for layer in layers]
        sizes = [part.numel() * (2 if part.is_complex() else 1) for part in parts]
        most = min(OF_A_LAYER, max(AT_LEAST, LARGEST_SAMPLE // max(len(layers), 1)))
        self.sample = sample_of(sizes, most)
        self.arrays = STATES + max([len(layer.keys) for layer in layers], default=0)
        self.sources: Sequence[Bundle | Booked] = ()
        self.others: list[int] = []
        self.version = 0
        self.variances = self._variances()

    def _variances(self) -> list[tuple[int, int, np.ndarray]]:
        """The arrays in which means of squares are to become variances, and for which coordinates."""
        layer_of = np.repeat(np.arange(len(self.layers)), self.sample.counts)
        kinds = dict.fromkeys(layer.variance for layer in self.layers if layer.variance is not None)
        marks = {kind: np.array([layer.variance == kind for layer in self.layers]) for kind in kinds}
        return [(*kind, marks[kind][layer_of]) for kind in kinds]

    def bundle(self) -> list[Bundle]:
        """Find all layers ourselves; gives them in bundles of one type and rule, which are the sources then."""
        kinds: dict[tuple, list[int]] = defaultdict(list)
        self.others = []
        for k, layer in enumerate(self.layers):
            if walkable(layer.x) and layer.x.device.type == "cpu":
                kinds[layer.x.dtype, layer.keys].append(k)
            else:
                self.others.append(k)
        bundles = [Bundle(self.sample, self.layers, which) for which in kinds.values()]
        self.sources, self.version = bundles, self.version + 1
        return bundles

    def follow(self, book: Book) -> None:
        """Rely on what one of Thalweg's optimizers has found."""
        sparse = {k for k, layer in enumerate(self.layers) if layer.x.grad is not None and layer.x.grad.is_sparse}
        self.others = sorted({*(member.number for member in book.others), *sparse})
        kept = set(self.others)
        self.sources = [
            Booked(self.sample, batch, which, self.layers[which[0]].keys)
            for batch in book.batches
            if (which := [member.number for member in batch.members]) and kept.isdisjoint(which) and batch.is_on_host
        ]
        covered = {k for source in self.sources for k in source.which}
        self.others = [k for k in range(len(self.layers)) if k not in covered]
        self.version += 1

    def tensor(self, k: int, array: int) -> Tensor | None:
        """An array of a layer, the part that this process has of it; None where there is none now."""
        layer = self.layers[k]
        if array == WEIGHTS:
            found = layer.x
        elif array == GRADIENT:
            found = layer.x.grad
        else:
            entry = dict.get(self.state, layer.x) or {}
            found = entry.get(layer.keys[array - STATES]) if array - STATES < len(layer.keys) else None
        return local(found.detach()) if isinstance(found, Tensor) else None

    def put(self, row: np.ndarray, k: int, tensor: Tensor | None) -> None:
        """Write the sample of a layer's array into a row; NaN where there is no such array now."""
        start, count, size = (int(part[k]) for part in (self.sample.starts, self.sample.counts, self.sample.sizes))
        if count:
            numbers = None if tensor is None else picked(tensor, self.sample.places[start : start + count], size)
            row[start : start + count] = np.nan if numbers is None else numbers


class Reading:
    """Some arrays of all layers, to be read into any slot of a block."""

    def __init__(self, reader: Reader, wanted: Wanted, blocks: np.ndarray) -> None:
        """Prepare.

        Args:
            reader: Knows where they lie.
            wanted: Pairs of an array and the row that it goes into.
            blocks: Float64, of shape (rows, slots, coordinates of the sample).
        """
        self._reader, self._wanted, self._blocks = reader, wanted, blocks
        self._arrays, self._rows = tuple(array for array, _ in wanted), dict(wanted)
        self._version = -1
        self._jobs: list[tuple[Callable[[], None], ...]] = []

    def __call__(self, slot: int) -> None:
        """Read."""
        reader = self._reader
        if self._version != reader.version:
            self._prepare()
        for source in reader.sources:
            source.locate(reader.state, self._arrays)
        for job in self._jobs[slot]:
            job()
        if reader.others or any(source.strange for source in reader.sources):
            self._read_others(slot)
        for mean, square, where in reader.variances:
            if mean in self._rows and square in self._rows:
                numbers, means = self._blocks[self._rows[square], slot], self._blocks[self._rows[mean], slot]
                numbers[where] = np.maximum(numbers[where] - means[where] ** 2, 0.0)

    def _prepare(self) -> None:
        slots = range(self._blocks.shape[1])
        sources = self._reader.sources
        self._jobs = [tuple(source.job(self._wanted, self._blocks[:, slot]) for source in sources) for slot in slots]
        self._version = self._reader.version

    def _read_others(self, slot: int) -> None:
        """Through torch, one by one."""
        for array, row in self._wanted:
            strange = [pair for source in self._reader.sources for pair in source.strange.get(array, ())]
            for k, tensor in [*strange, *((k, self._reader.tensor(k, array)) for k in self._reader.others)]:
                self._reader.put(self._blocks[row, slot], k, tensor)


@torch.no_grad()
def picked(tensor: Tensor, places: np.ndarray, size: int) -> np.ndarray | None:
    """Elements of a tensor by their index, as float64; None if it is of another size, or none are there.

    Example:
        >>> picked(torch.tensor([[1.0, 2.0], [3.0, 4.0]]), np.array([0, 3]), 4)
        array([1., 4.])
    """
    if tensor.is_meta or tensor.is_quantized:
        return None
    if tensor.layout == torch.sparse_coo:
        return _picked_sparse(tensor, places, size)
    if tensor.layout != torch.strided:
        tensor = tensor.to_dense()
    flat = real_view(tensor.resolve_conj().resolve_neg()).reshape(-1)
    if flat.numel() != size:
        return None
    chosen = flat[torch.from_numpy(places).to(flat.device)]
    return chosen.to("cpu").to(torch.float64).numpy()


def _picked_sparse(tensor: Tensor, places: np.ndarray, size: int) -> np.ndarray | None:
    """Elements of a sparse tensor: those of the rows that it names, else zero."""
    if tensor.is_complex() or tensor.numel() != size:
        return None
    whole = tensor.coalesce()
    depth = tensor.sparse_dim()
    length = int(np.prod(tensor.shape[depth:], dtype=np.int64))
    named = [axis.cpu().numpy() for axis in whole.indices()]
    rows = np.ravel_multi_index(named, tuple(tensor.shape[:depth])) if whole.indices().shape[1] else np.zeros(0, int)
    values = whole.values().reshape(len(rows), length).cpu().to(torch.float64).numpy()
    found = np.searchsorted(rows, places // length)
    there = found < len(rows)
    there[there] = rows[found[there]] == (places // length)[there]
    numbers = np.zeros(len(places))
    numbers[there] = values[found[there], (places % length)[there]]
    return numbers
