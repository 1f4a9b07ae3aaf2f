"""Surface → program: a function of the plane traced like a rule, for evaluators and printers."""

from __future__ import annotations

import functools

from thalweg.compile.program import ELEMENTARY, Program
from thalweg.compile.trace import check_result, named_values, numbered
from thalweg.errors import FormulaError
from thalweg.formula import Expr
from thalweg.formula.rule import RESERVED
from thalweg.formula.surface import Surface

VALUE = "f"


@functools.lru_cache(maxsize=512)
def trace_surface(surface: Surface) -> Program:
    """The program of a surface, which gives `f` from `x` and `y`.

    Raises:
        FormulaError: If the formula branches on a symbol, or returns something else than one value.

    Example:
        >>> from thalweg.surfaces import SURFACES
        >>> print(trace_surface(SURFACES["saddle"]).text)
        saddle(x, y; t)
        once per step:
            nothing
        once per element:
            a1 = mul(x, x)
            a2 = mul(y, y)
            f = sub(a1, a2)
        new values:
            f = f
    """
    symbols = {name: Expr(name, varies=True) for name in ("x", "y")}
    owner = f"surface '{surface.name}'"
    try:
        value, names = named_values(lambda given: surface.formula(given["x"], given["y"]), symbols)
    except FormulaError as error:
        raise FormulaError(f"{owner}: {error}") from None
    except Exception as error:
        raise FormulaError(
            f"{owner} cannot be traced ({type(error).__name__}: {error}): use numbers, x, y and thalweg.formula only"
        ) from error
    check_result(owner, VALUE, value)
    names.setdefault(id(value), VALUE)
    return program_of(surface.name, owner, (value,), (VALUE,), names)


def program_of(
    name: str, owner: str, results: tuple[Expr | float, ...], targets: tuple[str, ...], names: dict[int, str]
) -> Program:
    """The program of expressions of x and y, in canonical form."""
    scalars, body, labels = numbered(owner, results, names, {"x", "y", *RESERVED}, ELEMENTARY)
    outputs = tuple(labels[id(e)] if isinstance(e, Expr) else float(e) for e in results)
    named = frozenset(line.name for line in body if line.name in {labels.get(i) for i in names})
    return Program(name, ("x", "y"), (), scalars, body, outputs, targets, named)
