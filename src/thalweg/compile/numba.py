"""The Numba printer: a program as a fused CPU kernel, one sweep over the memory of many tensors.

A kernel has one argument, the address of a job (see `thalweg.compile.job`), and any number of threads may call it with
the same job at once: each takes the next chunk of the job's table until none is left. It is single-threaded inside,
holds no Python object, and never allocates.
"""

from __future__ import annotations

import ctypes
import functools
import hashlib
import importlib.metadata
import linecache
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from thalweg.compile import measured, objects
from thalweg.compile.program import Argument, Line, Program
from thalweg.compile.source import INFIX, block, render
from thalweg.compile.storage import KAHAN, Storage, uniform

# What stands in a row of a job's table behind the addresses: how many elements the row has, where its per-step values
# are, the index of its first element in the tensor, the key of its random bits, and two numbers that kernels write.
FIELDS = ("count", "scalars", "start", "key", "first", "second")

# Lets LLVM vectorise loops over more than four arrays: it checks at run time that they do not overlap.
LLVM_OPTIONS = ("-runtime-memory-check-threshold=128",)

# No fast-math anywhere: every spelling below is correctly rounded, and equal to NumPy's to the last bit.
SPELLING = INFIX | {
    "sqrt": "math.sqrt({})",
    "abs": "abs({})",
    "sign": "real(1.0) if {0} > real(0.0) else (real(-1.0) if {0} < real(0.0) else (real(0.0) if {0} == {0} else {0}))",
    "maximum": "{0} if {0} > {1} else ({1} if {0} == {0} else {0})",
    "minimum": "{0} if {0} < {1} else ({1} if {0} == {0} else {0})",
    "where": "{1} if {0} else {2}",
}


@dataclass(frozen=True, eq=False)
class Kernel:
    """A compiled kernel.

    Attributes:
        name: Of the rule.
        address: Of the machine code, a C function `void kernel(void *job)`.
        call: The same function through ctypes; it releases the GIL.
        arrays: The arrays that a row of the job's table gives the addresses of.
        itemsizes: Bytes of an element of each.
        scalars: The per-step values it reads, in order.
        owner: Keeps the machine code alive.
    """

    name: str
    address: int
    call: Callable[[int], None]
    arrays: tuple[str, ...]
    itemsizes: tuple[int, ...]
    scalars: tuple[str, ...]
    owner: Any


def source(program: Program, storage: Storage | None = None) -> str:
    """The kernel's source, a module that compiles as it stands.

    Args:
        program: A traced rule.
        storage: How its arrays are stored; float32 where nothing is said.

    Example:
        >>> from thalweg.compile.trace import trace
        >>> from thalweg.rules import RULES
        >>> "x_new = x - a1" in source(trace(RULES["sgd"]))
        True
    """
    storage = storage or uniform(program, "float32")
    names = storage.arrays(program)
    types = dict(zip(names, (*storage.types, storage.types[0]), strict=False))
    once = [f"{name} = real(scalars_[{k}])" for k, name in enumerate(program.used_scalars)]
    over = _scalar_divisors(program) if _divides_by_multiplying(storage) else []
    once += [f"over_{name}__ = 1.0 / float64({name})" for name in over]
    body = [_spell_line(program, line, over) for line in program.body]
    loop = [*_loads(program, storage, types), *body, *_stores(program, storage, types)]
    row = [*once, *measured.begun(storage), *measured.looped(storage, loop), *measured.written(storage)]
    return _module(program.identifier, names, types, storage, row)


# Of a tensor of gradients: where a sum starts, what each element adds, and how the result is written as an integer.
REDUCTIONS = {
    "norm": ("0.0", "float64(g) * float64(g)", "bits_of(total_)"),
    "unfit": ("0", "unfit(g)", "total_"),
}


def reduction_source(name: str, dtype: str) -> str:
    """The source of a kernel that sums over gradients, row by row: their squares, or how many are infinite or NaN.

    Example:
        >>> "total_ += float64(g) * float64(g)" in reduction_source("norm", "float32")
        True
    """
    start, term, result = REDUCTIONS[name]
    loop = [_load("g", dtype), f"total_ += {term}"]
    row = [f"total_ = {start}", "for i in range(count_):", *_indent(1, loop), f"words_[base_ + first] = {result}"]
    storage = Storage((dtype,), flush=False)
    return _module(name, ("g",), {"g": dtype}, storage, row, options=", fastmath={'reassoc'}")


