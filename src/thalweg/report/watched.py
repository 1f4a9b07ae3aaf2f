"""The page's section on what the optimizers did: alarms on a time line and in words, figures, and layer by layer."""

from __future__ import annotations

from collections.abc import Sequence

from thalweg.lab.table import Comparison
from thalweg.report import phrases, words
from thalweg.report.alarms import NO_MORE, Said, is_watched, said, summary
from thalweg.report.html import accessible, details, head, note, section, table, text, two, valued
from thalweg.report.rows import Shown, shown
from thalweg.report.watched_charts import (
    FIRST,
    LOSS,
    Line,
    drawing,
    figure_of,
    is_flat,
    layer_lines,
    panel,
    row_lines,
    swatch,
    time_line,
)
from thalweg.watch.figure import FIGURES, Figure

TITLE = "What the optimizers did"
_LANES = 40  # of the time line; all alarms are in the table
_COLUMNS = 5  # of a chart's numbers


def watched(comparison: Comparison) -> str:
    """The section; of a comparison without any watched run a sentence that says so."""
    if not is_watched(comparison):
        nothing = f"Not watched: the runs were trained with --watch 0, or by an older Thalweg; {NO_MORE}."
        return section(TITLE, note(nothing)) if comparison.runs else ""
    return section(TITLE, note(summary(comparison)), _alarms(comparison), _figures(comparison), _layers(comparison))


def _alarms(comparison: Comparison) -> str:
    found = said(comparison)
    if not found:
        return ""
    last = max((step for row in comparison.rows if row.watched for step in row.watched.steps), default=1)
    last = max(last, *(step for one in found for step in one.steps))
    drawn = accessible(drawing(time_line(found[:_LANES], last)), "Alarms by step")
    below = "A mark for every seed, where it was alarmed first; point at one to read what was seen."
    heading = head("optimizer", "alarm", "what was seen, and what to try", "seeds", "first seen")
    return f'<h3>Alarms</h3>{note(below)}<div class="figures time-line"><figure>{drawn}</figure></div>' + table(
        "Every alarm, once for each kind and row", heading, map(_alarm_cells, found), "words alarms"
    )


def _alarm_cells(one: Said) -> list[str]:
    alarm = one.first
    more = [sentence for sentence in (alarm.meaning, one.advice) if sentence]
    return [
        text(one.one.name),
        text(one.title),
        text(one.words) + "".join(f" <small>{text(sentence)}</small>" for sentence in more),
        text(one.seeds),
        two(f"step {alarm.first_step}", f"epoch {alarm.first_epoch}"),
    ]


def _figures(comparison: Comparison) -> str:
    rows = shown(comparison)
    measured = {figure.name: row_lines(rows, figure.name) for figure in (LOSS, *FIGURES)}
    flat = [figure_of(name).title for name, lines in measured.items() if _is_zero(lines)]
    drawn = {name: lines for name, lines in measured.items() if not is_flat(lines)}
    others = [name for name in drawn if name not in FIRST]
    above = (
        "Each figure by step: of all layers of a row together, the median over its seeds. Choose a row to see it "
        "alone; point at a line to read its name."
    )
    zero = f" Zero throughout: {', '.join(flat)}." if flat else ""
    folded = details("Other figures", _grid(drawn, others), _numbers(drawn, others)) if others else ""
    first = [name for name in FIRST if name in drawn]
    return (
        f'<h3>Figures</h3>{note(above + zero)}<div class="rows">{_style(len(rows))}'
        + _choice(row_lines(rows, LOSS.name))
        + _grid(drawn, first)
        + details("The numbers of these charts", _numbers(drawn, first))
        + f"{folded}</div>"
    )


def _is_zero(lines: Sequence[Line]) -> bool:
    return is_flat(lines) and any(number == 0 for line in lines for number in line.numbers)


def _grid(drawn: dict[str, list[Line]], names: Sequence[str]) -> str:
    cells = "".join(_chart(figure_of(name), drawn[name]) for name in names)
    return f'<div class="figures small told">{cells}</div>'


