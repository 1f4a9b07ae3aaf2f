"""The table of a study, out of the runs that are known: also halfway, of what is there so far."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

from thalweg.lab import answer, tuning
from thalweg.lab.answer import Asked
from thalweg.lab.contender import Contender
from thalweg.lab.spec import RunSpec, environment
from thalweg.lab.study import Found, Study, final_specs, trial_spec, tried, tuned
from thalweg.lab.table import Comparison, Row
from thalweg.lab.watched import Watched
from thalweg.lab.watching import alarms, figures

UNSEEN = "Tuning looked at the data that the table reports on, so that tuned rows are optimistic: give a test part."
REPEATED = "Every epoch repeats the data order of the first, as asked for with --order repeated."
SHARED = "Trained on {}: where several runs shared it, the times of each hold its waiting for the others."
Watching = Callable[[Iterable[str]], Mapping[str, Watched]]


def comparison(study: Study, found: Found, watching: Watching = lambda keys: {}) -> Comparison:
    """The table, with what is known of every row.

    Args:
        study: What was made.
        found: The runs that have ended, by their keys.
        watching: From keys to what was watched of those of their runs that were; asked row by row, since it is much.
    """
    asked = _asked(study, found)
    rows = answer.rows(asked, epochs=study.epochs, maximize=study.problem.maximize, target=study.target)
    return Comparison(
        problem=study.problem.name,
        summary=study.problem.summary,
        data=study.data.name,
        metric=study.problem.metric_name,
        epochs=study.epochs,
        batch_size=study.batch_size,
        rows=tuple(_watched(row, one, watching) for row, one in zip(rows, asked, strict=True)),
        environment=environment(study.common["device"], study.common["accelerator"]),
        runs=tuple(run for one in asked for run in answer.plain_runs(one)),
        maximize=study.problem.maximize,
        target=study.target,
        caveats=_caveats(study),
    )


def _watched(row: Row, asked: Asked, watching: Watching) -> Row:
    found = watching(run["key"] for run in asked.runs)
    seeds = {run["spec"]["seed"]: found[run["key"]] for run in asked.runs if run["key"] in found}
    return replace(row, alarms=alarms(seeds), watched=figures(tuple(seeds.values())))


def _asked(study: Study, found: Found) -> list[Asked]:
    rows = []
    for place, contender in enumerate(study.contenders):
        rows.append(_row(study, contender, found, "default"))
        if study.plans and (best := tuned(study, place, found)):
            rows.append(_row(study, best, found, "tuned", _tuning(study, place, found)))
    return rows


def _row(study: Study, contender: Contender, found: Found, kind: str, how: tuning.Tuning | None = None) -> Asked:
    return Asked(
        label=contender.label,
        rule=contender.rule_name,
        settings=contender.settings,
        runs=_known(final_specs(study, contender), found),
        kind=kind,
        steps=study.steps,
        tuning=how,
        notes=contender.notes,
    )


def _known(specs: Sequence[RunSpec], found: Found) -> list:
    return [found[spec.key] for spec in specs if spec.key in found]


def _tuning(study: Study, place: int, found: Found) -> tuning.Tuning:
    plan, replay = study.plans[place], tried(study, place, found)
    runs = _known([trial_spec(study, place, proposal) for proposal, _ in replay.tried], found)
    seconds = sum(epoch["time_seconds"] for run in runs for epoch in run["epochs"])
    return tuning.summary(plan, replay, seconds)


def _caveats(study: Study) -> tuple[str, ...]:
    order, accelerator = study.common["order"], study.common["accelerator"]
    unseen = bool(study.plans) and not study.data.held_out
    told = ((UNSEEN, unseen), (REPEATED, order == "repeated"), (SHARED.format(accelerator), bool(accelerator)))
    return tuple(sentence for sentence, holds in told if holds)
