"""The map of basins: where each start ends up."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any

import numpy as np

from thalweg.draw import page
from thalweg.draw.basins import GONE, NOWHERE, SIDES, STARTS, Goals, basins, goals_of, middles
from thalweg.draw.contours import INK, QUIET, frame, heights, levels
from thalweg.draw.labels import name_of
from thalweg.draw.scene import Contender, Scene, values_along

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Tol's light colours, which colour-blind readers tell apart and on which black letters can be read.
TINTS = ("#77aadd", "#ee8866", "#eedd88", "#ffaabb", "#99ddff", "#44bb99", "#bbcc33", "#aaaa00")
IDLE, LOST = "#e6e6e6", "#8a8a8a"
COLUMNS = 4  # of panels
GAP, TITLE, KEY = 0.3, 1.0, 0.7  # between panels, above each for its words, and around the key, in inches
LINE, LETTER = 0.15, 0.1  # height of a line of settings, and width of a letter of a name, in inches
WAYS = {"left": "to the left", "right": "to the right", "below": "below", "above": "above"}
SCALE = "viridis_r"  # for heights, of many minima: the lowest are dark


def basin_map(scene: Scene) -> Figure:
    """Where each start ends up: a panel for every contender, coloured by the minimum that the start leads to.

    Starts that have come near no minimum are pale, those that left the window or diverged are hatched. Where a surface
    has more minima than colours their heights are coloured; where it has none, the side over which runs leave.

    Args:
        scene: What to show; of its descents only who runs, and for how many steps.
    """
    goals = goals_of(scene.surface, scene.window)
    columns = min(COLUMNS, max(len(scene.descents), 1))
    rows = -(-len(scene.descents) // columns)
    wide = min((page.WIDTH - 2 * page.MARGIN - 0.3 - (columns - 1) * GAP) / columns, 5.0)
    foot = page.foot_height(scene, elsewhere=True) + _key_height(scene, goals) + KEY
    title = TITLE + LINE * (max((len(_settings(d.contender, wide)) for d in scene.descents), default=1) - 1)
    figure = page.figure(foot + rows * (wide + title) + 1.0)
    top = figure.get_figheight() - 0.75
    for place, descent in enumerate(scene.descents):
        row, column = divmod(place, columns)
        left, bottom = page.MARGIN + 0.3 + column * (wide + GAP), top - (row + 1) * (wide + title)
        axes = page.place(figure, left, bottom, wide, wide)
        codes = basins(descent.contender.setting, scene.surface, goals, scene.steps, STARTS)
        _panel(axes, scene, goals, codes)
        axes.tick_params(labelleft=column == 0, labelsize=8)
        _words(figure, descent.contender, left, bottom + wide, wide, shares(codes, goals))
    _key(figure, scene, goals, foot - 0.47)
    said = f"where {STARTS} × {STARTS} starts are after {page.counted(scene)}{page.noise(scene)}"
    page.head(figure, scene, said, scene.remark)
    page.foot(figure, scene, elsewhere=True)
    return figure


def shares(codes: np.ndarray, goals: Goals) -> str:
    """How many of the starts lead where, as text.

    Example:
        >>> shares(np.array([0, 0, 1, NOWHERE]), Goals(((-1, 1), (-1, 1)), np.zeros((2, 2)), 0.03))
        'A 50, B 25, nowhere 25 %'
    """
    if len(goals.minima) > len(TINTS):
        parts = [("the lowest", codes == 0), ("others", codes > 0)]
    else:
        parts = [(name, codes == number) for number, name in enumerate(_names(goals))]
    parts += [("nowhere" if len(goals.minima) else "inside", codes == NOWHERE), ("gone", codes == GONE)]
    return ", ".join(f"{name} {_percent(float(found.mean()))}" for name, found in parts if found.any()) + " %"


def _percent(part: float) -> str:
    return f"{100 * part:.0f}" if 0.005 <= part <= 0.995 or part == 1 else ("< 1" if part < 0.5 else "> 99")


def _names(goals: Goals) -> list[str]:
    return [chr(ord("A") + number) for number in range(len(goals.minima))] or list(SIDES)


def _panel(axes: Any, scene: Scene, goals: Goals, codes: np.ndarray) -> None:
    """The map of one contender, under faint contours."""
    from matplotlib.patheffects import withStroke

    extent = (*scene.window[0], *scene.window[1])
    axes.imshow(_coloured(codes, goals, scene), origin="lower", extent=extent, interpolation="nearest", aspect="auto")
    if (codes == GONE).any():
        hatched = {"levels": [0.5, 1.5], "colors": "none", "hatches": ["////"]}
        axes.contourf(*middles(scene.window, STARTS), (codes == GONE).astype(float), **hatched)
    x, y, values = heights(scene.surface, scene.window, 161)
    axes.contour(x, y, values, levels=levels(values), colors="#333333", linewidths=0.4, alpha=0.35)
    many = len(goals.minima) > len(TINTS)
    for name, point in zip(_names(goals), goals.minima[: 1 if many else None], strict=False):
        axes.plot(*point, "*", markersize=11, color="white", markeredgecolor=INK, markeredgewidth=0.9)
        if not many:
            (left, right), (front, back) = scene.window
            beside = -13 if point[0] > right - 0.1 * (right - left) else 6
            over = -13 if point[1] > back - 0.1 * (back - front) else 5
            look = {"size": 9, "weight": "bold", "color": INK}
            halo = [withStroke(linewidth=2.5, foreground="white")]
            axes.annotate(name, point, (beside, over), textcoords="offset points", path_effects=halo, **look)
    frame(axes, scene.window)
    axes.set(xlabel="", ylabel="", aspect="auto")


def _coloured(codes: np.ndarray, goals: Goals, scene: Scene) -> np.ndarray:
    """The colour of every start, `(rows, columns, 3)`."""
    from matplotlib import colormaps
    from matplotlib.colors import to_rgb

    if len(goals.minima) > len(TINTS):
        lows = values_along(scene.surface, goals.minima)
        palette = colormaps[SCALE](1 - (lows - lows.min()) / np.ptp(lows))[:, :3]
    else:
        palette = np.array([to_rgb(tint) for tint in TINTS])
    return np.concatenate([palette, [to_rgb(LOST), to_rgb(IDLE)]])[codes]  # the last two are GONE and NOWHERE


def _words(figure: Any, contender: Contender, left: float, top: float, wide: float, said: str) -> None:
    """What stands above a panel: who, with which settings, and which share of the starts leads where."""
    settings, name = _settings(contender, wide), name_of(contender)
    for line, text in enumerate(reversed(settings)):
        page.write(figure, left, top + 0.40 + LINE * line, text, 8.5, QUIET)
    size = min(10.5, 10.5 * wide / (LETTER * len(name)))
    page.write(figure, left, top + 0.42 + LINE * len(settings), name, size, weight="bold")
    bound = said.replace(" %", "\u00a0%").replace("< ", "<\u00a0")
    for line, text in enumerate(reversed(textwrap.wrap(bound, int(wide / 0.062)))):
        page.write(figure, left, top + 0.08 + 0.15 * line, text, 8.5)


def _settings(contender: Contender, wide: float) -> list[str]:
    return textwrap.wrap(contender.settings, int(wide / 0.068))


def _key(figure: Any, scene: Scene, goals: Goals, top: float) -> None:
    """What the colours mean, below all panels."""
    from matplotlib.patches import Rectangle

    wide, tall = figure.get_size_inches()
    for x, y, (colour, text) in _placed(_entries(scene, goals), _scale_width(goals)):
        corner, size = ((page.MARGIN + x) / wide, (top - y - 0.03) / tall), (0.2 / wide, 0.15 / tall)
        hatch = "////" if colour == LOST else None
        figure.add_artist(Rectangle(corner, *size, facecolor=colour, edgecolor=INK, linewidth=0.5, hatch=hatch))
        page.write(figure, page.MARGIN + x + 0.27, top - y, text, 9)
    if _scale_width(goals):
        _scale(figure, scene, goals, page.MARGIN, top)
    if len(goals.minima):
        said = f"A run counts as near a minimum within {100 * goals.near:.2g} % of the window. Stars: minima."
    else:
        said = "The surface has no minimum in the window: colours say over which side runs leave it."
    page.write(figure, page.MARGIN, top - _key_height(scene, goals), said, 9, QUIET)


def _key_height(scene: Scene, goals: Goals) -> float:
    """How far below its first row the key ends, in inches."""
    return _placed(_entries(scene, goals), _scale_width(goals))[-1][1] + 0.36


def _entries(scene: Scene, goals: Goals) -> list[tuple[str, str]]:
    """Colours and what they mean."""
    idle = (IDLE, "near no minimum yet" if len(goals.minima) else "still inside the window")
    lost = (LOST, "left the window or has no value" if len(goals.minima) else "diverged or has no value")
    if len(goals.minima) > len(TINTS):
        return [idle, lost]
    lows = values_along(scene.surface, goals.minima)
    texts = [
        f"{name}: ({_short(point[0])}, {_short(point[1])}), f = {_short(low)}"
        for name, point, low in zip(_names(goals), goals.minima, lows, strict=False)
    ]
    return [*zip(TINTS, texts or [f"leaves {WAYS[side]}" for side in SIDES], strict=False), idle, lost]


def _placed(entries: list[tuple[str, str]], x: float) -> list[tuple[float, float, tuple[str, str]]]:
    """The entries with their places, from the left and from the top, in inches: as many in a row as fit."""
    y, found = 0.0, []
    for colour, text in entries:
        size = 0.27 + 0.068 * len(text)
        if x + size > page.WIDTH - 2 * page.MARGIN:
            x, y = 0.0, y + 0.24
        found.append((x, y, (colour, text)))
        x += size + 0.25
    return found


def _scale_width(goals: Goals) -> float:
    """How much room the scale of heights takes; none is needed where each minimum has a colour of its own."""
    return 5.0 if len(goals.minima) > len(TINTS) else 0.0


def _scale(figure: Any, scene: Scene, goals: Goals, x: float, y: float) -> None:
    """The colours of heights."""
    lows = values_along(scene.surface, goals.minima)
    axes = page.place(figure, x, y - 0.03, 2.4, 0.15)
    axes.imshow(np.linspace(1, 0, 256)[None], cmap=SCALE, extent=(lows.min(), lows.max(), 0, 1), aspect="auto")
    axes.set(yticks=[])
    axes.tick_params(labelsize=8, length=2, pad=2)
    page.write(figure, x + 2.5, y, f"height of the minimum ({len(lows)} found)", 9)


def _short(number: float) -> str:
    """A number in three digits; what is zero but for rounding as 0."""
    return f"{number if abs(number) > 1e-9 else 0.0:.3g}"
