"""The views that a picture may take, and what draws each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Literal

from thalweg.draw import save
from thalweg.draw.scene import Scene
from thalweg.draw.steps import Column, steps

if TYPE_CHECKING:
    from matplotlib.figure import Figure

View = Literal["path", "steps", "relief", "basins", "rates"]
VIEWS: tuple[View, ...] = ("path", "steps", "relief", "basins", "rates")
MOVING: tuple[View, ...] = ("path", "relief")


def still(view: View, columns: Sequence[Column], ending: str) -> bytes:
    """A picture as the bytes of a file.

    Args:
        view: What it shows.
        columns: The descents; only `steps` shows more than the first.
        ending: Of the file: `.png` or `.svg`.
    """
    with save.style():
        figure = steps(columns) if view == "steps" else _painter(view)(columns[0].scene)
        return save.encoded(figure, ending)


def _painter(view: View) -> Callable[[Scene], Figure]:
    """What draws a view; imported only when it is wanted."""
    if view == "relief":
        from thalweg.draw.relief import relief

        return relief
    if view in ("basins", "rates"):
        from thalweg.draw.basin_map import basin_map
        from thalweg.draw.rate_map import rate_map

        return basin_map if view == "basins" else rate_map
    from thalweg.draw.path import path

    return path
