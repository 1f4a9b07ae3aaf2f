"""The Triton printer: a program as a fused GPU kernel, one launch for all tensors of a batch.

A kernel reads a table of 64-bit words on the device, laid out as the CPU's: a row, a stretch of one tensor, holds the
addresses of its arrays and then the words named in `FIELDS`. One program of a launch walks one row, a block of elements
at a time. Where the number behind `skip_` is not zero, weights and states stay what they are: whether a step is left
out is decided on the device, and nobody waits for it.

There are two spellings. The fast one leaves division and square root to the device's approximations, lets the compiler
merge a product and a sum, and flushes subnormal numbers when they are stored. The exact one equals NumPy to the last
bit.
"""

from __future__ import annotations

import functools
import hashlib
import linecache
from typing import Any

from thalweg.compile.program import COMPARISONS, Program
from thalweg.compile.source import INFIX
from thalweg.compile.storage import Storage, uniform
from thalweg.compile.triton_frame import begun, loads, stores, written, zeroed_where_skipped
from thalweg.compile.triton_parts import aligned, at, converted, looped, module, pointer, row, spelled, word

# Comparisons instead of `tl.maximum` and the like, whose rules for NaN are others, and a product instead of a minus,
# which Triton takes for a difference from 0.0, so that it would not turn the sign of a zero.
SPELLING = INFIX | {
    "neg": "{} * -1.0",
    "sqrt": "tl.sqrt({})",
    "abs": "tl.abs({})",
    "sign": "tl.where({0} > 0.0, 1.0, tl.where({0} < 0.0, -1.0, tl.where({0} == {0}, 0.0, {0})))",
    "maximum": "tl.where({0} > {1}, {0}, tl.where({0} == {0}, {1}, {0}))",
    "minimum": "tl.where({0} < {1}, {0}, tl.where({0} == {0}, {1}, {0}))",
    "where": "tl.where({}, {}, {})",
}
# Rounded correctly: in float64 the plain ones are, and Triton has no others.
EXACT = {"float64": {}, "float32": {"div": "tl.div_rn({}, {})", "sqrt": "tl.sqrt_rn({})"}}
_FLUSHING = {"add": "flushed_({} + {})", "sub": "flushed_({} - {})", "mul": "product_({}, {})"}
FLUSHING = {"float64": _FLUSHING | {"div": "quotient64_({}, {})"}, "float32": _FLUSHING | {"div": "quotient_({}, {})"}}


