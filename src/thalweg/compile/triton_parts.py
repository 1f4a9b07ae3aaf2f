"""What every Triton kernel is made of: its module, the row that it walks, and numbers."""

from __future__ import annotations

import ctypes
import math
from collections.abc import Mapping

from thalweg.compile.numba import FIELDS
from thalweg.compile.program import Argument, Line, Program
from thalweg.compile.source import block, render
from thalweg.compile.triton_functions import called_in

# What Triton's modules name beside a rule's own names; all else that they name ends with an underscore.
NAMES = ("triton", "tl", "BLOCK", "ALIGNED")
# Operations in which a number may stand alone: everything else that its spelling puts beside it may be a number too.
ALONE = ("where", "pow", "exp", "log", "sin", "cos", "sqrt")
SMALLEST = {"float32": 2.0**-126, "float64": 2.0**-1022}  # normal numbers


def module(name: str, arguments: tuple[str, ...], fixed: tuple[str, ...], body: list[str]) -> str:
    """A module with a kernel, and in front of it the functions that it calls.

    Args:
        name: The kernel's.
        arguments: What it is given when it is launched.
        fixed: What it is given when it is compiled.
        body: Its lines.

    Example:
        >>> print(module("nothing", ("table_",), ("BLOCK",), ["pass"]))
        import triton
        import triton.language as tl
        <BLANKLINE>
        <BLANKLINE>
        @triton.jit(do_not_specialize=["table_"])
        def nothing(table_, BLOCK: tl.constexpr):
            pass
        <BLANKLINE>
    """
    given = ", ".join((*arguments, *(f"{name}: tl.constexpr" for name in fixed)))
    # Compiled once, whatever addresses are multiples of: `ALIGNED` says where memory is read in wide pieces.
    jitted = f"@triton.jit(do_not_specialize=[{', '.join(map(repr, arguments))}])".replace("'", '"')
    kernel = "\n".join([jitted, f"def {name}({given}):", *indent(body)])
    return "\n\n\n".join(["import triton\nimport triton.language as tl", *called_in(kernel), kernel]) + "\n"


def indent(lines: list[str]) -> list[str]:
    """The lines one level deeper."""
    return [f"    {line}" for line in lines]


def word(field: str, arrays: int) -> int:
    """Where a field stands in a row of a table of so many arrays.

    Example:
        >>> word("count", 4)
        4
    """
    return arrays + FIELDS.index(field)


def width(arrays: int) -> int:
    """How many words a row has."""
    return arrays + len(FIELDS)


def row(arrays: int) -> list[str]:
    """Lines that find the row of a program, in a table of so many arrays."""
    return [
        "number_ = tl.program_id(0).to(tl.int64)",
        f"row_ = table_ + number_ * {width(arrays)}",
        f"count_ = {at('row_', word('count', arrays))}.to(tl.int32)",
    ]


def place(start: str, index: int) -> str:
    """So many places behind a pointer.

    Example:
        >>> place("row_", 0), place("row_", 3)
        ('row_', 'row_ + 3')
    """
    return f"{start} + {index}" if index else start


def at(start: str, index: int) -> str:
    """A read of what stands so many places behind a pointer."""
    return f"tl.load({place(start, index)})"


def pointer(index: int, kind: str) -> str:
    """The address in a word of the row as a pointer to numbers; bfloat16 are held as their bits.

    Example:
        >>> pointer(2, "bfloat16")
        'tl.load(row_ + 2).to(tl.pointer_type(tl.uint16))'
    """
    return f"{at('row_', index)}.to(tl.pointer_type(tl.{'uint16' if kind == 'bfloat16' else kind}))"


def aligned(names: list[str]) -> list[str]:
    """Lines that tell the compiler what `ALIGNED` promises, so that it reads and writes memory in wide pieces."""
    return ["if ALIGNED:", *indent([f"{name} = tl.multiple_of({name}, 16)" for name in names])]


