"""Numbers along axes that do not collide: of steps, however many, and of coordinates, however large or near."""

from __future__ import annotations

import math
from typing import Any

GRID = "#e4e4e4"
MANY = 10_000  # steps: their numbers are long
USUAL = (1e-3, 1e5)  # sizes that matplotlib writes out
FEW = 4  # long numbers stand along an axis


def along_steps(axes: Any, steps: int) -> None:
    """Number the steps along the horizontal axis, and draw a grid."""
    from matplotlib.ticker import MaxNLocator

    axes.set_xlim(0, steps)
    axes.xaxis.set_major_locator(MaxNLocator(5 if steps < MANY else 2, integer=True, steps=[1, 2, 5, 10]))
    axes.grid(color=GRID, lw=0.7)
    axes.set_axisbelow(True)


def written_out(axis: Any, low: float, high: float) -> None:
    """Write every number along a linear axis in full, where matplotlib would put a common factor at its end.

    Args:
        axis: The axis.
        low: Where it begins.
        high: Where it ends.
    """
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    size = max(abs(low), abs(high))
    if USUAL[0] <= size < USUAL[1] and size < 1e3 * (high - low):
        return
    digits = max(3, math.ceil(math.log10(size / (high - low))) + 2)
    axis.set_major_locator(MaxNLocator(FEW))
    axis.set_major_formatter(FuncFormatter(lambda number, _: f"{number:.{digits}g}".replace("-", "−")))
