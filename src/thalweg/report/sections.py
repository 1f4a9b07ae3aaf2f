"""The tables of the page: the answer, the epochs, tuning, runs, settings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from thalweg.lab.table import Comparison, EpochSummary, Trial
from thalweg.report import budget, phrases, words
from thalweg.report.html import head, note, table, text, two, valued
from thalweg.report.pairing import pairing
from thalweg.report.rows import Shown, by_result, is_tuned, ranked, shown, warning


def answer(comparison: Comparison) -> str:
    """Which row is best, and how sure that is; then how fast each is and what it costs. The best comes first."""
    rows = by_result(comparison)
    final = ("optimizer", f"final {comparison.metric}", "difference to the best", "better than the next")
    direction = "more" if comparison.maximize else "less"
    best_note = (
        f"{comparison.metric} is measured on test data after the last epoch; {direction} is better. Below every mean "
        "stands its 95 % interval over the seeds. Better than the next: the chance that the row's mean truly is better "
        "than that of the row below."
    )
    goal = words.setting(comparison.target)
    reached = () if comparison.target is None else (f"seeds at {goal}", "steps to it", "time to it")
    cost = ("optimizer", *reached, "steps of a run", "time of a run", "optimizer's share", "memory of its state")
    cost_note = (
        "Times are in seconds, minutes:seconds or hours:minutes:seconds; the optimizer's share is that of a run."
    )
    if reached:
        cost_note += " Steps and time to the target are medians over the seeds that reached it."
    return (
        table("Which is best", head(*final), (_final_cells(comparison, one) for one in rows), "numbers sortable")
        + note(best_note)
        + table("How fast, and at what cost", head(*cost), (_cost(comparison, one) for one in rows), "numbers sortable")
        + note(cost_note)
    )


def _final_cells(comparison: Comparison, one: Shown) -> list[str]:
    row, gap = one.row, one.row.difference
    behind = valued(gap.mean, phrases.signed(gap.mean), phrases.signed_interval(gap)) if gap else words.MISSING
    return [
        name(comparison, one),
        valued(row.final.mean, phrases.result(row.final.mean), phrases.interval(row.final)),
        valued(0.0, "the best") if gap is None and ranked(comparison, one) else behind,
        valued(row.chance, phrases.chance(row.chance)),
    ]


def _cost(comparison: Comparison, one: Shown) -> list[str]:
    row, reached, cells = one.row, one.row.reached, [name(comparison, one)]
    if comparison.target is not None:
        seeds, steps, time = (reached.seeds, reached.steps, reached.time_seconds) if reached else (None, None, None)
        cells += [valued(seeds, phrases.met(row)), valued(steps, phrases.steps_to(reached))]
        cells.append(valued(time, phrases.brief(time)))
    return [
        *cells,
        valued(row.steps or None, phrases.count(row.steps or None)),
        valued(row.time_seconds, phrases.brief(row.time_seconds)),
        valued(row.time_optimizer_share, words.percent(row.time_optimizer_share)),
        valued(row.state_bytes, phrases.memory(row.state_bytes)),
    ]


def name(comparison: Comparison, one: Shown) -> str:
    """An optimizer with its kind and learning rate, and a warning where one is due."""
    lr = f"lr {words.setting(one.row.settings['lr'])}" if "lr" in one.row.settings else ""
    second = phrases.rate(one.row) if is_tuned(comparison) else lr
    trouble = warning(comparison, one.row)
    return two(one.optimizer, second) + (f' <small class="trouble">{text(trouble)}</small>' if trouble else "")


def headline(comparison: Comparison) -> str:
    """Metric and loss after the first, the middle and the last epoch, with time and share."""
    epochs = words.shown_epochs(comparison.epochs)
    pair = f'<th scope="col">{text(comparison.metric)}</th><th scope="col">loss</th>'
    heading = (
        '<tr><th scope="col" rowspan="2">optimizer</th>'
        + "".join(f'<th scope="colgroup" colspan="2">epoch {epoch}</th>' for epoch in epochs)
        + '<th scope="col" rowspan="2">time of<br>one run</th>'
        + '<th scope="col" rowspan="2">spent in the<br>optimizer</th>'
        + f"</tr><tr>{pair * len(epochs)}</tr>"
    )
    rows = (
        [
            name(comparison, one),
            *(cell for epoch in epochs for cell in _measured(words.at_epoch(one.row, epoch))),
            text(words.duration(one.row.time_seconds)),
            text(words.percent(one.row.time_optimizer_share)),
        ]
        for one in shown(comparison)
    )
    return table(f"Test {comparison.metric} and loss, mean ± standard deviation", heading, rows)


def _measured(summary: EpochSummary) -> tuple[str, str]:
    pairs = ((summary.metric_mean, summary.metric_sd), (summary.loss_mean, summary.loss_sd))
    metric, loss = (two(words.number(mean), words.spread(sd)) for mean, sd in pairs)
    return metric, loss


def epochs(comparison: Comparison) -> str:
    """Metric and loss after every epoch."""
    rows = (
        [text(one.name), str(summary.epoch), *_measured(summary)]
        for one in shown(comparison)
        for summary in one.row.epochs
    )
    return table("Every epoch", head("optimizer", "epoch", comparison.metric, "loss"), rows)


def ends(comparison: Comparison, caption: str, differences: bool) -> str:
    """The numbers of the chart of final metrics, or of the one of differences."""
    rows = []
    for one in by_result(comparison):
        found = one.row.difference if differences else one.row.final
        mean, low, high = (found.mean, found.low, found.high) if found else (None, None, None)
        rows.append([text(one.name), *(valued(value, words.number(value)) for value in (mean, low, high))])
    return table(caption, head("optimizer", "mean", "low end", "high end"), rows, "numbers sortable")


def tuning(comparison: Comparison) -> str:
    """What tuning cost, and what it found."""
    spent, found = budget.spent(comparison), budget.found(comparison)
    cost = head("optimizer", "trials", "stopped", "diverged", "failed", "extra", "steps", "budget", "time")
    counts = (
        [*map(text, (s.optimizer, s.trials, s.stopped, s.diverged, s.failed, s.extra, s.steps, s.budget, s.time))]
        for s in spent
    )
    result = head("optimizer", "hyperparameter", "searched", "best", "within 1 % of the best")
    chosen = (
        [text(f.optimizer), text(f.name), two(f.searched, f.at_first), text(f.best) + _alarm(f.edge), text(f.within)]
        for f in found
    )
    drawn = f"The trials are drawn as {budget.samplers(comparison)}. "
    return (
        table("What tuning cost", cost, counts, "numbers sortable")
        + note(drawn + budget.SPENT_NOTE)
        + "".join(map(note, _rules(comparison)))
        + table("What tuning found", result, chosen)
        + note(budget.FOUND_NOTE)
    )


def _rules(comparison: Comparison) -> list[str]:
    """The rules of tuning, each once: optimizers share them."""
    return list(dict.fromkeys(rule for row in comparison.rows if row.tuning for rule in row.tuning.rules))


def _alarm(words_of_it: str) -> str:
    return f' <small class="trouble">{text(words_of_it)}</small>' if words_of_it else ""


def trials(comparison: Comparison) -> str:
    """Every trial of every tuned row, in the order in which it was proposed."""
    rows = (
        _trial_cells(one.optimizer, number, trial)
        for one in shown(comparison)
        for number, trial in enumerate(one.row.tuning.trials if one.row.tuning else (), 1)
    )
    columns = ("optimizer", "trial", "settings", f"validation {comparison.metric}", "status", "epochs", "budget")
    return table("Every trial", head(*columns), rows, "numbers sortable")


def _trial_cells(optimizer: str, number: int, trial: Trial) -> list[str]:
    lr = trial.hyper.get("lr")
    return [
        text(optimizer),
        valued(number, str(number)),
        valued(lr, phrases.chosen(trial.hyper)),
        valued(trial.metric, words.number(trial.metric)),
        _status(trial.status),
        str(trial.epochs),
        "extra" if trial.extra else "within",
    ]


def _status(status: str, shown_as: str = "") -> str:
    kind = "fine" if status in ("finished", "stopped") else "trouble"
    return f'<span class="{kind}">{text(shown_as or status)}</span>'


def runs(comparison: Comparison) -> str:
    """Every run with its digests, and whether the runs of a seed were paired."""
    last = f"last {comparison.metric}"
    columns = ("optimizer", "seed", "status", last, "time", "in the optimizer", "initial weights", "data order")
    rows = (_run_cells(run) for run in comparison.runs)
    below = "Equal digests mean equal bytes. A data order's digest is of all its epochs, so a run that was cut differs."
    return note(pairing(comparison.runs)) + table("Every run", head(*columns), rows, "numbers sortable") + note(below)


def _run_cells(run: Mapping[str, Any]) -> list[str]:
    last = (run.get("epochs") or [{}])[-1]
    status = ": ".join(str(run[key]) for key in ("status", "message") if run.get(key))
    label = str(run.get("optimizer", words.MISSING)) + (", tuned" if run.get("kind") == "tuned" else "")
    return [
        text(label),
        text(run.get("seed", words.MISSING)),
        _status(str(run.get("status")), status),
        text(words.number(last.get("metric"))),
        *(valued(run.get(key), words.seconds(run.get(key))) for key in ("time_seconds", "time_optimizer_seconds")),
        *(_digest(run.get(key)) for key in ("weights_digest", "order_digest")),
    ]


def _digest(digest: Any) -> str:
    whole = str(digest or words.MISSING)
    return f'<code title="{text(whole)}">{text(whole[:12])}</code>'


def settings(comparison: Comparison) -> str:
    """Every hyperparameter of every row, with what must be known of it."""
    rows = (
        [
            text(one.name),
            f"<code>{text(one.row.rule)}</code>",
            ", ".join(f"<code>{text(k)}={text(words.setting(v))}</code>" for k, v in one.row.settings.items()),
            text(", ".join(map(str, one.row.seeds))),
            text("; ".join(map(words.plain, one.row.notes))),
        ]
        for one in shown(comparison)
    )
    return table(
        "Every setting, defaults included", head("optimizer", "rule", "settings", "seeds", "notes"), rows, "words"
    )


def environment(facts: Mapping[str, str]) -> str:
    """Versions and machine."""
    return f"<dl>{''.join(f'<dt>{text(key)}</dt><dd>{text(value)}</dd>' for key, value in facts.items())}</dl>"