def _chart(figure: Figure, lines: Sequence[Line], beside: str = "") -> str:
    svg = accessible(drawing(panel(figure, lines)), f"{figure.title}{beside} by step")
    scale = " (log scale)" if figure.scale == "log" else ""
    caption = f"{text(figure.title)}{scale} <small>{text(figure.meaning)}</small>"
    return f"<figure><figcaption>{caption}</figcaption>{svg}</figure>"


def _choice(lines: Sequence[Line]) -> str:
    """The legend, which is also what chooses a row; without a style for it, it is a legend."""
    entries = "".join(
        f'<label><input type="radio" name="row" id="row-{line.place}">{swatch(line)} {text(line.name)}</label>'
        for line in lines
    )
    every = '<label><input type="radio" name="row" checked> all</label>' if len(lines) > 1 else ""
    return f'<figure class="choice" role="radiogroup" aria-label="Row">{every}{entries}</figure>'


def _style(rows: int) -> str:
    rules = (f".rows:has(#row-{k}:checked) svg path[class]:not(.line-{k}) {{ opacity: .08; }}" for k in range(rows))
    return f"<style>{' '.join(rules)}</style>"


def _numbers(drawn: dict[str, list[Line]], names: Sequence[str]) -> str:
    """Every chart's lines at some of their steps."""
    chosen = {name: figure_of(name).title for name in names}
    steps = max((line.steps for name in names for line in drawn[name]), key=len, default=())
    steps = [steps[round(k * (len(steps) - 1) / (_COLUMNS - 1))] for k in range(_COLUMNS)] if steps else []
    steps = list(dict.fromkeys(steps))
    rows = (
        [two(title, line.name), *map(_number, _at(line, steps))]
        for name, title in chosen.items()
        for line in drawn[name]
        if any(number is not None for number in line.numbers)
    )
    return table("Figures at some of the steps", head("figure", *(f"step {step}" for step in steps)), rows)


def _at(line: Line, steps: Sequence[int]) -> list[float | None]:
    known = dict(zip(line.steps, line.numbers, strict=False))
    return [known.get(step) for step in steps]


def _layers(comparison: Comparison) -> str:
    """What the layers of each row did, folded: to open one is to choose it."""
    found = [one for one in shown(comparison) if one.row.watched and one.row.watched.layers]
    return "<h3>Layer by layer</h3>" + "".join(map(_row_layers, found)) if found else ""


def _row_layers(one: Shown) -> str:
    lines = {name: layer_lines(one, name) for name in FIRST}
    drawn = {name: own for name, own in lines.items() if not is_flat(own)}
    unseen = one.row.watched.unseen if one.row.watched else 0
    left = f"{words.counted(unseen, 'further layer')} not shown: those with an alarm come first." if unseen else ""
    legend = "".join(f"<span>{swatch(line)} {text(line.name)}</span>" for line in lines[FIRST[1]])
    charts = "".join(_chart(figure_of(name), own, f" of {one.name}") for name, own in drawn.items())
    last = one.row.watched.steps[-1] if one.row.watched and one.row.watched.steps else 0
    rows = (
        [text(line.name), *(_number(_last(own[place])) for own in drawn.values())]
        for place, line in enumerate(lines[FIRST[1]])
    )
    titles = (figure_of(name).title for name in drawn)
    return details(
        f"Layers of {one.name}",
        note(left),
        f'<figure class="choice">{legend}</figure><div class="figures small told">{charts}</div>',
        table(f"Where it was last measured, up to step {last}", head("layer", *titles), rows, "numbers sortable"),
    ).replace("<details>", '<details name="layers">', 1)


def _number(value: float | None) -> str:
    return valued(value, words.MISSING if value is None else phrases.rounded(value))


def _last(line: Line) -> float | None:
    return next((number for number in reversed(line.numbers) if number is not None), None)
