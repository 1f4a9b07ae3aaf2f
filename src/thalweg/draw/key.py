"""What stands around a picture that moves: title, step, and the key to its lines, with what became of each."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from thalweg.draw.contours import INK, QUIET
from thalweg.draw.labels import entry_of, name_of
from thalweg.draw.page import CROWDED, MARGIN, SIZES, described, write
from thalweg.draw.scene import Descent, Scene
from thalweg.draw.strand import Counter, Remark

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from matplotlib.text import Text

WIDTH = 9.6  # of the picture, in inches
DOTS_PER_INCH = 100
LETTER = 0.54 / 72  # about the width of one of a size of one point, in inches
ROW = 0.21  # of the key, in inches
SAMPLE = 0.38  # length of a line's sample, in inches
WIDER = 0.06  # as a part of a text's width
NOTE = "#a02020"
TITLE, SMALLEST, LONG = 16.0, 9.0, 55  # sizes of the title in points, and the letters that fit at the first of them
HEAD = 0.95  # height of the title and what stands below it, in inches


def sheet(height: float) -> Figure:
    """An empty picture of a height in inches, of an even number of dots, as films want it."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDTH, 2 * round(height * DOTS_PER_INCH / 2) / DOTS_PER_INCH), dpi=DOTS_PER_INCH)
    FigureCanvasAgg(figure)
    return figure


def head(figure: Figure, scene: Scene) -> Counter:
    """Draw title and settings, and give the text that counts the steps."""
    title, tall = scene.title, figure.get_figheight()
    size = min(max(TITLE * LONG / len(title), SMALLEST), TITLE)
    _text(figure, MARGIN, tall - 0.38, title, INK, size, weight="bold")
    _text(figure, MARGIN, tall - 0.68, "; ".join(filter(None, (described(scene), scene.remark))), QUIET, 10.0)
    return Counter(_text(figure, WIDTH - MARGIN, tall - 0.38, "", INK, 11.0, ha="right"), scene.steps)


def key(figure: Figure, scene: Scene) -> list[Remark]:
    """Draw the key to the lines at the foot of a figure, in columns that are read downwards.

    Args:
        figure: Where to.
        scene: Whose lines.

    Returns:
        What became of descents, which an animation shows when it happens.
    """
    columns = _columns(scene)
    rows = -(-len(scene.descents) // columns)
    remarks = []
    for place, descent in enumerate(scene.descents):
        column, row = divmod(place, rows)
        left = MARGIN + (WIDTH - 2 * MARGIN) * column / columns
        remarks += _row(figure, descent, left, key_height(scene) - (row + 0.5) * ROW, _size(scene))
    return remarks


def key_height(scene: Scene) -> float:
    """How much room the key takes at the foot, in inches."""
    return 0.15 + ROW * -(-len(scene.descents) // _columns(scene))


def step_of(note: str) -> int:
    """The step that a note of a descent names.

    Example:
        >>> step_of("left the window at step 12")
        12
    """
    return int(re.findall(r"\d+", note)[-1])


def _columns(scene: Scene) -> int:
    """How many descents stand side by side: up to three, if there is room for the longest."""
    longest = (
        max((len(entry_of(descent)) for descent in scene.descents), default=1) * LETTER * _size(scene) + SAMPLE + 0.15
    )
    return max(1, min(3, int((WIDTH - 2 * MARGIN) / longest), len(scene.descents)))


def _size(scene: Scene) -> float:
    """Of the key's letters, in points."""
    return SIZES[len(scene.descents) > CROWDED]


def _row(figure: Figure, descent: Descent, x: float, y: float, size: float) -> list[Remark]:
    """Draw a line's sample, its name and its settings, and give what became of it."""
    from matplotlib.lines import Line2D

    tall, look = figure.get_figheight(), {"color": descent.colour, "linestyle": descent.dash, "linewidth": 2.2}
    figure.add_artist(Line2D([x / WIDTH, (x + SAMPLE) / WIDTH], [y / tall, y / tall], **look))
    x += SAMPLE + 0.08
    for text, colour in ((name_of(descent.contender), INK), (descent.contender.settings, QUIET)):
        x = _end(figure, _text(figure, x, y, text, colour, size)) + 0.08 if text else x
    if not descent.note:
        return []
    return [Remark(_text(figure, x + 0.02, y, descent.note, NOTE, size), step_of(descent.note))]


def _text(figure: Figure, x: float, y: float, text: str, colour: str, size: float, **look: str) -> Text:
    """Text whose middle stands at a place in inches."""
    return write(figure, x, y, text, size, colour, va="center_baseline", **look)


def _end(figure: Figure, text: Text) -> float:
    """Where a text ends, in inches; hinted for another resolution it may be a little wider."""
    box = text.get_window_extent()
    return (box.x1 + WIDER * box.width) / figure.dpi
