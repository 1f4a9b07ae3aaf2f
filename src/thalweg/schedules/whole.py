"""The whole part of a number, in the formula language."""

from typing import Any

from thalweg.formula import where

BITS = 31


def whole(a: Any) -> Any:
    """The largest whole number not above `a`, for `a` from 0 to 2**31; exact in float32 and in float64.

    The language has no floor. This one compares with one binary digit after the other, and it runs once per step.

    Example:
        >>> whole(2.75), whole(3.0)
        (2.0, 3.0)
    """
    found = 0.0
    for bit in reversed(range(BITS)):
        raised = found + 2.0**bit
        found = where(a >= raised, raised, found)
    return found
