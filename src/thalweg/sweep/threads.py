"""Who runs a kernel's job: the calling thread, a pool of our own, or the OpenMP team that a framework has already.

Every thread calls the kernel with the same job and takes rows until none is left, so work balances itself and the
result does not depend on the number of threads.
"""

from __future__ import annotations

import ctypes
import functools
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from thalweg.compile.numba import Kernel

Launch = Callable[[Kernel, int, int], None]  # (kernel, address of the job, number of threads)


def available_processors() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def own_threads(kernel: Kernel, job: int, threads: int) -> None:
    """Run a job on the calling thread and `threads - 1` threads of a pool that Thalweg keeps.

    Args:
        kernel: The compiled kernel; its call releases the GIL.
        job: The job's address.
        threads: How many threads take rows, at least 1.
    """
    helpers = [_pool(os.getpid(), threads).submit(kernel.call, job) for _ in range(threads - 1)]
    kernel.call(job)
    for helper in helpers:
        helper.result()


@functools.lru_cache(maxsize=8)
def _pool(process: int, threads: int) -> ThreadPoolExecutor:
    """A pool for this process: threads do not survive fork, so a child, whose number differs, gets its own."""
    return ThreadPoolExecutor(max(1, threads - 1), thread_name_prefix=f"thalweg-{process}")


def openmp_team(library: Path, process: int) -> Launch:
    """A launch on the threads of an OpenMP library that is loaded already, GNU's libgomp.

    Two pools on the same cores hinder each other: after every operation of the framework its OpenMP threads spin for
    some milliseconds, and a second pool would have to share the cores with them. In a child made by fork the team no
    longer exists (GNU's OpenMP would wait for it for ever), so there the job goes to threads of our own.

    Args:
        library: The file of the library, as the framework loaded it.
        process: The process in which the team lives.
    """
    parallel = ctypes.CDLL(str(library)).GOMP_parallel
    parallel.argtypes = (ctypes.c_void_p, ctypes.c_void_p, ctypes.c_uint, ctypes.c_uint)
    parallel.restype = None

    def launch(kernel: Kernel, job: int, threads: int) -> None:
        if os.getpid() == process:
            parallel(kernel.address, job, threads, 0)
        else:
            own_threads(kernel, job, threads)

    return launch
