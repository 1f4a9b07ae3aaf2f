"""The page of the surfaces, made from the surfaces."""

from __future__ import annotations

import inspect
import textwrap
from collections.abc import Iterator

from thalweg.compile.field import trace_surface
from thalweg.compile.latex import source
from thalweg.formula.surface import Point, Surface
from thalweg.surfaces import SURFACES

HEAD = """# The surfaces

Functions of the plane to descend: `thalweg draw NAME` draws them, `thalweg.minimize` and the playground descend them.
Each is one short text in the [formula language](reference/formula.md); its gradient is a reverse pass over its program.
"""


def page() -> str:
    """The whole page."""
    return "\n".join([HEAD, *(line for each in SURFACES.values() for line in _section(each))])


def _section(surface: Surface) -> Iterator[str]:
    text = inspect.getdoc(inspect.getmodule(surface.formula)) or ""
    yield from (f"## {surface.name}", "", text.partition("\n")[0], "", surface.teaches, "")
    yield f'```draw title="The classic rules descend {surface.name}: their ways over contours, and the loss"'
    yield from (f"thalweg draw {surface.name} -o surfaces/{surface.name}.png", "```", "")
    yield from ("$$", source(trace_surface(surface)), "$$", "")
    yield from ("```python", textwrap.dedent(inspect.getsource(surface.formula)).rstrip(), "```", "")
    (left, right), (low, high) = surface.window
    minima = " and ".join(map(_point, surface.minima)) or "none"
    yield f"Minima: {minima}. Window: x from {left:g} to {right:g}, y from {low:g} to {high:g}."
    starts = " and ".join(map(_point, surface.starts))
    yield f"Starts: {starts}. Source: {surface.source}."
    yield ""


def _point(point: Point) -> str:
    return f"({point[0]:g}, {point[1]:g})"
