"""A study: from what was asked for to specs, and from the runs that are known to those that are still wanted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from importlib.metadata import version
from math import nan
from typing import Any

from torch.utils.data import DataLoader

from thalweg.errors import InputError
from thalweg.lab import batches, space, tuning
from thalweg.lab import spec as specs_of
from thalweg.lab.check import check
from thalweg.lab.contender import Contender, contenders, with_hyper
from thalweg.lab.device import PLAIN, accelerator, backend, is_here
from thalweg.lab.engines.worker import settled
from thalweg.lab.files import find_anew, find_problem, problem_digest
from thalweg.lab.problem import Data, Problem
from thalweg.lab.request import Request, check_request, positive
from thalweg.lab.spec import RunSpec

TUNING_SEED = 10_000  # of every trial: the seeds of the table, which count from 0, are fresh to what tuning chose


@dataclass(frozen=True)
class Study:
    """A comparison that is about to be made.

    Attributes:
        problem: What is trained.
        data: What it is trained on, as the first seed has it.
        contenders: The optimizers, with schedules as long as the runs of the table.
        in_trials: The same with schedules as long as a trial.
        plans: For every contender how it is tuned; empty without tuning.
        seeds: One run per contender, setting and seed.
        epochs: Passes over the training data.
        batch_size: Samples per step.
        target: The metric that counts as reached.
        steps: Of a run of the table.
        common: What all specs share.
        digests: For every seed the hash of its data.
        memory: About how many bytes of a GPU a run takes; 0 where that is not known.
    """

    problem: Problem
    data: Data
    contenders: tuple[Contender, ...]
    in_trials: tuple[Contender, ...]
    plans: tuple[tuning.Plan, ...]
    seeds: tuple[int, ...]
    epochs: int
    batch_size: int | None
    target: float | None
    steps: int
    common: Mapping[str, Any]
    digests: Mapping[int, str]
    memory: int = 0


def plan(request: Request, problem: Problem | None = None, gpu: str | None = None) -> Study:
    """A study from what was asked; everything that can be wrong with it is refused here.

    Args:
        request: What was asked.
        problem: A problem that is no file and not the lab's; `request.problem` is then only its name.
        gpu: The kind of GPU of workers elsewhere; None where runs are trained on this machine.

    Raises:
        InputError: If anything is unknown, out of range or not there, or the problem fails on its first batch.
    """
    check_request(request)
    gpu = accelerator(request.device) if gpu is None else gpu
    found = problem or find_problem(request.problem)
    epochs = positive("epochs", request.epochs, found.epochs)
    size = found.batch_size if request.batch_size is None else positive("batch-size", request.batch_size, 1)
    seeds = tuple(range(request.seeds))
    found, data = _loaded(request, problem, seeds[0])
    size = None if isinstance(data.train, DataLoader) else size  # a loader brings its own
    with settled(seeds[0], request.threads):
        checked = check(found, data, seeds[0], size, request.device if is_here(request.device) else PLAIN)
    steps, trial_steps = (batches.steps(part, size) for part in (data.train, data.tuning[0]))
    chosen, in_trials = (contenders(found, request.optimizers, epochs, n) for n in (steps, trial_steps))
    plans = _tuning_plans(request, found, in_trials, epochs, trial_steps) if request.tune else ()
    others = {seed: _loaded(request, problem, seed)[1].digest for seed in _seeds(seeds, request)[1:]}
    return Study(
        problem=found,
        data=data,
        contenders=chosen,
        in_trials=in_trials,
        plans=plans,
        seeds=seeds,
        epochs=epochs,
        batch_size=size,
        target=found.target if request.target is None else request.target,
        steps=epochs * steps,
        common=_common(request, epochs, size, checked.digest if problem else problem_digest(request.problem), gpu),
        digests={seeds[0]: data.digest, **others},
        memory=checked.memory,
    )


def _loaded(request: Request, problem: Problem | None, seed: int) -> tuple[Problem, Data]:
    """The problem and its data as a worker will find them: a file executed anew, random numbers and threads alike."""
    with settled(seed, request.threads):
        fresh = problem or find_anew(request.problem)
    with settled(seed, request.threads):
        return fresh, fresh.load(request.source, seed)


def _seeds(seeds: tuple[int, ...], request: Request) -> tuple[int, ...]:
    return (*seeds, TUNING_SEED) if request.tune or request.lr else seeds


def _common(request: Request, epochs: int, batch_size: int | None, digest: str, gpu: str) -> dict[str, Any]:
    return {
        "problem": request.problem,
        "problem_digest": digest,
        "source": request.source,
        "epochs": epochs,
        "batch_size": batch_size,
        "order": request.order,
        "dtype": "float32",
        "backend": backend(gpu),
        "device": request.device,
        "threads": request.threads,
        "torch": version("torch"),
        "processor": specs_of.processor(),
        "code_digest": specs_of.code_digest(),
        "watch": request.watch,
        "accelerator": gpu,
    }


def _tuning_plans(
    request: Request, problem: Problem, tuned: Sequence[Contender], epochs: int, steps: int
) -> tuple[tuning.Plan, ...]:
    known = {_base(name) for contender in tuned for name in contender.hyper}
    plan = partial(
        tuning.Plan,
        sampler=request.sampler,
        trials=request.tune,
        epochs=epochs,
        steps_per_epoch=steps,
        seed=TUNING_SEED,
        maximize=problem.maximize,
    )
    return tuple(plan(ranges=_ranges(contender, request, known)) for contender in tuned)


def _ranges(contender: Contender, request: Request, known: set[str]) -> dict[str, space.Range]:
    """Where each hyperparameter is looked for; at a switch `lr@6` has the range of `lr`."""
    own = dict.fromkeys(map(_base, contender.hyper))
    try:
        found = space.ranges(own, request.hyper, request.ranges or "", known)
        chosen = {name: found[_base(name)] for name in contender.hyper if _base(name) in found}
        for end in (0.0, 1.0):  # refused now, and not in the middle of the study
            with_hyper(contender, {name: limits.at(end) for name, limits in chosen.items()})
    except InputError as error:
        raise InputError(f"'{contender.label}' cannot be tuned: {error}") from error
    return chosen


def _base(name: str) -> str:
    return name.partition("@")[0]


def _spec(study: Study, contender: Contender, seed: int, part: str, stop: tuple[float | None, ...] = ()) -> RunSpec:
    found = study.digests[seed]
    common = study.common if part == "final" else {**study.common, "watch": 0}  # what trials do wrong is no news
    return RunSpec(phases=contender.phases, seed=seed, part=part, stop=stop, data_digest=found, **common)


def final_specs(study: Study, contender: Contender) -> tuple[RunSpec, ...]:
    """The runs of a row of the table, in the order of the seeds."""
    return tuple(_spec(study, contender, seed, "final") for seed in study.seeds)


def trial_spec(study: Study, place: int, proposal: tuning.Proposal) -> RunSpec:
    """The run of one trial of the contender at a place."""
    return _spec(study, with_hyper(study.in_trials[place], proposal.hyper), TUNING_SEED, "tuning", proposal.stop)


Found = Mapping[str, Mapping[str, Any]]  # runs that have ended, by their keys, as the store gives them


def tried(study: Study, place: int, found: Found) -> tuning.Replay:
    """How far the tuning of the contender at a place has come."""
    return tuning.replay(study.plans[place], partial(_lookup, study, place, found))


def _lookup(study: Study, place: int, found: Found, proposal: tuning.Proposal) -> tuning.Tried | None:
    run = found.get(trial_spec(study, place, proposal).key)
    return None if run is None else tuning.Tried(run["status"], tuple(_metrics(run)))


def _metrics(run: Mapping[str, Any]) -> list[float]:
    """The metric after every epoch; the store has no number where it was none."""
    return [nan if epoch["metric"] is None else epoch["metric"] for epoch in run["epochs"]]


def tuned(study: Study, place: int, found: Found) -> Contender | None:
    """The contender at a place with the settings that tuning chose; None before it is done, or where it found none."""
    replay = tried(study, place, found)
    best = tuning.best(study.plans[place], replay) if replay.done else None
    return None if best is None else replace(with_hyper(study.contenders[place], best), remarks=())


def wanted(study: Study, found: Found) -> list[tuple[str, RunSpec]]:
    """The runs that can be made now and are not known yet, each with its label, in the order in which to begin.

    Seed by seed, so that an early look at the table has every optimizer; then the trials; then the tuned rows.
    """
    rows = [(c.label, final_specs(study, c)) for c in study.contenders]
    trials: list[tuple[str, RunSpec]] = []
    best: list[tuple[str, tuple[RunSpec, ...]]] = []
    for place in range(len(study.plans)):
        label, replay = study.contenders[place].label, tried(study, place, found)
        trials += [(f"{label}, trial", trial_spec(study, place, p)) for p in replay.missing]
        if chosen := tuned(study, place, found):
            best.append((f"{label}, tuned", final_specs(study, chosen)))
    every = [*_by_seed(rows), *trials, *_by_seed(best)]
    return [*{spec.key: (label, spec) for label, spec in every if spec.key not in found}.values()]


def _by_seed(rows: Sequence[tuple[str, Sequence[RunSpec]]]) -> list[tuple[str, RunSpec]]:
    count = max((len(specs) for _, specs in rows), default=0)
    return [(label, specs[k]) for k in range(count) for label, specs in rows]


def expected_epochs(study: Study) -> int:
    """How many epochs the whole study trains, its extra trials left out: what the progress bar counts to."""
    rows = len(study.contenders) * len(study.seeds) * study.epochs
    return rows + sum(plan.trials * plan.epochs for plan in study.plans) + (rows if study.plans else 0)


def rate_key(study: Study, place: int) -> str:
    """A hash of all that decides which learning rate is found for the contender at a place; its own counts for nothing.

    Raises:
        InputError: If it has none.
    """
    contender = study.in_trials[place]
    if "lr" not in contender.hyper:
        raise InputError(f"expected a learning rate to find for '{contender.label}', got a rule without: leave it out")
    return _spec(study, with_hyper(contender, {"lr": 1.0}), TUNING_SEED, "tuning").key
