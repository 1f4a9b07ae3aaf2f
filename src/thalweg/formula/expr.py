"""`Expr`: a value of a formula that records what is done to it, in the order in which it is written.

Nothing is rewritten or reordered, so a compiled kernel rounds exactly as the formula does.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import Any, NoReturn

from thalweg.errors import FormulaError
from thalweg.formula.numbers import NUMBERS

_serial = itertools.count()


@dataclass(frozen=True, eq=False)
class Expr:
    """One value of a formula.

    Attributes:
        op: The name of an input (`"x"`), `"const"`, or an operation on `args`.
        args: What the operation takes: further expressions; for a constant its number.
        varies: True for one value per element of the parameter, False for one value per step.
        serial: Grows with every expression made, so that sorting gives back the author's order.

    Example:
        >>> g = Expr("g", varies=True)
        >>> (2 * g).op, (2 * g).varies
        ('mul', True)
    """

    op: str
    args: tuple = ()
    varies: bool = False
    serial: int = field(default_factory=lambda: next(_serial), compare=False, repr=False)

    __array_ufunc__ = None  # NumPy then raises TypeError instead of making an array of expressions

    def __add__(self, other: Any) -> Expr:
        return apply("add", self, other)

    def __radd__(self, other: Any) -> Expr:
        return apply("add", other, self)

    def __sub__(self, other: Any) -> Expr:
        return apply("sub", self, other)

    def __rsub__(self, other: Any) -> Expr:
        return apply("sub", other, self)

    def __mul__(self, other: Any) -> Expr:
        return apply("mul", self, other)

    def __rmul__(self, other: Any) -> Expr:
        return apply("mul", other, self)

    def __truediv__(self, other: Any) -> Expr:
        return apply("div", self, other)

    def __rtruediv__(self, other: Any) -> Expr:
        return apply("div", other, self)

    def __pow__(self, other: Any) -> Expr:
        """A small whole power is repeated multiplication, in every backend."""
        if isinstance(other, int) and 2 <= other <= 4:
            result = self
            for _ in range(other - 1):
                result = result * self
            return result
        return apply("pow", self, other)

    def __rpow__(self, other: Any) -> Expr:
        return apply("pow", other, self)

    def __neg__(self) -> Expr:
        return apply("neg", self)

    def __abs__(self) -> Expr:
        return apply("abs", self)

    def __gt__(self, other: Any) -> Expr:
        return apply("gt", self, other)

    def __lt__(self, other: Any) -> Expr:
        return apply("lt", self, other)

    def __ge__(self, other: Any) -> Expr:
        return apply("ge", self, other)

    def __le__(self, other: Any) -> Expr:
        return apply("le", self, other)

    def __eq__(self, other: Any) -> Expr:  # type: ignore[override]
        return apply("eq", self, other)

    def __ne__(self, other: Any) -> Expr:  # type: ignore[override]
        return apply("ne", self, other)

    __hash__ = object.__hash__

    def __bool__(self) -> NoReturn:
        raise FormulaError("a formula cannot branch on a symbol: use where(condition, a, b) instead of if")

    def __float__(self) -> NoReturn:
        raise FormulaError("a formula cannot turn a symbol into a number: use the functions of thalweg.formula")


def apply(op: str, *args: Any) -> Any:
    """The operation itself on numbers; a record of it when any argument is an `Expr`.

    Example:
        >>> apply("maximum", 1.0, 2.0)
        2.0
    """
    if not any(isinstance(a, Expr) for a in args):
        return NUMBERS[op](*args)
    recorded = tuple(_constant(op, a) if not isinstance(a, Expr) else a for a in args)
    return Expr(op, recorded, varies=any(a.varies for a in recorded))


def _constant(op: str, value: Any) -> Expr:
    if not isinstance(value, (int, float)):
        kind = type(value).__name__
        raise FormulaError(f"a formula works on numbers and symbols, but '{op}' got a {kind}: pass a number")
    return Expr("const", (float(value),))
