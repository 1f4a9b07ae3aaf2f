"""The functions that a formula may use besides `+ - * / **` and comparisons.

Each has one meaning in every backend. The body of a rule may use `sqrt` to `where`, which the floating-point standard
rounds correctly; `exp`, `log`, `sin` and `cos` are for surfaces and for what is computed once per step.
"""

from typing import Any

from thalweg.formula.expr import apply


def sqrt(a: Any) -> Any:
    """The square root; NaN below zero.

    Example:
        >>> sqrt(4.0)
        2.0
    """
    return apply("sqrt", a)


def absolute(a: Any) -> Any:
    """The absolute value.

    Example:
        >>> absolute(-2.0)
        2.0
    """
    return apply("abs", a)


def sign(a: Any) -> Any:
    """1 above zero, -1 below it, 0 at either zero, NaN at NaN.

    Example:
        >>> sign(-3.0), sign(-0.0)
        (-1.0, 0.0)
    """
    return apply("sign", a)


def maximum(a: Any, b: Any) -> Any:
    """`where(a > b, a, where(a == a, b, a))`: a NaN on either side is kept, and of equal values the second one.

    Example:
        >>> maximum(1.0, 2.0), maximum(float("nan"), 1.0)
        (2.0, nan)
    """
    return apply("maximum", a, b)


def minimum(a: Any, b: Any) -> Any:
    """`where(a < b, a, where(a == a, b, a))`: a NaN on either side is kept, and of equal values the second one.

    Example:
        >>> minimum(1.0, 2.0), minimum(1.0, float("nan"))
        (1.0, nan)
    """
    return apply("minimum", a, b)


def where(condition: Any, a: Any, b: Any) -> Any:
    """`a` where the condition holds, `b` elsewhere: the only branch of the language.

    Example:
        >>> where(1.0 > 2.0, 10.0, 20.0)
        20.0
    """
    return apply("where", condition, a, b)


def exp(a: Any) -> Any:
    """The exponential function.

    Example:
        >>> exp(0.0)
        1.0
    """
    return apply("exp", a)


def log(a: Any) -> Any:
    """The natural logarithm; minus infinity at zero, NaN below.

    Example:
        >>> log(1.0), log(0.0)
        (0.0, -inf)
    """
    return apply("log", a)


def sin(a: Any) -> Any:
    """The sine of an angle in radians.

    Example:
        >>> sin(0.0)
        0.0
    """
    return apply("sin", a)


def cos(a: Any) -> Any:
    """The cosine of an angle in radians.

    Example:
        >>> cos(0.0)
        1.0
    """
    return apply("cos", a)
