"""Charts of what was watched: alarms on a time line, a figure of every row, a figure of the layers of one row."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from thalweg.report import words
from thalweg.report.alarms import Said
from thalweg.report.rows import Shown
from thalweg.report.style import DASHES, GRID, INK, PADDING, scale_of, styled, to_svg
from thalweg.watch.figure import FIGURES, Figure

if TYPE_CHECKING:
    import altair

LOSS = Figure("loss", "training loss", "Mean loss of the batches since the measurement before.", "log")
FIRST = ("loss", "update_ratio", "effective_lr", "gradient_norm", "oscillation", "epsilon_share")  # these say most
_RAMP = ((0x3B, 0x7D, 0xD8), (0x2F, 0xA3, 0x9A), (0xB5, 0x8F, 0x1C), (0xD1, 0x55, 0x2B), (0xA1, 0x3C, 0x86))
_BY_DEFAULT = ([4, 3], [1, 3])
_WIDTH, _HEIGHT, _LANE = 250, 150, 40
_LONG = 340  # pixels of the time line
_FEW = 12  # measurements, up to which every one is marked
_BOUNDS = {"share": [0, 1], "cosine": [-1, 1]}
_MARK = re.compile(r'<path aria-label="(\d+)\|([^"]*)" role="[^"]*" aria-roledescription="[^"]*"([^>]*?)/>')
# What a picture is drawn without: half of its text.
_IDLE = re.compile(
    r'<path class="(?:back|fore)ground"[^>]*/>|<g></g>| (?:class="mark-[^"]*"|pointer-events="none"|aria-hidden="true"|'
    r'role="graphics-object"|aria-roledescription="[^"]*"|opacity="1")'
)
_PLACES = re.compile(r'(?<= )(?:d|transform)="[^"]*"')


@dataclass(frozen=True)
class Line:
    """One line of a chart.

    Attributes:
        place: Which entry of the legend it is.
        name: Of that entry.
        colour: The line's.
        dash: The line's.
        steps: Where it was measured.
        numbers: What was measured there; None leaves a gap.
    """

    place: int
    name: str
    colour: str
    dash: Sequence[int]
    steps: Sequence[int] = ()
    numbers: Sequence[float | None] = ()


def figure_of(name: str) -> Figure:
    """A figure by its name; of one that another version knew, at least the name."""
    return next((figure for figure in (LOSS, *FIGURES) if figure.name == name), Figure(name, name, "", "linear"))


def row_lines(rows: Sequence[Shown], figure: str) -> list[Line]:
    """A line for every row that was watched: the figure of all its layers together."""
    both = any(one.tuned for one in rows)
    found = []
    for place, one in enumerate(rows):
        watched = one.row.watched
        dash = (DASHES if one.tuned or not both else _BY_DEFAULT)[one.turn % (2 if both else len(DASHES))]
        if watched is not None:
            numbers = watched.loss if figure == LOSS.name else watched.figures.get(figure, ())
            found.append(Line(place, one.short_name, one.colour, dash, watched.steps, numbers))
    return found


def layer_lines(one: Shown, figure: str) -> list[Line]:
    """A line for every layer of a row that is shown: those of one module share a colour, and differ in their dashes."""
    if one.row.watched is None:
        return []
    layers = one.row.watched.layers
    modules = [name.rpartition(".")[0] or name for name in layers]
    modules = list(layers) if len(set(modules)) == 1 else modules
    order = list(dict.fromkeys(modules))
    found = []
    for place, (name, known) in enumerate(layers.items()):
        dash = DASHES[modules[:place].count(modules[place]) % len(DASHES)]
        colour = _between(order.index(modules[place]) / max(1, len(order) - 1))
        line = Line(place, words.plain(name), colour, dash, one.row.watched.steps, known.get(figure, ()))
        found.append(line)
    return found


def _between(share: float) -> str:
    """A colour of the ramp from the first layer to the last, which is readable on white paper and on dark."""
    place = share * (len(_RAMP) - 1)
    low = min(int(place), len(_RAMP) - 2)
    mixed = (round(a + (b - a) * (place - low)) for a, b in zip(_RAMP[low], _RAMP[low + 1], strict=True))
    return "#" + "".join(f"{channel:02x}" for channel in mixed)


def is_flat(lines: Sequence[Line]) -> bool:
    """Whether a figure says nothing: it was zero wherever it was measured, or never measured."""
    return all(number in (0, None) for line in lines for number in line.numbers)


def panel(figure: Figure, lines: Sequence[Line]) -> altair.LayerChart:
    """A figure by step, one line each, not yet styled."""
    import altair

    logarithmic = figure.scale == "log"
    points = [
        {"line": str(line.place), "step": step, "value": number, "is": f"{line.place}|{line.name}"}
        for line in lines
        for step, number in zip(line.steps, line.numbers, strict=False)
        if number is not None and (number > 0 or not logarithmic)
    ]
    scale, ticks = scale_of([point["value"] for point in points], logarithmic)
    bounds: dict[str, Any] = {"domain": _BOUNDS[figure.scale]} if figure.scale in _BOUNDS else {}
    bounds |= {} if points else {"domain": [0, 1]}  # an axis without data has no ends of its own
    y = altair.Y(
        "value:Q",
        scale=altair.Scale(nice=False, padding=PADDING, **scale, **bounds),
        axis=altair.Axis(title=None, **{**ticks, **({} if logarithmic else {"tickCount": 4})}),
    )
    names = [str(line.place) for line in lines]
    colour = altair.Color("line:N", legend=None).scale(domain=names, range=[line.colour for line in lines])
    dash = altair.StrokeDash("line:N", legend=None).scale(domain=names, range=[list(line.dash) for line in lines])
    base = altair.Chart(altair.InlineData(values=points)).encode(x=_steps(lines), y=y, color=colour, description="is:N")
    layers = [base.mark_line(strokeWidth=2, aria=True).encode(strokeDash=dash)]
    if max((len(line.steps) for line in lines), default=0) <= _FEW:
        layers.append(base.mark_point(filled=True, opacity=1, size=22, aria=True))
    return altair.LayerChart(layer=layers, width=_WIDTH, height=_HEIGHT)


def _steps(lines: Sequence[Line]) -> altair.X:
    import altair

    last = max((step for line in lines for step in line.steps), default=1)
    axis = altair.Axis(title="step", format="~s" if last >= 10_000 else "d", grid=False, tickCount=4, labelFlush=False)
    return altair.X("step:Q", axis=axis, scale=altair.Scale(domain=[0, last], nice=False))


def time_line(found: Sequence[Said], last: int) -> altair.LayerChart:
    """A lane for every row and kind of alarm, with a mark where each seed was alarmed first.

    Args:
        found: The alarms.
        last: The last step of the longest run.
    """
    import altair

    lanes = [
        {"lane": str(place), "says": f"{one.one.short_name}: {one.title}", "from": 0, "to": last}
        for place, one in enumerate(found)
    ]
    marks = [
        {
            "lane": str(place),
            "step": step,
            "is": f"{place}|{one.one.name}, step {step}: {one.words}",
            "of": one.one.colour,
        }
        for place, one in enumerate(found)
        for step in one.steps
    ]
    domain = altair.Scale(domain=[lane["lane"] for lane in lanes])
    y = altair.Y("lane:N", scale=domain, axis=None, sort=None)
    x = _steps([Line(0, "", "", (), [last])])
    under = altair.Chart(altair.InlineData(values=lanes)).encode(y=y)
    names = under.mark_text(align="left", dy=-13, fontSize=12, color=INK, limit=_LONG).encode(
        x=altair.value(0), text="says:N"
    )
    drawn = [
        under.mark_rule(color=GRID, strokeWidth=2).encode(x=altair.X("from:Q"), x2="to:Q"),
        names,
        altair.Chart(altair.InlineData(values=marks))
        .mark_point(filled=True, size=90, opacity=1, shape="triangle-up", aria=True)
        .encode(x=x, y=y, color=altair.Color("of:N", scale=None), description="is:N"),
    ]
    return altair.LayerChart(layer=drawn, width=_LONG, height=_LANE * max(1, len(lanes)))


def drawing(chart: altair.LayerChart) -> str:
    """A chart as SVG in which every mark says what it is when it is pointed at, and has the class of its line."""
    drawn = _IDLE.sub("", _MARK.sub(r'<path class="line-\1"\3><title>\2</title></path>', to_svg(styled(chart))))
    return _PLACES.sub(lambda found: re.sub(r"(\.\d)\d+", r"\1", found[0]), drawn)


def swatch(line: Line) -> str:
    """A piece of a line, for a legend."""
    dash = ",".join(map(str, line.dash))
    drawn = f'<path d="M0,4H28" fill="none" stroke="{line.colour}" stroke-width="3" stroke-dasharray="{dash}"/>'
    return f'<svg viewBox="0 0 28 8" aria-hidden="true">{drawn}</svg>'
