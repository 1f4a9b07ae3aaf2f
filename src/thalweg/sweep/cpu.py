"""A kernel over many tensors in one native call: a table of addresses, cut into rows of equal work."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from thalweg.compile.evaluate import scalars
from thalweg.compile.numba import Kernel
from thalweg.sweep.threads import Launch, own_threads

ROW = 65536  # elements: with four float32 arrays a row is 1 MiB, which a second-level cache holds
SMALL = 32768  # elements below which waking a second thread costs more than it saves


def sweep(
    kernel: Kernel,
    addresses: Sequence[Sequence[int]],
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
    elements = sum(counts)
    table, rows = cut(np.array(addresses, np.int64), np.array(counts, np.int64), kernel.itemsize)
    values = step_values(kernel, t, hyper, flush)
    job = np.array([0, len(rows), table.ctypes.data, rows.ctypes.data, values.ctypes.data], np.int64)
    if threads == 1 or elements < SMALL:
        kernel.call(job.ctypes.data)
    else:
        launch(kernel, job.ctypes.data, min(threads, len(rows)))


def cut(addresses: np.ndarray, counts: np.ndarray, itemsize: int) -> tuple[np.ndarray, np.ndarray]:
    """The table of a job, one row for at most `ROW` elements of one tensor, and the elements in each row.

    Args:
        addresses: Shape (tensors, arrays).
        counts: Shape (tensors,).
        itemsize: Bytes of an element.

    Example:
        >>> table, rows = cut(np.array([[0, 1_000_000]]), np.array([100_000]), 4)
        >>> table.tolist(), rows.tolist()
        ([[0, 1000000], [262144, 1262144]], [65536, 34464])
    """
    if len(counts) == 0 or counts.max() <= ROW:
        return np.ascontiguousarray(addresses), counts
    pieces = -(-counts // ROW)
    tensor = np.repeat(np.arange(len(counts)), pieces)
    start = (np.arange(len(tensor)) - np.repeat(np.cumsum(pieces) - pieces, pieces)) * ROW
    return addresses[tensor] + itemsize * start[:, None], np.minimum(counts[tensor] - start, ROW)


def step_values(kernel: Kernel, t: float, hyper: Mapping[str, float], flush: bool) -> np.ndarray:
    """What a kernel reads once per step, in float64: the flushing threshold, then its scalars."""
    values = scalars(kernel.program, t, hyper)
    tiny = kernel.smallest_normal if flush else 0.0
    return np.array([tiny, *(values[name] for name in kernel.scalars)], np.float64)
