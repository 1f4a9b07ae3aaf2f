"""A kernel over many tensors in one native call."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from thalweg.compile.numba import Kernel, reduction
from thalweg.compile.once import once
from thalweg.compile.program import Program
from thalweg.sweep.table import Table
from thalweg.sweep.threads import Launch, own_threads

SMALL = 65536  # elements below which a second thread saves less than waking it, or waiting for it, may cost


def sweep(
    table: Table,
    values: np.ndarray,
    *,
    which: np.ndarray | None = None,
    threads: int = 1,
    launch: Launch = own_threads,
    kernel: Kernel | None = None,
) -> None:
    """Step every tensor of a table once, in place.

    Args:
        table: Where the tensors are.
        values: What the kernel reads once per step, float64, of shape `(scalars,)` or `(sets, scalars)`.
        which: For each tensor the set that it reads; None if all read the first one.
        threads: How many threads to use at most.
        launch: Who runs the job.
        kernel: The table's own if None, or the one that adds up too, after `table.collect()`.
    """
    values = np.ascontiguousarray(np.atleast_2d(values), np.float64)
    base = values.ctypes.data
    table.choose(base if which is None else base + values.strides[0] * which)
    run(table, threads, launch, kernel)


def run(table: Table, threads: int = 1, launch: Launch = own_threads, kernel: Kernel | None = None) -> None:
    """Call a kernel, the table's own if None, on a table that is ready, on as many threads as find something to do."""
    table.rewind()
    threads = 1 if table.elements < SMALL else min(threads, table.chunks)
    kernel = kernel or table.kernel
    if threads <= 1:
        kernel.call(table.address)
    else:
        launch(kernel, table.address, threads)


def table_of(kernel: Kernel, addresses: Any, counts: Sequence[int]) -> Table:
    """The table of tensors at known addresses.

    Args:
        kernel: A compiled rule.
        addresses: The address of the first element of each array, of shape `(tensors, kernel.arrays)`.
        counts: For each tensor the number of its elements, the same in all its arrays.
    """
    table = Table(kernel, counts)
    columns = np.array(addresses, np.int64).reshape(len(counts), len(kernel.arrays))
    for array in range(len(kernel.arrays)):
        table.point(array, columns[:, array])
    return table


def step_values(
    program: Program, t: float, hyper: Mapping[str, float], state: Sequence[float] = ()
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """What a program's kernel reads once per step, and the new scalar states.

    Args:
        program: A traced rule.
        t: The step number, from 1.
        hyper: A number for each hyperparameter.
        state: A number for each of `program.scalar_state`.
    """
    return once(program)(float(t), *[float(hyper[name]) for name in program.hyper], *map(float, state))


def squared_norm(table: Table, dtype: str, *, threads: int = 1, launch: Launch = own_threads) -> tuple[float, int]:
    """The sum of the squares of everything in a table of gradients, and how many infinities and NaNs there are.

    The sum is taken row by row, then over the rows in order, in float64: it does not depend on the threads. Only where
    it is not finite the gradients are read once more, to count.

    Args:
        table: As `norm_table` makes it.
        dtype: The gradients' type.
        threads: How many threads to use at most.
        launch: Who runs the job.
    """
    run(table, threads, launch)
    with np.errstate(over="ignore"):
        total = float(table.result("first", np.float64).sum())
    if math.isfinite(total):
        return total, 0
    counted = table.under(reduction("unfit", dtype))
    run(counted, threads, launch)
    return total, int(counted.result("first").sum())


def norm_table(dtype: str, counts: Sequence[int]) -> Table:
    """A table for gradients of a type, to be pointed at them."""
    return Table(reduction("norm", dtype), counts)


def keys(seed: int, tensors: np.ndarray, steps: np.ndarray) -> np.ndarray:
    """The keys of random bits, one for each tensor and step: SplitMix64 (Steele et al. 2014) of seed, tensor and step.

    Args:
        seed: The optimizer's.
        tensors: Each tensor's number, int64.
        steps: The step that each is at, int64.

    Example:
        >>> len(set(keys(0, np.arange(100), np.ones(100, np.int64)).tolist()))
        100
    """
    mixed = np.full(len(tensors), seed % 2**64, np.uint64)
    for part in (tensors, steps):
        mixed = (mixed + np.uint64(0x9E3779B97F4A7C15)) ^ part.astype(np.uint64)
        mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        mixed ^= mixed >> np.uint64(31)
    return mixed.view(np.int64)
