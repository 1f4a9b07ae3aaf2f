"""What stands around the axes of a still picture: title, settings, legend and the sentence below."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from thalweg.draw import rates
from thalweg.draw.contours import INK, QUIET
from thalweg.draw.scene import Descent, Scene

if TYPE_CHECKING:
    from matplotlib.figure import Figure

WIDTH = 12.0  # of every picture, in inches
MARGIN = 0.45
LINE = 0.19  # of a legend, in inches
SIZES, CROWDED = (9.0, 7.5), 24  # of a legend's letters, in points, and with more entries than these
LETTER = 0.58  # width of a letter, in parts of its size
SAMPLE = 0.42  # of a line in a legend, in inches


def figure(height: float) -> Figure:
    """An empty picture, as wide as all."""
    from matplotlib.figure import Figure

    return Figure(figsize=(WIDTH, height))


def place(fig: Any, left: float, bottom: float, width: float, height: float, **axes: Any) -> Any:
    """Axes at a place in inches, from the lower left corner."""
    wide, tall = fig.get_size_inches()
    return fig.add_axes((left / wide, bottom / tall, width / wide, height / tall), **axes)


def write(fig: Any, x: float, y: float, text: str, size: float = 10, colour: str = INK, **more: Any) -> Any:
    """Text at a place in inches; a dollar sign is a dollar sign."""
    wide, tall = fig.get_size_inches()
    return fig.text(x / wide, y / tall, text, fontsize=size, color=colour, parse_math=False, **more)


def head(fig: Any, scene: Scene, *said: str) -> None:
    """Title and settings at the top."""
    _, tall = fig.get_size_inches()
    title = textwrap.shorten(scene.title, 90, placeholder=" ...")
    write(fig, MARGIN, tall - 0.46, title, 17, weight="bold")
    write(fig, MARGIN, tall - 0.74, "; ".join(filter(None, said)), 10, QUIET)


def described(scene: Scene) -> str:
    """The settings that all runs share."""
    return f"{counted(scene)} from ({scene.start[0]:g}, {scene.start[1]:g}){noise(scene)}"


def counted(scene: Scene) -> str:
    """How many steps there are."""
    return "1 step" if scene.steps == 1 else f"{scene.steps} steps"


def noise(scene: Scene) -> str:
    """What noise there is in gradients, to be written behind other settings."""
    return f"; noise {scene.surface.noise:g} in gradients, seed {scene.surface.seed}" if scene.surface.noise else ""


def foot(fig: Any, scene: Scene, elsewhere: bool = False) -> None:
    """What the surface teaches, below everything."""
    text = "\n".join(balanced(taught(scene, elsewhere)))
    write(fig, MARGIN, 0.2, text, 10, linespacing=1.35, va="bottom")


def foot_height(scene: Scene, elsewhere: bool = False) -> float:
    """How much room that takes, in inches."""
    return 0.2 + 0.19 * len(balanced(taught(scene, elsewhere)))


def taught(scene: Scene, elsewhere: bool = False) -> str:
    """What the surface teaches; on a picture of other settings than its own, with the word that it is said of these.

    Args:
        scene: What is shown.
        elsewhere: Whether the picture shows runs from other starts, or at other rates, than the scene.
    """
    surface, settings = scene.surface, [d.contender.setting for d in scene.descents]
    own = not elsewhere and scene.start == surface.starts[0] and scene.steps == surface.steps and not surface.noise
    if own and all(rates.declared(surface, each).hyper.get("lr") == each.hyper.get("lr") for each in settings):
        return surface.teaches
    return f"At the surface's own start, rates and steps: {surface.teaches}" if surface.teaches else ""


def balanced(text: str, most: int = 145) -> list[str]:
    """A text in as few lines of at most so many letters as it needs, about equally long.

    Example:
        >>> balanced("one two three four five", most=20)
        ['one two three', 'four five']
    """
    count = len(textwrap.wrap(text, most))
    widths = range(len(text) // max(count, 1) + 1, most)
    return next((lines for width in widths if len(lines := textwrap.wrap(text, width)) <= count), [text])


def legend(fig: Any, bottom: float, descents: Sequence[Descent], entries: Sequence[str]) -> None:
    """Lines and what they are, in columns, read downwards; as many columns as there is room for."""
    from matplotlib.lines import Line2D

    wide, tall = fig.get_size_inches()
    size, rows = SIZES[len(entries) > CROWDED], rows_of(entries)
    columns = -(-len(entries) // rows)
    for number, (descent, entry) in enumerate(zip(descents, entries, strict=True)):
        column, row = divmod(number, rows)
        x = MARGIN + column * (WIDTH - 2 * MARGIN) / columns
        y = bottom + (rows - row - 0.5) * LINE
        ends = [x / wide, (x + SAMPLE) / wide], [y / tall, y / tall]
        fig.add_artist(Line2D(*ends, color=descent.colour, ls=descent.dash, lw=2, transform=fig.transFigure))
        write(fig, x + SAMPLE + 0.08, y, entry, size, va="center_baseline")


def rows_of(entries: Sequence[str]) -> int:
    """How many rows the entries of a legend fill, in as many columns as there is room for."""
    longest = max(map(len, entries)) * SIZES[len(entries) > CROWDED] * LETTER / 72 + SAMPLE + 0.3
    columns = max(1, int((WIDTH - 2 * MARGIN) / longest))
    return -(-len(entries) // columns)
