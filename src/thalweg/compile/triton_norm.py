"""Triton kernels that look at all gradients before a step: their norm, what it asks for, and whether they are finite.

Each row of a table is added up by one program and the rows by a last one, in a fixed order: the sum depends neither on
the device's scheduling nor on anything else but the table and the size of a block.
"""

from __future__ import annotations

import functools

from thalweg.compile.triton_parts import aligned, at, constant, element, looped, module, place, pointer, row

# What the last kernel is given: what gradients are multiplied by, the largest norm that they may then have, what is
# added to the norm that it is divided by, whether infinite or NaN gradients leave the step out, and whether it is left
# out in any case. And what it tells: the norm, the factor that clips included, whether the step is left out, and how
# many numbers are infinite or NaN.
GIVEN = ("scale", "most", "offset", "skips", "found")
TOLD = ("norm", "scale", "skip", "unfit")


@functools.lru_cache(maxsize=512)
def norm_source(dtype: str, arrays: tuple[str, ...] = ("g",)) -> str:
    """The source of a kernel that gives for each row of a table two float64: the squares' sum, and how many are unfit.

    The kernel is given `table_`, int64; `squares_` and `unfits_`, float64, one for each row; and `BLOCK` and `ALIGNED`
    as a rule's. Nothing is flushed; every square is exact unless the gradients are float64.

    Args:
        dtype: The gradients' type.
        arrays: The arrays of the table, `g` among them.

    Example:
        >>> "total_ = total_ + wide_ * wide_" in norm_source("bfloat16")
        True
    """
    text, given = element("g", dtype, ", other=0")
    body = [
        *row(len(arrays)),
        f"g_at_ = {pointer(arrays.index('g'), dtype)}",
        *aligned(["g_at_", "count_"]),
        "total_ = tl.full((BLOCK,), 0.0, tl.float64)",
        "unfit_ = tl.full((BLOCK,), 0, tl.int32)",
        *looped("0", "count_", _summed(text, given)),
        "tl.store(squares_ + number_, tl.sum(total_))",
        "tl.store(unfits_ + number_, tl.sum(unfit_).to(tl.float64))",
    ]
    return module("norm", ("table_", "squares_", "unfits_"), ("BLOCK", "ALIGNED"), body)


def _summed(text: str, given: str) -> list[str]:
    wide = "g" if given == "float64" else "g.to(tl.float64)"
    return [
        f"g = {text}",
        f"wide_ = {wide}",
        "total_ = total_ + wide_ * wide_",
        "unfit_ = unfit_ + tl.where(g - g == 0.0, 0, 1)",
    ]


@functools.lru_cache(maxsize=512)
def finish_source() -> str:
    """The source of a kernel, for one program, that adds up the rows and decides.

    The kernel is given `squares_` and `unfits_`, and in `rows_` how many there are; `given_`, float64, with what
    `GIVEN` names; `told_`, float64, where it writes what `TOLD` names; and `BLOCK`. The factor is 1 where the norm
    times the scale is small enough, and a NaN where that is one. A bound of infinity never clips.

    Example:
        >>> "norm_ = tl.sqrt(tl.sum(total_))" in finish_source()
        True
    """
    adding = [
        "total_ = total_ + tl.load(squares_ + i_, mask=mask_, other=0.0)",
        "unfit_ = unfit_ + tl.load(unfits_ + i_, mask=mask_, other=0.0)",
    ]
    body = [
        *(f"{name}_ = {at('given_', k)}" for k, name in enumerate(GIVEN)),
        *(f"{name} = tl.full((BLOCK,), 0.0, tl.float64)" for name in ("total_", "unfit_")),
        *looped("0", "rows_", adding),
        "norm_ = tl.sqrt(tl.sum(total_))",
        "unfit_ = tl.sum(unfit_)",
        "factor_ = most_ / (norm_ * scale_ + offset_)",
        f"factor_ = tl.where((factor_ > 1.0) | (most_ == {constant(float('inf'), 'float64')}), 1.0, factor_)",
        "scale_ = scale_ * factor_",
        "skip_ = ((unfit_ > 0.0) & (skips_ != 0.0)) | (found_ != 0.0)",
        "skip_ = skip_.to(tl.float64)",
        *(f"tl.store({place('told_', k)}, {name}_)" for k, name in enumerate(TOLD)),
    ]
    return module("finish", ("squares_", "unfits_", "rows_", "given_", "told_"), ("BLOCK",), body)