def looped(first: str, stop: str, body: list[str]) -> list[str]:
    """A loop over the elements of a row, a block at a time."""
    places = ["i_ = begin_ + tl.arange(0, BLOCK)", f"mask_ = i_ < {stop}"]
    return [f"for begin_ in range({first}, {stop}, BLOCK):", *indent([*places, *body])]


def element(name: str, kind: str, rest: str = "") -> tuple[str, str]:
    """A read of an array's elements in a block, and the type of the numbers that it gives.

    Args:
        name: The array's.
        kind: The type in memory.
        rest: What else the load is told.

    Example:
        >>> element("g", "bfloat16")
        ('widened_(tl.load(g_at_ + i_, mask=mask_))', 'float32')
    """
    read = f"tl.load({name}_at_ + i_, mask=mask_{rest})"
    if kind == "bfloat16":
        return f"widened_({read})", "float32"
    return (f"{read}.to(tl.float32)", "float32") if kind == "float16" else (read, kind)


def converted(text: str, given: str, wanted: str, flush: bool) -> str:
    """A number of one type in another.

    Args:
        text: The number.
        given: Its type, `float32` or `float64`.
        wanted: The other type.
        flush: Whether subnormal numbers become zero, before and after.

    Example:
        >>> converted("tl.load(scalars_)", "float64", "float32", flush=False)
        'tl.load(scalars_).to(tl.float32)'
        >>> converted("tl.load(scalars_)", "float64", "float32", flush=True)
        'narrowed_(tl.load(scalars_))'
    """
    if flush and (given, wanted) == ("float64", "float32"):
        return f"narrowed_({text})"
    text = f"flushed_({text})" if flush else text
    if given == wanted:
        return text
    return f"{text if text.isidentifier() or text.endswith(')') else f'({text})'}.to(tl.{wanted})"


def spelled(
    program: Program, lines: tuple[Line, ...], spelling: Mapping[str, str], real: str, flush: bool
) -> list[str]:
    """Lines of a program as text.

    Args:
        program: Whose they are.
        lines: Some of its lines.
        spelling: How each operation is spelled.
        real: The type in which they are computed.
        flush: Whether subnormal constants are zero.

    Raises:
        FormulaError: If an operation has no spelling.
    """
    typed = [Line(n.name, n.op, tuple(constant(a, real, flush, n.op in ALONE) for a in n.args)) for n in lines]
    return block(tuple(typed), spelling, "triton", program.name)


def constant(argument: Argument, real: str, flush: bool = False, alone: bool = False) -> str:
    """A name as it is, a number so that Triton takes it for one of this type.

    Where nothing else has a type, and in comparisons, Triton takes a Python number for a float32, or for a float64 if
    it is too large or too small for one. And of zeros it knows the positive one only.

    Args:
        argument: Of a line.
        real: The type, `float32` or `float64`.
        flush: Whether a subnormal number is zero.
        alone: Whether there may be nothing beside it that has a type.

    Example:
        >>> constant("lr", "float32"), constant(0.1, "float32"), constant(0.5, "float64"), constant(0.1, "float64")
        ('lr', '0.1', '0.5', 'tl.full((), 0.1, tl.float64)')
        >>> constant(-0.0, "float32")
        '(tl.full((), 0.0, tl.float32) * -1.0)'
    """
    if isinstance(argument, str):
        return argument
    if flush and abs(argument) < SMALLEST[real]:
        argument = math.copysign(0.0, argument)
    if argument == 0 and math.copysign(1.0, argument) < 0:
        return f"(tl.full((), 0.0, tl.{real}) * -1.0)"
    normal = argument == 0 or SMALLEST["float32"] <= abs(argument) < 2.0**127
    plain = normal and (real == "float32" or (not alone and ctypes.c_float(argument).value == argument))
    return render(argument) if plain else f"tl.full((), {render(argument)}, tl.{real})"
