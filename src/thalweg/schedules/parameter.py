"""What a parameter of a schedule may be: a number in a range and, where it stands for a value, another schedule."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from numbers import Real
from typing import Any, Literal


@dataclass(frozen=True)
class Kind:
    """One kind of parameter.

    Attributes:
        expected: What may be given, in words that follow "must be".
        inside: Whether a finite number is one of this kind.
        convert: What is kept of such a number.
        schedules: Whether a schedule may be given too, and what the formula then gets: its value at the same step, or
            the schedule itself, to be asked at a step of the formula's choice.

    Example:
        >>> STEPS.number(1e3), STEPS.number(2.5), VALUE.number(float("nan"))
        (1000, None, None)
    """

    expected: str
    inside: Callable[[float], bool] = math.isfinite
    convert: Callable[[float], Any] = float
    schedules: Literal["refused", "evaluated", "handed over"] = "refused"

    def number(self, given: Any) -> Any | None:
        """What is kept of a number of this kind; None where it is not one."""
        if isinstance(given, bool) or not isinstance(given, Real):
            return None
        try:
            number = float(given)
        except OverflowError:
            return None
        return self.convert(number) if math.isfinite(number) and self.inside(number) else None


def _is_share(number: float) -> bool:
    return 0 <= number < 1


def _is_count(number: float) -> bool:
    return number.is_integer() and 0 < number < 2**53  # above it, whole numbers are no longer exact in float64


VALUE = Kind("a finite number or a schedule", schedules="evaluated")
MOMENTUM = Kind("a number below 1 and not below 0, or a schedule", _is_share, schedules="evaluated")
STEPS = Kind("a whole number of steps above 0", _is_count, int)
POSITIVE = Kind("a finite number above 0", lambda number: number > 0)
SHARE = Kind("a number below 1 and not below 0", _is_share)
