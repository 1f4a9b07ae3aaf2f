"""A kernel over many tensors in one native call: a table of addresses, cut into rows of equal work."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from thalweg.compile.evaluate import scalars
from thalweg.compile.numba import Kernel
from thalweg.sweep.threads import Launch, own_threads

WORDS = 5  # of a job, before its scalars: see `thalweg.compile.job`
ROW = 65536  # elements: with four float32 arrays a row is 1 MiB, which a second-level cache holds
SMALL = 32768  # elements below which waking a second thread costs more than it saves


def sweep(
    kernel: Kernel,
    addresses: Sequence[tuple[int, ...]],
    counts: Sequence[int],
    t: float,
    hyper: Mapping[str, float],
    *,
    flush: bool = True,
    threads: int = 1,
    launch: Launch = own_threads,
) -> None:
    """Step every tensor once, in place.

    Args:
        kernel: A compiled rule.
        addresses: For each tensor the address of the first element of each of `kernel.arrays`.
        counts: For each tensor the number of its elements, the same in all its arrays.
        t: The step number, from 1, the same for all of them.
        hyper: A number for each hyperparameter.
        flush: Whether subnormal numbers in the new state become zero.
        threads: How many threads to use at most.
        launch: Who runs the job.
    """
    job = job_of(kernel, tuple(addresses), tuple(counts))
    job.words[0] = 0
    job.values[:] = step_values(kernel, t, hyper, flush)
    if threads == 1 or job.elements < SMALL:
        kernel.call(job.address)
    else:
        launch(kernel, job.address, min(threads, job.rows))


@dataclass(frozen=True)
class Job:
    """A job as a kernel reads it, in one piece of memory.

    Attributes:
        words: All of it: the five words that `thalweg.compile.job` describes, then scalars, counts and table.
        values: The part with the scalars.
        address: Of the first word.
        rows: Of the table.
        elements: In all rows.
    """

    words: np.ndarray
    values: np.ndarray
    address: int
    rows: int
    elements: int


@functools.lru_cache(maxsize=256)
def job_of(kernel: Kernel, addresses: tuple[tuple[int, ...], ...], counts: tuple[int, ...]) -> Job:
    """The job of a kernel over tensors at these addresses, remembered: in most steps no tensor has moved.

    Args:
        kernel: A compiled rule.
        addresses: For each tensor the address of the first element of each of `kernel.arrays`.
        counts: For each tensor the number of its elements.
    """
    tensor, offset, rows = cut(counts, kernel.itemsize)
    table = np.array(addresses, np.int64).reshape(len(counts), len(kernel.arrays))[tensor] + offset
    counts_at = WORDS + 1 + len(kernel.scalars)
    table_at = counts_at + len(rows)
    words = np.empty(table_at + table.size, np.int64)
    base = words.ctypes.data
    words[:WORDS] = (0, len(rows), base + 8 * table_at, base + 8 * counts_at, base + 8 * WORDS)
    words[counts_at:table_at] = rows
    words[table_at:] = table.ravel()
    return Job(words, words[WORDS:counts_at].view(np.float64), base, len(rows), sum(counts))


def cut(counts: tuple[int, ...], itemsize: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """How tensors of these sizes are cut into rows of at most `ROW` elements.

    Args:
        counts: For each tensor the number of its elements.
        itemsize: Bytes of an element.

    Returns:
        For each row its tensor, the bytes at which it starts there, shape (rows, 1), and the elements in it.

    Example:
        >>> tensor, offset, rows = cut((100_000, 7), 4)
        >>> tensor.tolist(), offset.ravel().tolist(), rows.tolist()
        ([0, 0, 1], [0, 262144, 0], [65536, 34464, 7])
    """
    pieces = [(k, start, min(ROW, count - start)) for k, count in enumerate(counts) for start in range(0, count, ROW)]
    columns = np.array(pieces, np.int64).reshape(len(pieces), 3)
    return columns[:, 0], itemsize * columns[:, 1:2], columns[:, 2]


def step_values(kernel: Kernel, t: float, hyper: Mapping[str, float], flush: bool) -> list[float]:
    """What a kernel reads once per step, in float64: whether to flush subnormal state, then its scalars."""
    values = scalars(kernel.program, t, hyper)
    return [float(flush), *(values[name] for name in kernel.scalars)]
