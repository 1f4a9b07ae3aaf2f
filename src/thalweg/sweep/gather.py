"""A fixed sample of the elements of many tensors, read in one native call."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from thalweg.compile.gather import CODES, PRODUCT_WORDS, WORDS, gathering, multiplying

SEED = 20_130_000  # of the sample's places; its own, and no generator of anybody else moves


@dataclass(frozen=True, eq=False)
class Sample:
    """Which elements of each tensor are read.

    Attributes:
        sizes: How many elements each tensor has.
        starts: Where each tensor's sample starts among all sampled elements.
        counts: How many of its elements are in the sample.
        places: The index of each sampled element in its tensor.
    """

    sizes: np.ndarray
    starts: np.ndarray
    counts: np.ndarray
    places: np.ndarray

    @property
    def length(self) -> int:
        """How many elements are in the sample."""
        return len(self.places)


def sample_of(sizes: Sequence[int], most: int) -> Sample:
    """One element out of each of at most `most` stretches of about equal length, of every tensor.

    Args:
        sizes: How many elements each tensor has.
        most: How many to take of each.

    Example:
        >>> sample = sample_of([3, 0, 100], most=4)
        >>> sample.counts.tolist(), sample.places[:3].tolist(), [int(p) // 25 for p in sample.places[3:]]
        ([3, 0, 4], [0, 1, 2], [0, 1, 2, 3])
    """
    counts = np.minimum(np.array(sizes, np.int64).reshape(-1), most)
    parts = [_places(number, size, count) for number, (size, count) in enumerate(zip(sizes, counts, strict=True))]
    places = np.concatenate([np.zeros(0, np.int64), *parts])
    return Sample(np.array(sizes, np.int64).reshape(-1), np.cumsum(counts) - counts, counts, places)


def _places(number: int, size: int, count: int) -> np.ndarray:
    if size == count:
        return np.arange(size)
    edges = np.arange(count + 1) * size // count
    within = np.random.default_rng((SEED, number)).random(count) * np.diff(edges)
    return edges[:-1] + within.astype(np.int64)


class Gather:
    """Reads the sample of some tensors, and of arrays of their form, all at known addresses.

    Attributes:
        bases: For each array the addresses of the tensors' first elements; 0 where there is none. Somebody may write
            to it at any time, and it stays where it is.
    """

    def __init__(
        self, sample: Sample, which: Sequence[int], types: Sequence[str], bases: np.ndarray | None = None
    ) -> None:
        """Prepare the reading.

        Args:
            sample: Of all tensors.
            which: The positions of those that are read here.
            types: The storage type of each array.
            bases: Somebody else's, of shape (arrays, tensors); a matrix of its own where nothing is said.
        """
        self.bases = np.zeros((len(types), len(which)), np.int64) if bases is None else bases
        assert self.bases.flags.c_contiguous and self.bases.shape == (len(types), len(which))
        self._sample, self._kernel = sample, gathering()
        self._types = np.array([CODES[name] for name in types], np.int64)
        self._starts = np.ascontiguousarray(sample.starts[which])
        self._counts = np.ascontiguousarray(sample.counts[which])

    def job(self, wanted: Sequence[tuple[int, int]], result: np.ndarray) -> Callable[[], None]:
        """What reads some arrays when it is called.

        Args:
            wanted: Pairs of an array and the row of the result in which its numbers are wanted.
            result: Float64, of shape (rows, elements of the sample); its rows may lie apart.
        """
        pairs = np.array(wanted, np.int64).reshape(-1, 2).T.copy()
        arrays = (self.bases, self._types, *pairs, self._starts, self._counts, self._sample.places, result)
        words = [self.bases.shape[1], len(wanted), *(a.ctypes.data for a in arrays), result.strides[0] // 8]
        assert len(words) == len(WORDS)
        job = np.array(words, np.int64)
        read = functools.partial(self._kernel.call, job.ctypes.data)
        read.kept = job, pairs, arrays, self._kernel  # type: ignore[attr-defined] - all that is read by address
        return read

    def set_type(self, array: int, name: str) -> None:
        """Say of which storage type an array is."""
        self._types[array] = CODES[name]


class Products:
    """Products of rows of a table, summed over each tensor's stretch of them, in one native call.

    Attributes:
        result: What the last call gave, of shape (results, tensors). NaN in a stretch makes its products NaN.
    """

    def __init__(self, sample: Sample, table: np.ndarray, pairs: Sequence[tuple[int, int, int]]) -> None:
        """Prepare.

        Args:
            sample: Says where the tensors' stretches are.
            table: Float64, contiguous, of shape (rows, elements of the sample); it must stay where it is.
            pairs: Of each product the two rows, and the number of the result that it is added to.
        """
        each = np.array(pairs, np.int64).reshape(-1, 3).T
        places = table.ctypes.data + each[:2] * table.strides[0]
        self.result = np.zeros((int(each[2].max(initial=-1)) + 1, len(sample.counts)))
        self._kept = (places[0].copy(), places[1].copy(), each[2].copy(), sample.starts, sample.counts, self.result)
        words = [each.shape[1], len(sample.counts), *(part.ctypes.data for part in self._kept)]
        assert table.flags.c_contiguous and len(words) == len(PRODUCT_WORDS)
        self._job, self._table, self._kernel = np.array(words, np.int64), table, multiplying()
        self._address = self._job.ctypes.data

    def __call__(self) -> np.ndarray:
        """Multiply; the result is overwritten by the next call."""
        self.result.fill(0.0)
        self._kernel.call(self._address)
        return self.result