def _module(
    name: str, names: tuple[str, ...], types: dict[str, str], storage: Storage, row: list[str], options: str = ""
) -> str:
    """A kernel around what is done for every row of the table."""
    width = len(names) + len(FIELDS)
    where = {field: len(names) + k for k, field in enumerate(FIELDS)}
    row = [
        f"base_ = row_ * {width}",
        *(f"{array}_ = to_{types[array]}(words_[base_ + {k}])" for k, array in enumerate(names)),
        f"count_ = words_[base_ + {where['count']}]",
        *([f"scalars_ = to_float64(words_[base_ + {where['scalars']}])"] if any("scalars_" in r for r in row) else []),
        *([f"weyl_ = weyl_at(words_[base_ + {where['start']}])"] if storage.rounding == "stochastic" else []),
        *([f"key_ = words_[base_ + {where['key']}]"] if storage.rounding == "stochastic" else []),
        *row,
    ]
    wide = storage.sums or any(dtype.endswith("16") for dtype in types.values())
    lines = [
        *(["prefer_wide_vectors()"] if wide else []),
        *(["before_ = begin_flushing()"] if storage.flush else []),
        "chunks_, starts_, words_ = job_[1], to_words(job_[2]), to_words(job_[3])",
        "chunk_ = take_chunk(job_)",
        "while chunk_ < chunks_:",
        *_indent(1, ["for row_ in range(starts_[chunk_], starts_[chunk_ + 1]):", *_indent(1, row)]),
        *_indent(1, ["chunk_ = take_chunk(job_)"]),
        *(["end_flushing(before_)"] if storage.flush else []),
    ]
    head = _head(sorted({*types.values(), "float64"}), storage, where)
    decorator = f'@cfunc(job_type, nopython=True, error_model="numpy"{options})'
    return "\n".join([*head, "", "", decorator, f"def {name}(job_):", *_indent(1, lines)]) + "\n"


def _head(types: list[str], storage: Storage, where: dict[str, int]) -> list[str]:
    """What a kernel's module imports and names."""
    return [
        "import math",
        "",
        "from numba import cfunc, float32, float64",
        "",
        "from thalweg.compile import job",
        "from thalweg.compile.job import begin_flushing, bits_of, end_flushing, job_type, noise_of",
        "from thalweg.compile.job import prefer_wide_vectors, take_chunk, weyl_after, weyl_at",
        *(["from thalweg.compile.intrinsics import plus_product_of"] if storage.sums else []),
        "",
        f"real, flush, unfit = {storage.real}, job.flush_of({storage.real!r}), job.unfit_of({storage.real!r})",
        *([f"plus_product_ = plus_product_of({storage.real!r})"] if storage.sums else []),
        'to_words = job.pointer_to("words")',
        *(f"to_{name} = job.pointer_to({name!r})" for name in types),
        *(f"load_{name} = job.load_of({name!r})" for name in types if name.endswith("16")),
        *(f"store_{name} = job.store_of({name!r})" for name in types if name.endswith("16")),
        *(f"scatter_{name} = job.store_stochastic_of({name!r}, True)" for name in types if name == "bfloat16"),
        *(f"scatter_any_{name} = job.store_stochastic_of({name!r}, False)" for name in types if name == "bfloat16"),
        f"first, second = {where['first']}, {where['second']}",
    ]


def _load(name: str, dtype: str) -> str:
    return f"{name} = real(load_{dtype}({name}_, i))" if dtype.endswith("16") else f"{name} = real({name}_[i])"


def _loads(program: Program, storage: Storage, types: dict[str, str]) -> list[str]:
    lines = [_load(name, types[name]) for name in program.inputs]
    lines += ["x_before__ = x"] if storage.sums else []
    if storage.rounding == "kahan":
        lines += [_load(KAHAN, types[KAHAN]), f"x = x + {KAHAN}"]
    return lines


def _scalar_divisors(program: Program) -> list[str]:
    """The per-step values that arrays are divided by."""
    divisors = {line.args[1] for line in program.body if line.op == "div"}
    return [name for name in program.used_scalars if name in divisors]


def _divides_by_multiplying(storage: Storage) -> bool:
    """Whether division of an array by a per-step value may be a multiplication in float64, to the same bits.

    The quotient of two float32 numbers lies further from the middle between two float32 numbers than the two roundings
    in float64 can move it, unless the result is subnormal; and a vector unit divides several times more slowly.
    """
    return storage.flush and storage.real == "float32"


def _spell_line(program: Program, line: Line, over: list[str]) -> str:
    if line.op == "div" and line.args[1] in over and line.args[0] not in program.used_scalars:
        return f"{line.name} = real(float64({_spell_constant(line.args[0])}) * over_{line.args[1]}__)"
    return block((line,), SPELLING, "numba", program.name, _spell_constant)[0]


