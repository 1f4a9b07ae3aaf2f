"""What a Triton kernel does around a rule's arithmetic: loads, rounding, stores, counts and sums."""

from __future__ import annotations

from thalweg.compile.measured import SUMS
from thalweg.compile.program import Program
from thalweg.compile.storage import KAHAN, Storage
from thalweg.compile.stored import SALT
from thalweg.compile.triton_parts import constant, converted, element, looped, place, word

ZERO = "tl.store(g_at_ + i_, 0, mask=mask_)"


def loads(program: Program, storage: Storage, types: dict[str, str], stepwise: bool) -> list[str]:
    """Lines that read a block of every array.

    Args:
        program: A traced rule.
        storage: How its arrays are stored.
        types: The type of each array.
        stepwise: Whether what is read, and every result, is flushed.
    """
    lines = [_read(name, types[name], storage, stepwise) for name in program.inputs]
    lines += ["x_before__ = x"] if storage.sums else []
    if storage.rounding == "kahan":
        mended = converted(f"x + {KAHAN}", storage.real, storage.real, stepwise)
        lines += [_read(KAHAN, types[KAHAN], storage, stepwise), f"x = {mended}"]
    return lines


def _read(name: str, kind: str, storage: Storage, stepwise: bool) -> str:
    text, given = element(name, kind)
    flush = stepwise and kind != "float16"  # whose numbers are all normal in the wider types
    return f"{name} = {converted(text, given, storage.real, flush)}"


def stores(program: Program, storage: Storage, types: dict[str, str], stepwise: bool) -> list[str]:
    """Lines that write a block of every array that has a new value, and count and add up.

    Args:
        program: A traced rule.
        storage: How its arrays are stored.
        types: The type of each array.
        stepwise: Whether results have been flushed already.
    """
    drawn = storage.rounding == "stochastic"
    lines = ["index_ = start_ + i_.to(tl.uint32)"] if drawn else []
    for salt, (target, output) in enumerate(program.stores):
        kind, value = types[target], constant(output, storage.real, stepwise, alone=True)
        flush = storage.flush and not (stepwise and _wide(kind) == storage.real)
        key = f"key_ + {salt * SALT % 2**32:#x}" if salt else "key_"
        lines += _write(storage, target, kind, value, flush, f"noise_(index_, {key})" if drawn else "")
    if storage.rounding == "kahan":
        lines += _write(storage, KAHAN, types[KAHAN], "x_kept__ - x_stored__", storage.flush)
    return [*lines, *_added(storage), *([ZERO] if storage.zero else [])]


def _wide(kind: str) -> str:
    """The type in which numbers of a storage type are held before they are rounded to 16 bits."""
    return "float32" if kind.endswith("16") else kind


def _write(storage: Storage, name: str, kind: str, value: str, flush: bool, noise: str = "") -> list[str]:
    """Lines that write a block; of x they may leave in names what was computed, and what can be read again."""
    number = converted(value, storage.real, _wide(kind), flush)
    if not (name == "x" and (storage.tally or storage.sums or storage.rounding == "kahan")):
        return [_store(name, _rounded(number, kind, noise))]
    return [
        f"x_kept__ = {number}",
        f"x_short__ = {_rounded('x_kept__', kind, noise)}",
        _store("x", "x_short__"),
        f"x_stored__ = {_read_again('x_short__', kind)}",
    ]


def _rounded(number: str, kind: str, noise: str) -> str:
    if kind == "bfloat16":
        return f"scattered_({number}, {noise})" if noise else f"nearest_({number})"
    return f"({number}).to(tl.float16)" if kind == "float16" else number


def _read_again(short: str, kind: str) -> str:
    return {"bfloat16": f"widened_({short})", "float16": f"{short}.to(tl.float32)"}.get(kind, short)


def _store(name: str, value: str) -> str:
    return f"tl.store({name}_at_ + i_, {value}, mask=mask_)"


def begun(storage: Storage) -> list[str]:
    """Lines in front of a row's loop: a count, or a sum in the type of the arithmetic, for each element of a block.

    In a row of 65,536 elements and blocks of 1,024 each adds up 64 numbers, which costs a few roundings; then a block
    is added up in float64.
    """
    counts = [f"{name} = tl.full((BLOCK,), 0, tl.int32)" for name in ("moved_", "lost_")] if storage.tally else []
    sums = [f"{name} = tl.full((BLOCK,), 0.0, tl.{storage.real})" for name, *_ in SUMS] if storage.sums else []
    return [*counts, *sums]


def _added(storage: Storage) -> list[str]:
    lines = []
    if storage.tally:
        lines += [
            "moves_ = mask_ & (x_kept__ != x)",
            "moved_ = moved_ + tl.where(moves_, 1, 0)",
            "lost_ = lost_ + tl.where(moves_ & (x_stored__ == x), 1, 0)",
        ]
    if storage.sums:
        lines.append("dx__ = x_stored__ - x_before__")
        lines += [f"{name} = {name} + tl.where(mask_, {a} * {b}, 0.0)" for name, a, b in SUMS]
    return lines


def written(storage: Storage, arrays: int) -> list[str]:
    """Lines behind a row's loop."""
    fields = (("first", "moved_"), ("second", "lost_")) if storage.tally else ()
    lines = [f"tl.store(row_ + {word(field, arrays)}, tl.sum({name}).to(tl.int64))" for field, name in fields]
    if storage.sums:
        lines.append(f"sums_ = sums_ + number_ * {len(SUMS)}")
        lines += [f"tl.store({place('sums_', k)}, tl.sum({name}.to(tl.float64)))" for k, (name, *_) in enumerate(SUMS)]
    return lines


def zeroed_where_skipped(storage: Storage) -> list[str]:
    """Lines that zero the gradients of a step that is left out."""
    return looped("stop_", "count_", [ZERO]) if storage.zero else []
