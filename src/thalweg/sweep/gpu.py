"""A kernel over many tensors on a GPU: one launch, two where some lie at odd addresses, and nobody waits for it.

Memory and streams are torch's, as Triton's launches want them. Within the capture of a CUDA graph nothing is executed,
so what is sent there belongs to the graph, which has a table of its own.
"""

from __future__ import annotations

import functools
import importlib.util
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from thalweg.compile.numba import FIELDS
from thalweg.compile.triton import kernel
from thalweg.errors import InputError
from thalweg.sweep.mirror import Mirror, is_capturing
from thalweg.sweep.table import cut

ROW, MOST_ROWS = 8192, 16384  # elements of a row, which become more where there would be more rows than that
TAIL = 1024  # elements; of longer rows those beyond a multiple of `EVEN` become a row of their own
EVEN = 16  # elements, and bytes, of which all counts and addresses are multiples where memory is read in wide pieces
BLOCK, WARPS = 1024, 4  # elements that a program takes at once, and the warps that it has

_kinds = {"cuda"}  # of the devices whose tensors Triton's kernels step


@functools.cache
def has_triton() -> bool:
    """Whether Triton is installed."""
    return importlib.util.find_spec("triton") is not None


def is_on_gpu(x: Tensor) -> bool:
    """Whether a tensor lies where Triton's kernels step it, if Triton is installed.

    Example:
        >>> is_on_gpu(torch.zeros(3))
        False
    """
    return x.device.type in _kinds


@contextmanager
def interpreting() -> Iterator[None]:
    """Within the context Triton's interpreter steps the tensors of the CPU, slowly: to test without a GPU.

    Raises:
        InputError: If Triton is not there, or was imported without `TRITON_INTERPRET=1` in the environment.
    """
    if not has_triton() or not _is_interpreter():
        raise InputError(
            "expected Triton's interpreter, got none: install triton, and set TRITON_INTERPRET=1 before the start"
        )
    added = {"cpu"} - _kinds
    _kinds.update(added)
    try:
        yield
    finally:
        _kinds.difference_update(added)


def _is_interpreter() -> bool:
    return type(importlib.import_module("triton.language").sum).__name__ == "InterpretedFunction"


def within(device: torch.device) -> AbstractContextManager[object]:
    """A context in which Triton launches on a device's own stream, and computes as the device does, without a word."""
    return torch.cuda.device(device) if device.type == "cuda" else np.errstate(all="ignore")


def launch(
    text: str,
    programs: int,
    *arguments: Tensor | int,
    exact: bool = True,
    warps: int | None = None,
    **fixed: int | bool,
) -> None:
    """Launch the kernel of a module, if there is anything to do.

    Args:
        text: The module.
        programs: How many programs to launch.
        arguments: The kernel's.
        exact: Whether a product and a sum stay two operations.
        warps: How many warps a program has; `WARPS` where nothing is said.
        fixed: What the kernel is given when it is compiled.
    """
    if programs:
        kernel(text)[(programs,)](*arguments, **fixed, num_warps=warps or WARPS, enable_fp_fusion=not exact)


class Part(NamedTuple):
    """Rows of a table on the device.

    Attributes:
        table: They, of shape (rows, words).
        rows: Where they are in the whole table.
        aligned: Whether all addresses and counts in them are multiples of `EVEN`.
    """

    table: Tensor
    rows: slice
    aligned: bool

    def launch(self, text: str, *arguments: Tensor | int, exact: bool = True) -> None:
        """Launch a kernel with a program for each row."""
        launch(text, len(self.table), self.table, *arguments, exact=exact, BLOCK=BLOCK, ALIGNED=self.aligned)