def _stores(program: Program, storage: Storage, types: dict[str, str]) -> list[str]:
    lines = []
    for salt, (target, output) in enumerate(program.stores):
        computed = _is_computed(program, output)
        value = _spell_constant(output) if computed or not storage.flush else f"flush({_spell_constant(output)})"
        keep = target == "x" and (storage.tally or storage.sums or storage.rounding == "kahan")
        verb, bits = "store", ""
        if storage.rounding == "stochastic" and types[target] == "bfloat16":
            verb = "scatter" if computed else "scatter_any"
            bits = f", noise_of(weyl_, key_ + {salt * 0x632BE59B})"
        lines += _store(verb, target, types[target], value, bits, keep)
    if storage.rounding == "kahan":
        lines += _store("store", KAHAN, types[KAHAN], "x_kept__ - x_stored__")
    lines += measured.added(storage)
    if storage.rounding == "stochastic":
        lines.append("weyl_ = weyl_after(weyl_)")
    return [*lines, *(["g_[i] = 0"] if storage.zero else [])]


def _is_computed(program: Program, output: Argument) -> bool:
    """Whether a result comes out of arithmetic that LLVM keeps: the CPU has then flushed it, and made NaNs quiet."""
    line = next((line for line in program.body if line.name == output), None)
    if line is None or line.op not in ("add", "sub", "mul", "div", "sqrt"):
        return False
    return not any(argument in (0.0, 1.0, -1.0) for argument in line.args)


def _store(verb: str, name: str, dtype: str, value: str, bits: str = "", keep: bool = False) -> list[str]:
    """Lines that write one element; `keep` leaves what was computed and what can be read again in names."""
    stored = f"{name}_stored__ = " if keep else ""
    kept = f"{name}_kept__" if keep else value
    short = f"{stored}{verb}_{dtype}({name}_, i, {kept}{bits})"
    line = short if dtype.endswith("16") else f"{name}_[i] = {stored}{kept}"
    return [*([f"{kept} = {value}"] if keep else []), line]


def _spell_constant(argument: Argument) -> str:
    return argument if isinstance(argument, str) else f"real({render(argument)})"


def _indent(depth: int, lines: list[str]) -> list[str]:
    return ["    " * depth + line for line in lines]


@functools.lru_cache(maxsize=512)
def compiled(program: Program, storage: Storage) -> Kernel:
    """The kernel of a program, from the cache on disk or compiled; once per process.

    Args:
        program: A traced rule.
        storage: How its arrays are stored.
    """
    return kernel_of(
        program.identifier, source(program, storage), storage.arrays(program), storage.itemsizes, program.used_scalars
    )


@functools.cache
def reduction(name: str, dtype: str) -> Kernel:
    """The kernel of one of `REDUCTIONS` for gradients of a type."""
    return kernel_of(name, reduction_source(name, dtype), ("g",), Storage((dtype,)).itemsizes, ())


def kernel_of(
    name: str, text: str, arrays: tuple[str, ...] = (), itemsizes: tuple[int, ...] = (), scalars: tuple[str, ...] = ()
) -> Kernel:
    """The kernel of a source: a module with a cfunc of that name."""
    key = "\n".join((_compiler(), text))
    found = objects.code(key, lambda: objects.object_of(_function(name, text)))
    call = ctypes.CFUNCTYPE(None, ctypes.c_void_p)(found.address)
    return Kernel(name, found.address, call, arrays, itemsizes, scalars, found.owner)


@functools.cache
def _compiler() -> str:
    """What else decides a kernel's code, the machine apart: Numba and its settings, LLVM's options, our own LLVM."""
    settings = sorted(f"{name}={value}" for name, value in os.environ.items() if name.startswith("NUMBA_"))
    own = [Path(__file__).with_name(name).read_text(encoding="utf-8") for name in ("job.py", "intrinsics.py")]
    return "\n".join((f"numba {importlib.metadata.version('numba')}", *settings, *LLVM_OPTIONS, *own))


def _function(name: str, text: str) -> Any:
    """The compiled function of a kernel's source; the only place that needs Numba."""
    _set_llvm_options()
    filename = f"<thalweg kernel {name} {hashlib.sha256(text.encode()).hexdigest()[:12]}>"
    linecache.cache[filename] = (len(text), None, text.splitlines(keepends=True), filename)
    namespace: dict[str, Any] = {"__name__": "thalweg.compile.kernels"}
    exec(compile(text, filename, "exec"), namespace)
    return namespace[name]


@functools.cache
def _set_llvm_options() -> None:
    import llvmlite.binding as llvm

    for option in LLVM_OPTIONS:
        llvm.set_option("thalweg", option)
