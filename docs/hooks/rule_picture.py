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
VERSION = "3"  # of the layout here
LEFT, RIGHT, TOP, HEIGHT, AXIS, ROW, GAP = 0.5, 0.1, 0.3, 3.0, 0.55, 0.23, 0.6  # inches
DOTS_PER_INCH, COLOURS = 150, 96


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

    scenes = [
        scene(CATALOGUE[name], [Contender(r, declared(CATALOGUE[name], resolve(r, {}))) for r in rules])
        for name in SURFACES
    ]
    tall = TOP + HEIGHT + AXIS + ROW * len(rules)
    with style():
        figure = Figure(figsize=(LEFT + sum(map(_width, scenes)) + GAP + RIGHT, tall))
        left = LEFT
        for shown in scenes:
            _panel(figure, shown, left)
            left += _width(shown) + GAP
        _key(figure, scenes)
        return _with_few_colours(figure)


def _width(shown: Scene) -> float:
    """Of a panel, in inches, so that both are equally high."""
    (left, right), (low, high) = shown.window
    return HEIGHT * (right - left) / (high - low)


def _panel(figure: Any, shown: Scene, left: float) -> None:
    """Trajectories on a surface."""
    from thalweg.draw.contours import ground, trajectories
    from thalweg.draw.labels import round_step

    wide, tall = figure.get_size_inches()
    below = tall - TOP - HEIGHT
    axes = figure.add_axes((left / wide, below / tall, _width(shown) / wide, HEIGHT / tall))
    every = round_step(shown.steps)
    ground(axes, shown.surface, shown.window)
    trajectories(axes, shown, every)
    axes.set_title(f"{shown.title}: {shown.steps} steps, a dot every {every}", fontsize=10, loc="left")


def _key(figure: Any, scenes: list[Scene]) -> None:
    """Which line is whose, and what it ran with on either surface."""
    from matplotlib.lines import Line2D

    from thalweg.draw.labels import entry_of

    wide, tall = figure.get_size_inches()
    for row, runs in enumerate(zip(*(shown.descents for shown in scenes), strict=True)):
        height = (tall - TOP - HEIGHT - AXIS - ROW * (row + 0.2)) / tall
        ends = [LEFT / wide, (LEFT + 0.35) / wide]
        figure.add_artist(Line2D(ends, [height] * 2, color=runs[0].colour, ls=runs[0].dash, lw=2))
        told = [
            f"{shown.surface.name}: {entry_of(run).partition('  ')[2]}" for shown, run in zip(scenes, runs, strict=True)
        ]
        text = f"{runs[0].contender.label}    {'    '.join(told)}"
        figure.text((LEFT + 0.45) / wide, height, text, va="center", fontsize=9)


def _with_few_colours(figure: Any) -> bytes:
    """The figure as a PNG with a palette, which takes a fifth of the room."""
    import numpy as np
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from PIL import Image

    canvas = FigureCanvasAgg(figure)
    figure.set_dpi(DOTS_PER_INCH)
    canvas.draw()
    image = Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")
    buffer = io.BytesIO()
    few = image.quantize(COLOURS, method=Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)
    few.save(buffer, format="png")
    return buffer.getvalue()