class DeviceTable:
    """Where the arrays of many tensors lie on a device, in rows, as a kernel reads it.

    Attributes:
        tensor: For each row its tensor.
        version: Changes whenever the rows change their order.
    """

    def __init__(self, itemsizes: Sequence[int], counts: Sequence[int], device: torch.device) -> None:
        """Cut tensors into rows.

        Args:
            itemsizes: Bytes of an element of each array.
            counts: Elements of each tensor.
            device: Where they are.
        """
        self.tensor, self._start, self._size = cut_evenly(np.array(counts, np.int64).reshape(len(counts)))
        self._itemsizes, self._bases = itemsizes, np.zeros((len(itemsizes), len(counts)), np.int64)
        self._image = np.zeros((len(self.tensor), len(itemsizes) + len(FIELDS)), np.int64)
        self._column("start")[:], self._column("count")[:] = self._start, self._size
        self._mirror = Mirror(self._image.shape, torch.int64, device)
        self._even, self.version = 0, 0
        self._changed = set(range(self._image.shape[1]))  # columns that the device does not know yet
        self._ready: tuple[bool, tuple[Part, Part]] | None = None  # within a capture or not

    def point(self, array: int, addresses: np.ndarray) -> bool:
        """Say where an array's first elements are, for every tensor.

        Args:
            array: Its position among the arrays.
            addresses: Int64, one for each tensor.

        Returns:
            Whether any has moved.
        """
        if addresses.tobytes() == self._bases[array].tobytes():
            return False
        self._bases[array] = addresses
        self._image[:, array] = addresses[self.tensor] + self._itemsizes[array] * self._start
        self._change(array)
        return True

    def present(self, which: np.ndarray | None) -> None:
        """Leave out the tensors that are not marked, or none."""
        self._set("count", self._size if which is None else self._size * which[self.tensor])

    def choose(self, addresses: np.ndarray) -> None:
        """Say for each tensor where its per-step values are."""
        self._set("scalars", addresses[self.tensor])

    def start_at(self, offsets: np.ndarray) -> None:
        """Say for each tensor, a part of a larger one, the index that its first element has there."""
        self._set("start", self._start + offsets[self.tensor])

    def parts(self) -> tuple[Part, Part]:
        """The table on the device as it is now: the rows that lie evenly, and the others; until `release` the same."""
        captures = is_capturing(self._mirror.numbers.device)
        if self._ready is None or self._ready[0] != captures:
            self._ready = captures, self._made()
        return self._ready[1]

    def release(self) -> None:
        """A step is over: what the next one is to read may have to be another table, of a graph."""
        self._ready = None

    def _made(self) -> tuple[Part, Part]:
        if self._changed:
            self._sort()
        table = self._mirror.holding(self._image, self._changed, is_shared=False)
        if table is self._mirror.numbers:
            self._changed.clear()
        even, rest = slice(0, self._even), slice(self._even, len(self._image))
        return Part(table[even], even, True), Part(table[rest], rest, False)

    def total(self, of_rows: np.ndarray) -> np.ndarray:
        """Sums over each tensor's rows, in their order, of shape (tensors, ...), from numbers for each row."""
        order = np.lexsort((self._start, self.tensor))
        result = np.zeros((self._bases.shape[1], *of_rows.shape[1:]), of_rows.dtype)
        tensors, firsts = np.unique(self.tensor[order], return_index=True)
        if len(tensors):
            result[tensors] = np.add.reduceat(of_rows[order], firsts)
        return result

    def _sort(self) -> None:
        """Bring the rows that lie evenly to the front."""
        is_even = ~np.any(self._image[:, : len(self._itemsizes)] % EVEN, axis=1) & (self._size % EVEN == 0)
        even = int(is_even.sum())
        if not is_even[:even].all():
            order = np.argsort(~is_even, kind="stable")
            self._image[:] = self._image[order]
            self.tensor, self._start, self._size = self.tensor[order], self._start[order], self._size[order]
            self.version += 1
            self._changed.update(range(self._image.shape[1]))
        self._even = even

    def _set(self, field: str, numbers: np.ndarray) -> None:
        if not np.array_equal(self._column(field), numbers):
            self._column(field)[:] = numbers
            self._change(len(self._itemsizes) + FIELDS.index(field))

    def _change(self, column: int) -> None:
        self._changed.add(column)
        self._ready = None

    def _column(self, field: str) -> np.ndarray:
        return self._image[:, len(self._itemsizes) + FIELDS.index(field)]


def cut_evenly(counts: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Cut tensors of these sizes into rows, of which the long ones have a multiple of `EVEN` elements.

    Returns:
        For each row its tensor, the index at which it starts there, and the elements in it.

    Example:
        >>> [column.tolist() for column in cut_evenly(np.array([10_003, 7, 0]))]
        [[0, 0, 0, 1], [0, 8192, 10000, 0], [8192, 1808, 3, 7]]
    """
    row = ROW
    while row * MOST_ROWS < counts.sum():
        row *= 2
    tensor, start, size = cut(counts, row)
    rest = np.where(size > TAIL, size % EVEN, 0)
    split = rest > 0
    tensor = np.append(tensor, tensor[split])
    start, size = np.append(start, (start + size - rest)[split]), np.append(size - rest, rest[split])
    order = np.lexsort((start, tensor))
    return tensor[order], start[order], size[order]
