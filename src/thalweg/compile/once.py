"""The Python printer: what a program computes once per step, as a function of plain numbers."""

from __future__ import annotations

import functools
from collections.abc import Callable

from thalweg.compile.program import Program
from thalweg.compile.source import INFIX, block, render
from thalweg.formula.numbers import NUMBERS

# Where Python's own operators would raise, or differ from IEEE 754, the functions of `thalweg.formula.numbers` stand.
_CALLED = ("div", "pow", "sqrt", "exp", "log", "sin", "cos", "abs", "sign", "maximum", "minimum", "where")
SPELLING = INFIX | {op: f"{op}_({', '.join(['{}'] * (3 if op == 'where' else 1))})" for op in _CALLED}
SPELLING |= {op: f"{op}_({{}}, {{}})" for op in ("div", "pow", "maximum", "minimum")}

Once = Callable[..., tuple[tuple[float, ...], tuple[float, ...]]]


@functools.lru_cache(maxsize=512)
def once(program: Program) -> Once:
    """A function of `t`, the hyperparameters and the scalar states, all of them floats, in the program's order.

    Returns:
        Its results are the values that a kernel reads once per step, in the order of `program.used_scalars`, and the
        new scalar states; the same numbers as `thalweg.compile.evaluate.scalars` computes.

    Example:
        >>> from thalweg.compile.trace import trace
        >>> from thalweg.rules import RULES
        >>> once(trace(RULES["momentum"]))(1.0, 0.01, 0.9)
        ((0.01, 0.9), ())
    """
    namespace = {f"{op}_": NUMBERS[op] for op in _CALLED}
    exec(compile(source(program), f"<thalweg once {program.name}>", "exec"), namespace)
    return namespace["once"]  # type: ignore[return-value]


def source(program: Program) -> str:
    """The function as Python source.

    Example:
        >>> from thalweg.compile.trace import trace
        >>> from thalweg.rules import RULES
        >>> print(source(trace(RULES["sgd"])))
        def once(t, lr):
            return (lr,), ()
        <BLANKLINE>
    """
    arguments = ", ".join(("t", *program.hyper, *program.scalar_state))
    lines = block(program.scalars, SPELLING, "once", program.name)
    read, new = program.used_scalars, [render(value) for _, value in program.scalar_stores]
    values = ", ".join(f"({''.join(f'{v}, ' for v in side).strip()})" for side in (read, new))
    return "\n".join([f"def once({arguments}):", *(f"    {line}" for line in [*lines, f"return {values}"])]) + "\n"
