"""The comparison as one HTML document that loads nothing and runs nothing: no network, no script."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from html import escape
from typing import Any

from thalweg.lab.table import Comparison, EpochSummary, Row
from thalweg.report import words
from thalweg.report.template import DOCUMENT
from thalweg.report.verdict import verdict


def page(comparison: Comparison) -> str:
    """Writes the whole comparison as one HTML document, readable on a phone and in dark mode.

    Args:
        comparison: The comparison; every text in it is escaped, for none is trusted.

    Returns:
        The document.
    """
    return DOCUMENT.substitute(
        title=_text(words.title(comparison)),
        summary=_text(comparison.summary),
        amount=_text(words.amount(comparison)),
        verdict="".join(f"<p>{_text(sentence)}</p>" for sentence in verdict(comparison)),
        headline=_headline(comparison),
        figures=_figures(comparison),
        settings=_settings(comparison),
        epochs=_epochs(comparison),
        runs=_runs(comparison),
        environment=_environment(comparison.environment),
        data=_json(comparison),
    )


def _headline(comparison: Comparison) -> str:
    shown = words.shown_epochs(comparison.epochs)
    pair = f'<th scope="col">{_text(comparison.metric)}</th><th scope="col">loss</th>'
    head = (
        '<tr><th scope="col" rowspan="2">optimizer</th><th scope="col" rowspan="2">lr</th>'
        + "".join(f'<th scope="colgroup" colspan="2">epoch {epoch}</th>' for epoch in shown)
        + '<th scope="col" rowspan="2">time of<br>one run</th>'
        + '<th scope="col" rowspan="2">spent in the<br>optimizer</th>'
        + f"</tr><tr>{pair * len(shown)}</tr>"
    )
    rows = (
        [
            _name(row),
            _text(words.setting(row.settings.get("lr", words.MISSING))),
            *(cell for epoch in shown for cell in _measured(words.at_epoch(row, epoch))),
            _text(words.duration(row.time_seconds)),
            _text(words.percent(row.time_optimizer_share)),
        ]
        for row in comparison.rows
    )
    return _table(f"Validation {comparison.metric} and loss", head, rows)


def _settings(comparison: Comparison) -> str:
    rows = (
        [
            _text(row.optimizer),
            f"<code>{_text(row.rule)}</code>",
            ", ".join(
                f"<code>{_text(key)}={_text(words.setting(value))}</code>" for key, value in row.settings.items()
            ),
            _text(", ".join(map(str, row.seeds))),
        ]
        for row in comparison.rows
    )
    return _table("Every setting, defaults included", _head("optimizer", "rule", "settings", "seeds"), rows, "words")


def _epochs(comparison: Comparison) -> str:
    rows = (
        [_text(row.optimizer), str(summary.epoch), *_measured(summary)]
        for row in comparison.rows
        for summary in row.epochs
    )
    return _table("Every epoch", _head("optimizer", "epoch", comparison.metric, "loss"), rows)


def _runs(comparison: Comparison) -> str:
    names = ("optimizer", "seed", "status", f"last {comparison.metric}", "time", "in the optimizer", "data order")
    return _table("Every run", _head(*names), (_run_cells(run) for run in comparison.runs))


def _run_cells(run: Mapping[str, Any]) -> list[str]:
    last = (run.get("epochs") or [{}])[-1]
    status = ": ".join(str(run[key]) for key in ("status", "message") if run.get(key))
    order = str(run.get("order_digest") or words.MISSING)
    return [
        _text(run.get("optimizer", words.MISSING)),
        _text(run.get("seed", words.MISSING)),
        f'<span class="{"fine" if run.get("status") == "finished" else "trouble"}">{_text(status)}</span>',
        _text(words.number(last.get("metric"))),
        _text(words.seconds(run.get("time_seconds"))),
        _text(words.seconds(run.get("time_optimizer_seconds"))),
        f'<code title="{_text(order)}">{_text(order[:12])}</code>',
    ]


def _environment(environment: Mapping[str, str]) -> str:
    return "".join(f"<dt>{_text(key)}</dt><dd>{_text(value)}</dd>" for key, value in environment.items())


def _figures(comparison: Comparison) -> str:
    from thalweg.report import charts

    titles = (f"Validation {comparison.metric} after every epoch", "Validation loss after every epoch")
    svgs = (charts.to_svg(panel) for panel in charts.panels(comparison))
    return "".join(f"<figure>{_accessible(svg, title)}</figure>" for svg, title in zip(svgs, titles, strict=True))


def _accessible(svg: str, title: str) -> str:
    """The drawing with a role and a title, which a screen reader reads in place of a thousand lines."""
    start, rest = svg.split(">", 1)
    return f'{start} role="img" aria-label="{_text(title)}"><title>{_text(title)}</title>{rest}'


def _table(caption: str, head: str, rows: Iterable[Sequence[str]], kind: str = "numbers") -> str:
    cells = ((first, "".join(f"<td>{cell}</td>" for cell in rest)) for first, *rest in rows)
    body = "".join(f'<tr><th scope="row">{first}</th>{rest}</tr>' for first, rest in cells)
    return (
        f'<div class="scroll" role="region" tabindex="0" aria-label="{_text(caption)}"><table class="{kind}">'
        f"<caption>{_text(caption)}</caption><thead>{head}</thead><tbody>{body}</tbody></table></div>"
    )


def _head(*names: str) -> str:
    cells = "".join(f'<th scope="col">{_text(name)}</th>' for name in names)
    return f"<tr>{cells}</tr>"


def _name(row: Row) -> str:
    note = words.trouble(row)
    return _text(row.optimizer) + (f' <small class="trouble">{_text(note)}</small>' if note else "")


def _measured(summary: EpochSummary) -> tuple[str, str]:
    pairs = ((summary.metric_mean, summary.metric_sd), (summary.loss_mean, summary.loss_sd))
    metric, loss = (f"{words.number(mean)} <small>{words.spread(sd)}</small>" for mean, sd in pairs)
    return metric, loss


def _text(value: Any) -> str:
    return escape(words.plain(value))


def _json(comparison: Comparison) -> str:
    """The data as JSON that cannot end its script element: no `<` is left in it."""
    return json.dumps(_plain_data(comparison), indent=1, allow_nan=False).replace("<", "\\u003c")


def _plain_data(value: Any) -> Any:
    """What JSON can hold: a number that is not finite becomes null."""
    if is_dataclass(value):
        return {field.name: _plain_data(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): _plain_data(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_plain_data(entry) for entry in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if value is None or isinstance(value, bool | int | str) else str(value)
