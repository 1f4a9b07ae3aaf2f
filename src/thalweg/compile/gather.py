"""Kernels that only look: they pick sampled elements out of many tensors, multiply them, add up what a step changed.

The jobs of picking and multiplying are 64-bit integers, named in `WORDS` and `PRODUCT_WORDS`. For each wanted array and
each tensor picking copies the elements of the sample as float64; where an address is zero there is no such array, and
NaNs stand instead. Multiplying adds products of rows to results, tensor by tensor.
"""

from __future__ import annotations

import functools

from thalweg.compile import measured
from thalweg.compile.numba import Kernel, _load, _module, kernel_of
from thalweg.compile.storage import Storage

# How many tensors and wanted arrays there are, and where to find: the arrays' first elements (a row of addresses for
# each array), the code of each array's type, which arrays are wanted and in which row of the result each goes, for each
# tensor where its sample starts and how long it is, the sampled elements' indices, the result, and its rows' length.
WORDS = ("tensors", "wanted", "bases", "types", "arrays", "rows", "starts", "counts", "indices", "result", "length")
# How many products and tensors there are, and where to find: for each product the addresses of its two rows and the
# number of its result, the tensors' stretches of a row, and the results, a number for each tensor.
PRODUCT_WORDS = ("products", "tensors", "a", "b", "results", "starts", "counts", "result")
CODES = {"float32": 0, "float64": 1, "bfloat16": 2, "float16": 3}

SOURCE = """from math import nan

from numba import cfunc, float64

from thalweg.compile import job
from thalweg.compile.job import job_type

to_words, to_result = job.pointer_to("words"), job.pointer_to("float64")
to_float32, to_bfloat16, to_float16 = (job.pointer_to(name) for name in ("float32", "bfloat16", "float16"))
load_bfloat16, load_float16 = job.load_of("bfloat16"), job.load_of("float16")


@cfunc(job_type, nopython=True, error_model="numpy")
def gather(job_):
    tensors, wanted = job_[0], job_[1]
    bases, types, arrays, rows = to_words(job_[2]), to_words(job_[3]), to_words(job_[4]), to_words(job_[5])
    starts, counts, indices = to_words(job_[6]), to_words(job_[7]), to_words(job_[8])
    result, length = to_result(job_[9]), job_[10]
    for k in range(wanted):
        array, row = arrays[k], rows[k] * length
        code = types[array]
        for tensor in range(tensors):
            base, start = bases[array * tensors + tensor], starts[tensor]
            end = start + counts[tensor]
            if base == 0:
                for i in range(start, end):
                    result[row + i] = nan
            elif code == 0:
                single = to_float32(base)
                for i in range(start, end):
                    result[row + i] = float64(single[indices[i]])
            elif code == 1:
                double = to_result(base)
                for i in range(start, end):
                    result[row + i] = double[indices[i]]
            elif code == 2:
                brain = to_bfloat16(base)
                for i in range(start, end):
                    result[row + i] = float64(load_bfloat16(brain, indices[i]))
            else:
                half = to_float16(base)
                for i in range(start, end):
                    result[row + i] = float64(load_float16(half, indices[i]))
"""

PRODUCTS = """from numba import cfunc, float64

from thalweg.compile import job
from thalweg.compile.job import job_type

to_words, to_numbers = job.pointer_to("words"), job.pointer_to("float64")


@cfunc(job_type, nopython=True, error_model="numpy", fastmath={"reassoc", "contract"})
def products(job_):
    tensors, a, b, results = job_[1], to_words(job_[2]), to_words(job_[3]), to_words(job_[4])
    starts, counts, result = to_words(job_[5]), to_words(job_[6]), to_numbers(job_[7])
    for k in range(job_[0]):
        left, right = to_numbers(a[k]), to_numbers(b[k])
        for tensor in range(tensors):
            total = float64(0.0)
            for i in range(starts[tensor], starts[tensor] + counts[tensor]):
                total += left[i] * right[i]
            result[results[k] * tensors + tensor] += total
"""


@functools.cache
def multiplying() -> Kernel:
    """The kernel that multiplies rows."""
    return kernel_of("products", PRODUCTS)


@functools.cache
def gathering() -> Kernel:
    """The kernel that picks elements."""
    return kernel_of("gather", SOURCE)


@functools.lru_cache(maxsize=64)
def summing(weights: str, gradients: str) -> Kernel:
    """The kernel that adds up `measured.SUMS` over weights after a step, a copy from before, and gradients.

    It leaves the weights in the copy, which is then one from before the next step.

    Args:
        weights: The type of the first two.
        gradients: The type of the third.
    """
    names, types = ("x", "old", "g"), (weights, weights, gradients)
    return kernel_of("change", changes_source(weights, gradients), names, Storage(types).itemsizes)


def changes_source(weights: str, gradients: str) -> str:
    """The source of that kernel.

    Example:
        >>> "dx__ = real(x_stored__) - real(x_before__)" in changes_source("float32", "float32")
        True
    """
    storage = Storage((weights, weights, gradients), flush=False, sums=True)
    types = {"x": weights, "old": weights, "g": gradients}
    loads = [_load(name, dtype) for name, dtype in types.items()]
    loop = [*loads, "x_stored__ = x", "x_before__ = old", *measured.added(storage), "old_[i] = x_[i]"]
    row = [*measured.begun(storage), *measured.looped(storage, loop), *measured.written(storage)]
    return _module("change", tuple(types), types, storage, row)
