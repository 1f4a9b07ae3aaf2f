"""The table of a kernel's job: where the arrays of many tensors lie, in rows, and the rows in chunks of equal work.

A row is a stretch of one tensor, at most `ROW` elements; a chunk is a run of rows that one thread takes at once. A
table is kept between steps, and only what moved is written anew.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from thalweg.compile.measured import SUMS
from thalweg.compile.numba import FIELDS, Kernel

ROW = 65536  # elements: with four float32 arrays a row is 1 MiB, which a second-level cache holds
SMALLEST_CHUNK = 4096  # elements, below which taking a chunk costs more than it evens out
CHUNKS = 16  # that a small model is cut into
HEAD = 5  # words of a job in front of its chunks: see `thalweg.compile.job`


class Table:
    """The memory of many tensors, as a kernel reads it.

    Attributes:
        kernel: Whose arrays these are.
        counts: Elements of each tensor.
        elements: In all tensors.
        address: Of the job.
        bases: For each array where the tensors' first elements are; `point` writes to it, and it stays where it is.
    """

    def __init__(self, kernel: Kernel, counts: Sequence[int]) -> None:
        self.kernel = kernel
        self.counts = np.array(counts, np.int64).reshape(len(counts))
        self.elements = int(self.counts.sum())
        self._tensor, self._start, self._size = cut(self.counts)
        starts = chunks(self._size)
        width = len(kernel.arrays) + len(FIELDS)
        self._memory = np.zeros(HEAD + len(starts) + width * len(self._size), np.int64)
        self.address = self._memory.ctypes.data
        table_at = HEAD + len(starts)
        self._memory[:4] = (0, len(starts) - 1, self.address + 8 * HEAD, self.address + 8 * table_at)
        self._memory[HEAD:table_at] = starts
        self._rows = self._memory[table_at:].reshape(len(self._size), width)
        self.bases = np.zeros((len(kernel.arrays), len(counts)), np.int64)
        self._sums: np.ndarray | None = None
        self._offsets = [itemsize * self._start for itemsize in kernel.itemsizes]
        self._column("start")[:] = self._start
        self._column("count")[:] = self._size

    @property
    def chunks(self) -> int:
        """How many threads may find something to do."""
        return int(self._memory[1])

    def point(self, array: int, addresses: np.ndarray) -> bool:
        """Say where an array's first elements are, for every tensor; a tensor that is left out may have any address.

        Args:
            array: Its position among the kernel's arrays.
            addresses: Int64, one for each tensor.

        Returns:
            Whether any has moved.
        """
        bases = self.bases[array]
        if addresses.tobytes() == bases.tobytes():
            return False
        bases[:] = addresses
        self._rows[:, array] = addresses[self._tensor] + self._offsets[array]
        return True

    def present(self, which: np.ndarray | None) -> None:
        """Leave out the tensors that are not marked, or none."""
        self._column("count")[:] = self._size if which is None else self._size * which[self._tensor]

    def choose(self, addresses: np.ndarray | int) -> None:
        """Say where the per-step values are: for each tensor its own address, or one for all."""
        self._column("scalars")[:] = addresses if isinstance(addresses, int) else addresses[self._tensor]

    def draw(self, keys: np.ndarray) -> None:
        """Say for each tensor the key of its random bits; rows beyond 2**32 elements get another one."""
        self._column("key")[:] = keys[self._tensor] + (self._column("start") >> 32) * 0x9E3779B9

    def start_at(self, offsets: np.ndarray) -> None:
        """Say for each tensor, a part of a larger one, the index that its first element has there, for `draw`."""
        self._column("start")[:] = self._start + offsets[self._tensor]

    def under(self, kernel: Kernel) -> Table:
        """The same tensors for another kernel on the same arrays."""
        other = Table(kernel, self.counts.tolist())
        for array, addresses in enumerate(self.bases):
            other.point(array, addresses)
        other._column("count")[:] = self._column("count")
        return other

    def rewind(self) -> None:
        """Make every chunk ready to be taken."""
        self._memory[0] = 0

    def result(self, field: str, dtype: type = np.int64) -> np.ndarray:
        """What the kernel wrote, a number per row: `first` or `second`."""
        return self._column(field).copy().view(dtype)

    def collect(self) -> None:
        """Make room for what a kernel with sums adds up."""
        if self._sums is None:
            self._sums = np.zeros((len(self._size), len(SUMS)))
            self._firsts = np.flatnonzero(self._start == 0)
            self._memory[4] = self._sums.ctypes.data

    def sums(self, total: np.ndarray | None = None) -> np.ndarray:
        """What a kernel with sums added up, for each tensor the numbers of `thalweg.compile.measured.SUMS`.

        They are taken row by row, then over a tensor's rows in order: they do not depend on the threads.

        Args:
            total: Where they go, of shape (tensors, sums); a new array where nothing is said.
        """
        total = np.empty((len(self.counts), len(SUMS))) if total is None else total
        if self._sums is not None and len(self._firsts) == len(self.counts):
            return np.add.reduceat(self._sums, self._firsts, out=total)
        total.fill(0.0)  # an empty tensor has no row
        if self._sums is not None and len(self._sums):
            total[self._tensor[self._firsts]] = np.add.reduceat(self._sums, self._firsts)
        return total

    def _column(self, field: str) -> np.ndarray:
        return self._rows[:, len(self.kernel.arrays) + FIELDS.index(field)]


def cut(counts: np.ndarray, row: int = ROW) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Cut tensors of these sizes into rows of at most so many elements.

    Returns:
        For each row its tensor, the index at which it starts there, and the elements in it.

    Example:
        >>> [column.tolist() for column in cut(np.array([100_000, 7, 0]))]
        [[0, 0, 1], [0, 65536, 0], [65536, 34464, 7]]
    """
    rows = -(-counts // row)
    tensor = np.repeat(np.arange(len(counts)), rows)
    start = row * (np.arange(len(tensor)) - np.repeat(np.cumsum(rows) - rows, rows))
    return tensor, start, np.minimum(row, counts[tensor] - start)


def chunks(sizes: np.ndarray) -> np.ndarray:
    """The first row of each chunk, and the number of rows at the end: runs of rows with about equally many elements.

    Example:
        >>> chunks(np.array([65536, 65536, 3, 3])).tolist()
        [0, 1, 2, 4]
    """
    ends = np.cumsum(sizes)
    total = int(ends[-1]) if len(ends) else 0
    wanted = min(ROW, max(SMALLEST_CHUNK, total // CHUNKS))
    number = (ends - 1) // wanted  # of the chunk in which a row ends
    firsts = np.flatnonzero(np.diff(number, prepend=-1))
    return np.append(firsts, len(sizes)).astype(np.int64)