@functools.lru_cache(maxsize=512)
def source(program: Program, storage: Storage | None = None, exact: bool = False) -> str:
    """The kernel's source, a module that compiles as it stands.

    The kernel is given `table_`, int64; `skip_`, one float64; where the storage asks for sums `sums_`, float64 of shape
    (rows, sums); and when it is compiled `BLOCK`, a power of two, and `ALIGNED`, whether every address and every count
    in the table is a multiple of 16.

    Args:
        program: A traced rule.
        storage: How its arrays are stored; float32 where nothing is said.
        exact: Whether every operation is rounded as NumPy does. To be launched with `enable_fp_fusion=False` then.

    Raises:
        FormulaError: If an operation has no spelling in Triton.

    Example:
        >>> from thalweg.compile.trace import trace
        >>> from thalweg.rules import RULES
        >>> print(source(trace(RULES["sgd"]), Storage(("float32", "float32"), flush=False)))
        import triton
        import triton.language as tl
        <BLANKLINE>
        <BLANKLINE>
        @triton.jit(do_not_specialize=["table_", "skip_"])
        def sgd(table_, skip_, BLOCK: tl.constexpr, ALIGNED: tl.constexpr):
            number_ = tl.program_id(0).to(tl.int64)
            row_ = table_ + number_ * 8
            count_ = tl.load(row_ + 2).to(tl.int32)
            x_at_ = tl.load(row_).to(tl.pointer_type(tl.float32))
            g_at_ = tl.load(row_ + 1).to(tl.pointer_type(tl.float32))
            scalars_ = tl.load(row_ + 3).to(tl.pointer_type(tl.float64))
            stop_ = tl.where(tl.load(skip_) == 0.0, count_, 0)
            if ALIGNED:
                x_at_ = tl.multiple_of(x_at_, 16)
                g_at_ = tl.multiple_of(g_at_, 16)
                stop_ = tl.multiple_of(stop_, 16)
            lr = tl.load(scalars_).to(tl.float32)
            for begin_ in range(0, stop_, BLOCK):
                i_ = begin_ + tl.arange(0, BLOCK)
                mask_ = i_ < stop_
                x = tl.load(x_at_ + i_, mask=mask_)
                g = tl.load(g_at_ + i_, mask=mask_)
                a1 = lr * g
                x_new = x - a1
                tl.store(x_at_ + i_, x_new, mask=mask_)
        <BLANKLINE>
    """
    storage = storage or uniform(program, "float32")
    types = dict(zip(storage.arrays(program), (*storage.types, storage.types[0]), strict=False))
    stepwise = exact and storage.flush
    loop = [
        *loads(program, storage, types, stepwise),
        *_arithmetic(program, storage.real, exact, stepwise),
        *stores(program, storage, types, stepwise),
    ]
    body = [
        *_pointers(storage, types),
        *_scalars(program, storage.real, stepwise),
        *begun(storage),
        *looped("0", "stop_", loop),
        *zeroed_where_skipped(storage),
        *written(storage, len(types)),
    ]
    arguments = ("table_", "skip_", *(("sums_",) if storage.sums else ()))
    return module(program.identifier, arguments, ("BLOCK", "ALIGNED"), body)


def _pointers(storage: Storage, types: dict[str, str]) -> list[str]:
    drawn = storage.rounding == "stochastic"
    return [
        *row(len(types)),
        *(f"{name}_at_ = {pointer(k, kind)}" for k, (name, kind) in enumerate(types.items())),
        f"scalars_ = {pointer(word('scalars', len(types)), 'float64')}",
        *(f"{f}_ = {at('row_', word(f, len(types)))}.to(tl.uint32)" for f in (("start", "key") if drawn else ())),
        "stop_ = tl.where(tl.load(skip_) == 0.0, count_, 0)",
        *aligned([*(f"{name}_at_" for name in types), "stop_"]),
    ]


def _scalars(program: Program, real: str, flush: bool) -> list[str]:
    """Lines that read the per-step values; a condition is a number in memory."""
    conditions = {line.name for line in program.scalars if line.op in COMPARISONS}
    numbers = {name: at("scalars_", k) for k, name in enumerate(program.used_scalars)}
    return [
        f"{name} = {number} != 0.0" if name in conditions else f"{name} = {converted(number, 'float64', real, flush)}"
        for name, number in numbers.items()
    ]


def _arithmetic(program: Program, real: str, exact: bool, stepwise: bool) -> list[str]:
    """The lines of the program, each result flushed or not."""
    spelling = SPELLING | (EXACT[real] if exact else {}) | (FLUSHING[real] if stepwise else {})
    return spelled(program, program.body, spelling, real, stepwise)


@functools.lru_cache(maxsize=512)
def kernel(text: str) -> Any:
    """The jitted function of a module of one kernel, for the device or, under `TRITON_INTERPRET=1`, the interpreter.

    Args:
        text: What `source`, or one of its neighbours, printed.

    Raises:
        ModuleNotFoundError: If Triton is not installed.
    """
    filename = f"<thalweg triton {hashlib.sha256(text.encode()).hexdigest()[:12]}>"
    linecache.cache[filename] = (len(text), None, text.splitlines(keepends=True), filename)  # where Triton reads it
    namespace: dict[str, Any] = {"__name__": "thalweg.compile.kernels"}
    exec(compile(text, filename, "exec"), namespace)
    name = next(line for line in reversed(text.splitlines()) if line.startswith("def "))[4:].partition("(")[0]
    return namespace[name]
