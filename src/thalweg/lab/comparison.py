"""The table of a study, out of the runs that are known: also halfway, of what is there so far."""

from __future__ import annotations

from collections.abc import Sequence

from thalweg.lab import answer, tuning
from thalweg.lab.answer import Asked
from thalweg.lab.contender import Contender
from thalweg.lab.spec import RunSpec, environment
from thalweg.lab.study import Found, Study, final_specs, trial_spec, tried, tuned
from thalweg.lab.table import Comparison

UNSEEN = "Tuning looked at the data that the table reports on, so that tuned rows are optimistic: give a test part."
REPEATED = "Every epoch repeats the data order of the first, as asked for with --order repeated."


def comparison(study: Study, found: Found) -> Comparison:
    """The table, with what is known of every row.

    Args:
        study: What was made.
        found: The runs that have ended, by their keys.
    """
    asked = _asked(study, found)
    return Comparison(
        problem=study.problem.name,
        summary=study.problem.summary,
        data=study.data.name,
        metric=study.problem.metric_name,
        epochs=study.epochs,
        batch_size=study.batch_size,
        rows=answer.rows(asked, epochs=study.epochs, maximize=study.problem.maximize, target=study.target),
        environment=environment(),
        runs=tuple(run for one in asked for run in answer.plain_runs(one)),
        maximize=study.problem.maximize,
        target=study.target,
        caveats=_caveats(study),
    )


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
    order = study.common["order"]
    unseen = bool(study.plans) and not study.data.held_out
    return (*((UNSEEN,) if unseen else ()), *((REPEATED,) if order == "repeated" else ()))
