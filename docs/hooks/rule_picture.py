"""The picture of a rule: it descends two surfaces, beside plain gradient descent and the first of its family."""

from __future__ import annotations

import io
from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

from kept import digest, kept, sources
from rule_index import families

from thalweg.formula import Rule

if TYPE_CHECKING:
    from thalweg.draw.scene import Scene

SURFACES = ("ravine", "saddle")
BESIDE = {"After Adam": "adam", "Schedule-Free": "sgd"}  # what a family is compared to, if not its first rule
DRAWN_FROM = ("colours.py", "compile", "draw", "formula", "frameworks/numpy.py", "rules", "surfaces", "sweep")
VERSION = "2"  # of the layout here
SIZE, WIDTHS, DOTS_PER_INCH, COLOURS = (8.4, 4.1), (7.0, 4.6), 150, 96


def section(rule: Rule) -> Iterator[str]:
    """The picture on a rule's page."""
    others = " and ".join(beside(rule.name))
    alt = f"{rule.name} descends the {' and the '.join(SURFACES)}{f', beside {others}' if others else ''}"
    yield f"[![{alt}]({rule.name}.png)]({rule.name}.png)"
    command = f"thalweg draw {SURFACES[0]} --rules {','.join((*beside(rule.name), rule.name))}"
    yield from ("", f"`{command}` draws the first of these with the loss beside it;")
    yield "[the surfaces](../surfaces.md) say what each teaches."


def beside(name: str) -> list[str]:
    """The rules that are drawn below this one.

    Example:
        >>> beside("amsgrad"), beside("adam"), beside("sgd")
        (['sgd', 'adam'], ['sgd'], [])
    """
    family, members = next((title, names) for title, names in families().items() if name in names)
    return [other for other in dict.fromkeys(("sgd", BESIDE.get(family, members[0]))) if other != name]


def picture(name: str) -> bytes:
    """The picture, kept as long as nothing that it is drawn from changes."""
    key = digest(VERSION, name, *beside(name), sources(*DRAWN_FROM))
    return kept(f"{name}-{key}.png", partial(_drawn, (*beside(name), name)))


def _drawn(rules: tuple[str, ...]) -> bytes:
    from matplotlib.figure import Figure

    from thalweg.draw.rates import declared
    from thalweg.draw.save import style
    from thalweg.draw.scene import Contender, scene
    from thalweg.rules.setting import resolve
    from thalweg.surfaces import SURFACES as CATALOGUE

    with style():
        figure = Figure(figsize=SIZE, layout="constrained")
        for axes, name in zip(figure.subplots(1, 2, width_ratios=WIDTHS), SURFACES, strict=True):
            surface = CATALOGUE[name]
            _panel(axes, scene(surface, [Contender(r, declared(surface, resolve(r, {}))) for r in rules]))
        return _with_few_colours(figure)


def _panel(axes: Any, shown: Scene) -> None:
    """Trajectories on a surface, and below them which is whose."""
    from matplotlib.lines import Line2D

    from thalweg.draw.contours import ground, trajectories
    from thalweg.draw.labels import entry_of, round_step, title_of

    every = round_step(shown.steps)
    ground(axes, shown.surface, shown.window)
    trajectories(axes, shown, every)
    axes.set_anchor("NW")
    axes.set_title(f"{title_of(shown.surface.name)}: {shown.steps} steps, a dot every {every}", fontsize=10, loc="left")
    lines = [Line2D([], [], color=each.colour, ls=each.dash, lw=2) for each in shown.descents]
    entries = [entry_of(each) for each in shown.descents]
    place = {"loc": "upper left", "bbox_to_anchor": (-0.03, -0.19), "borderaxespad": 0}
    axes.legend(lines, entries, frameon=False, fontsize=9, **place)


def _with_few_colours(figure: Any) -> bytes:
    """The figure as a PNG with a palette, which takes a fifth of the room."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from PIL import Image

    canvas = FigureCanvasAgg(figure)
    figure.set_dpi(DOTS_PER_INCH)
    canvas.draw()
    image = Image.frombuffer("RGBA", canvas.get_width_height(), canvas.buffer_rgba()).convert("RGB")
    buffer = io.BytesIO()
    few = image.quantize(COLOURS, method=Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)
    few.save(buffer, format="png")
    return buffer.getvalue()
