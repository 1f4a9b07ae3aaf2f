"""Half a wave of the cosine: the smooth way from one value to another that `cosine` and `one_cycle` share."""

from math import pi
from typing import Any

from thalweg.formula import cos


def half_wave(start: Any, end: Any, progress: Any) -> Any:
    """From `start` at progress 0 to `end` at progress 1, level at both.

    Example:
        >>> half_wave(1.0, 0.0, 0.5)
        0.5
    """
    return end + (start - end) * (1 + cos(pi * progress)) / 2
