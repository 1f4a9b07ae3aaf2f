"""What every operation means on plain Python numbers: IEEE 754 arithmetic, which never raises."""

import math
import operator
from collections.abc import Callable


def divide(a: float, b: float) -> float:
    """IEEE division: a zero divisor gives an infinity or NaN where Python would raise.

    Example:
        >>> divide(1.0, -0.0), divide(0.0, 0.0)
        (-inf, nan)
    """
    if b != 0:
        return a / b
    if a == 0 or a != a or b != b:
        return math.nan
    return math.copysign(math.inf, a) * math.copysign(1.0, b)


def power(a: float, b: float) -> float:
    """C's pow: NaN for a negative base with a fractional exponent, an infinity on overflow.

    Example:
        >>> power(0.5, 2), power(-1.0, 0.5), power(10.0, 400), power(0.0, -1.0)
        (0.25, nan, inf, inf)
    """
    try:
        return math.pow(a, b)
    except OverflowError:
        return -math.inf if a < 0 and b % 2 == 1 else math.inf
    except ValueError:
        return math.nan if a != 0 else math.inf


def _total(function: Callable[[float], float], overflow: float = math.nan) -> Callable[[float], float]:
    """`function` with NaN (or `overflow`) where Python's math module raises."""

    def computed(a: float) -> float:
        try:
            return function(a)
        except OverflowError:
            return overflow
        except ValueError:
            return math.nan

    return computed


def _log(a: float) -> float:
    return -math.inf if a == 0 else math.log(a)


def _sign(a: float) -> float:
    return 1.0 if a > 0 else -1.0 if a < 0 else 0.0 if a == a else a


def _maximum(a: float, b: float) -> float:
    return a if a > b else (b if a == a else a)


def _minimum(a: float, b: float) -> float:
    return a if a < b else (b if a == a else a)


NUMBERS: dict[str, Callable] = {
    "add": operator.add,
    "sub": operator.sub,
    "mul": operator.mul,
    "div": divide,
    "pow": power,
    "neg": operator.neg,
    "gt": operator.gt,
    "lt": operator.lt,
    "ge": operator.ge,
    "le": operator.le,
    "eq": operator.eq,
    "ne": operator.ne,
    "sqrt": _total(math.sqrt),
    "exp": _total(math.exp, overflow=math.inf),
    "log": _total(_log),
    "sin": _total(math.sin),
    "cos": _total(math.cos),
    "abs": abs,
    "sign": _sign,
    "maximum": _maximum,
    "minimum": _minimum,
    "where": lambda condition, a, b: a if condition else b,
}
