"""Triton kernels for what happens once per step: the per-step values and the keys of random bits, on the device.

With these a step asks the host for nothing, so it can be captured in a CUDA graph and be played again.
"""

from __future__ import annotations

import functools

from thalweg.compile.program import COMPARISONS, Program
from thalweg.compile.triton import SPELLING
from thalweg.compile.triton_parts import constant, converted, indent, module, place, pointer, spelled, width, word

REAL = "float64"
ONCE_SPELLING = SPELLING | {
    "pow": "power_({}, {})",
    "exp": "tl.exp({})",
    "log": "tl.log({})",
    "sin": "tl.sin({})",
    "cos": "tl.cos({})",
}


@functools.lru_cache(maxsize=512)
def values_source(program: Program, counter: str = REAL) -> str:
    """The source of a kernel that makes what a rule's kernel reads once per step; one program makes one set.

    The kernel is given `table_`, int64, and `skip_`, one float64; to be launched with `enable_fp_fusion=False`. A row
    of the table holds addresses of numbers, float64 but for t: of t, of each hyperparameter, of each scalar state, and
    of the first of the values, which are written in the order of `program.used_scalars`. One is added to t first. Where
    the number behind `skip_` is not zero, nothing changes.

    Args:
        program: A traced rule.
        counter: The type in which t is held, `float32` or `float64`.

    Raises:
        FormulaError: If an operation has no spelling in Triton.

    Example:
        >>> from thalweg.compile.trace import trace
        >>> from thalweg.rules import RULES
        >>> print(values_source(trace(RULES["sgd"])))
        import triton
        import triton.language as tl
        <BLANKLINE>
        <BLANKLINE>
        @triton.jit(do_not_specialize=["table_", "skip_"])
        def sgd_values(table_, skip_):
            row_ = table_ + tl.program_id(0) * 3
            t_at_ = tl.load(row_).to(tl.pointer_type(tl.float64))
            lr_at_ = tl.load(row_ + 1).to(tl.pointer_type(tl.float64))
            values_ = tl.load(row_ + 2).to(tl.pointer_type(tl.float64))
            if tl.load(skip_) == 0.0:
                t = tl.load(t_at_) + 1.0
                lr = tl.load(lr_at_)
                tl.store(t_at_, t)
                tl.store(values_, lr)
        <BLANKLINE>
    """
    names = ("t", *program.hyper, *program.scalar_state)
    pointers = [f"{name}_at_ = {pointer(k, REAL if k else counter)}" for k, name in enumerate(names)]
    pointers.append(f"values_ = {pointer(len(names), REAL)}")
    work = [
        f"t = {converted('tl.load(t_at_)', counter, REAL, flush=False)} + 1.0",
        *(f"{name} = tl.load({name}_at_)" for name in names[1:]),
        *spelled(program, program.scalars, ONCE_SPELLING, REAL, flush=False),
        f"tl.store(t_at_, {converted('t', REAL, counter, flush=False)})",
        *(f"tl.store({state}_at_, {constant(value, REAL)})" for state, value in program.scalar_stores),
        *(_store(program, k, name) for k, name in enumerate(program.used_scalars)),
    ]
    start = f"row_ = table_ + tl.program_id(0) * {len(names) + 1}"
    body = [start, *pointers, "if tl.load(skip_) == 0.0:", *indent(work)]
    return module(f"{program.identifier}_values", ("table_", "skip_"), (), body)


def _store(program: Program, k: int, name: str) -> str:
    is_condition = any(line.name == name and line.op in COMPARISONS for line in program.scalars)
    return f"tl.store({place('values_', k)}, {f'{name}.to(tl.float64)' if is_condition else name})"


@functools.lru_cache(maxsize=512)
def keys_source(arrays: int, counter: str = REAL) -> str:
    """The source of a kernel that writes the keys of random bits into a table, as `thalweg.sweep.cpu.keys` makes them.

    The kernel is given `table_`; for each of its rows the tensor's number in `numbers_`, and the address of its t in
    `steps_`; the seed in `seed_`, all of these int64; and `rows_`, how many there are. One program serves `BLOCK` rows.

    Args:
        arrays: How many arrays a row has.
        counter: The type in which t is held.

    Example:
        >>> "0xBF58476D1CE4E5B9" in keys_source(4)
        True
    """
    body = [
        "i_ = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)",
        "mask_ = i_ < rows_",
        f"row_ = table_ + i_.to(tl.int64) * {width(arrays)}",
        "number_ = tl.load(numbers_ + i_, mask=mask_).to(tl.uint64)",
        f"step_ = tl.load(tl.load(steps_ + i_, mask=mask_).to(tl.pointer_type(tl.{counter})), mask=mask_)",
        "key_ = mixed_(tl.load(seed_).to(tl.uint64), number_)",
        "key_ = mixed_(key_, step_.to(tl.int64).to(tl.uint64)).to(tl.int64)",
        f"start_ = tl.load(row_ + {word('start', arrays)}, mask=mask_)",
        f"tl.store(row_ + {word('key', arrays)}, key_ + (start_ >> 32) * 0x9E3779B9, mask=mask_)",
    ]
    return module("keys", ("table_", "numbers_", "steps_", "seed_", "rows_"), ("BLOCK",), body)
