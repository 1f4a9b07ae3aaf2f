"""The Numba printer: a program as a fused CPU kernel, one sweep over the memory of many tensors.

A kernel has one argument, the address of a job (see `thalweg.compile.job`), and any number of threads may call it with
the same job at once: each takes the next row of the job's table until none is left. It is single-threaded inside, holds
no Python object, and never allocates.
"""

from __future__ import annotations

import ctypes
import functools
import linecache
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from thalweg.compile.program import Argument, Program
from thalweg.compile.source import INFIX, block, render

ITEMSIZE = {"float32": 4, "float64": 8}

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
        program: What it computes.
        address: Of the machine code, a C function `void kernel(void *job)`.
        call: The same function through ctypes; it releases the GIL.
        arrays: The columns of the job's table: x, g, then the state.
        itemsize: Bytes of an element.
        scalars: The per-step values it reads, in order, after 1 or 0 for whether to flush subnormal state.
        owner: Keeps the machine code alive.
    """

    program: Program
    address: int
    call: Callable[[int], None]
    arrays: tuple[str, ...]
    itemsize: int
    scalars: tuple[str, ...]
    owner: Any


def source(program: Program, dtype: str = "float32") -> str:
    """The kernel's source, a module that compiles as it stands.

    Example:
        >>> from thalweg.compile.trace import trace
        >>> from thalweg.rules import RULES
        >>> "x_new = x - a1" in source(trace(RULES["sgd"]))
        True
    """
    spell = _spell_constant
    loads = [f"{name} = {name}_[i]" for name in program.inputs]
    body = block(program.body, SPELLING, "numba", program.name, spell)
    stores = [f"x_[i] = {spell(program.outputs[0])}"]
    for target, output in zip(program.targets[1:], program.outputs[1:], strict=True):
        stores.append(f"{target}_[i] = flush({spell(output)}, mask)")
    reads = [f"{name} = real(scalars[{k}])" for k, name in enumerate(program.used_scalars, start=1)]
    width = len(program.inputs)
    columns = [f"{name}_ = table[{width} * row + {k}]" for k, name in enumerate(program.inputs)]
    lines = [
        f"def {program.identifier}(job):",
        *_indent(1, ["rows, table, counts, scalars = open_job(job)", "mask = flush_mask(scalars[0])", *reads]),
        *_indent(1, ["row = take_row(job)", "while row < rows:"]),
        *_indent(2, [*columns, "for i in range(counts[row]):"]),
        *_indent(3, [*loads, *body, *stores]),
        *_indent(2, ["row = take_row(job)"]),
    ]
    head = [
        "import math",
        "",
        f"from numba import cfunc, {dtype} as real",
        "",
        "from thalweg.compile.job import flush_of, job_type, open_job_of, take_row",
        "",
        "open_job = open_job_of(real)",
        "flush, flush_mask = flush_of(real)",
        "",
        "",
        '@cfunc(job_type, nopython=True, error_model="numpy")',
    ]
    return "\n".join([*head, *lines]) + "\n"


def _spell_constant(argument: Argument) -> str:
    return argument if isinstance(argument, str) else f"real({render(argument)})"


def _indent(depth: int, lines: list[str]) -> list[str]:
    return ["    " * depth + line for line in lines]


@functools.lru_cache(maxsize=512)
def compiled(program: Program, dtype: str) -> Kernel:
    """The kernel of a program for `float32` or `float64` arrays, compiled once per process.

    Args:
        program: A traced rule.
        dtype: Of the arrays, and of all arithmetic on them.
    """
    _allow_alias_checks()
    text = source(program, dtype)
    filename = f"<thalweg kernel {program.name} {dtype} {program.digest[:12]}>"
    linecache.cache[filename] = (len(text), None, text.splitlines(keepends=True), filename)
    namespace: dict[str, Any] = {"math": math, "__name__": "thalweg.compile.kernels"}
    exec(compile(text, filename, "exec"), namespace)
    function = namespace[program.identifier]
    prototype = ctypes.CFUNCTYPE(None, ctypes.c_void_p)
    return Kernel(
        program=program,
        address=function.address,
        call=prototype(function.address),
        arrays=program.inputs,
        itemsize=ITEMSIZE[dtype],
        scalars=program.used_scalars,
        owner=function,
    )


@functools.cache
def _allow_alias_checks() -> None:
    """Let LLVM vectorise loops over more than four arrays: it checks at run time that they do not overlap."""
    import llvmlite.binding as llvm

    llvm.set_option("thalweg", "-runtime-memory-check-threshold=128")
