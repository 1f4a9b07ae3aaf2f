"""The driver: claims what a study still wants, has it trained, keeps every epoch, until nothing more is wanted.

It remembers nothing that the store does not hold, so that going on after any end is the same as beginning.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from thalweg.lab import store
from thalweg.lab.engines.engine import Engine, Progress, Started
from thalweg.lab.run import Run
from thalweg.lab.sinks.sink import Sink
from thalweg.lab.spec import RunSpec, environment
from thalweg.lab.study import Study, wanted

PATIENCE = 1.0  # seconds between two looks at what other studies do, and at most between two beats of progress


@dataclass
class Drive:
    """What the driver knows at a moment.

    Attributes:
        study: What is made.
        path: The store.
        owner: Our name as a writer of the store.
        engine: Where runs are trained.
        sinks: Who is told.
        found: The runs that have ended, by their keys.
        running: The labels of the runs that are being trained here, by their keys.
        watch: What was seen of other writers.
        failures: Label and message of every run that failed here.
    """

    study: Study
    path: Path
    owner: str
    engine: Engine
    sinks: Sequence[Sink]
    found: dict[str, Mapping[str, Any]]
    running: dict[str, str] = field(default_factory=dict)
    watch: store.Watch | None = None
    failures: list[tuple[str, str]] = field(default_factory=list)


def drive(
    study: Study, path: Path, engine: Engine, sinks: Sequence[Sink], found: dict[str, Mapping[str, Any]]
) -> list[tuple[str, str]]:
    """Make a study: everything that its table needs and the store does not have yet.

    Args:
        study: What to make.
        path: A prepared store; other studies may use it at the same time.
        engine: Where to train.
        sinks: Whom to tell.
        found: The runs that are known, by their keys, as the store gives them; those that end are added.

    Returns:
        Label and message of every run that failed.

    Raises:
        InputError: If the store can be written no more, for instance since the disk is full; what was reported is kept.
    """
    with store.writing(path) as owner:
        state = Drive(study, path, owner, engine, sinks, found)
        todo = missing(study, path, state.found)
        while todo:
            _submit(state, todo)
            if not state.running:  # all that is wanted is being trained by others
                state.watch = store.look(path, state.watch)
            _handle(state, engine.wait(PATIENCE))
            if len(state.running) < engine.slots:  # else nothing could be begun, and asking takes a while
                todo = missing(study, path, state.found)
    return state.failures


def missing(study: Study, path: Path, found: dict[str, Mapping[str, Any]]) -> list[tuple[str, RunSpec]]:
    """What is wanted and not in the store; what is there is added to `found`, and may lead to more that is wanted."""
    while todo := wanted(study, found):
        stored = store.find(path, [spec.key for _, spec in todo])
        final = {key: run for key, run in stored.items() if run["status"] in store.FINAL}
        if not final:
            break
        found |= final
    return todo


def _submit(state: Drive, todo: Iterable[tuple[str, RunSpec]]) -> None:
    for label, spec in todo:
        if len(state.running) >= state.engine.slots:
            return
        if spec.key in state.running:
            continue
        if store.claim(state.path, spec, state.owner, _environment(spec), state.watch) == "mine":
            state.running[spec.key] = label
            state.engine.submit(spec)


def _environment(spec: RunSpec) -> Mapping[str, str]:
    return environment(spec.device, spec.accelerator)


def _handle(state: Drive, events: Iterable[Started | Progress | Run]) -> None:
    for event in events:
        label = state.running[event.spec.key]
        match event:
            case Started(spec):
                # Of a second attempt: its half curve goes.
                store.claim(state.path, spec, state.owner, _environment(spec))
                for sink in state.sinks:
                    sink.started(spec, label)
            case Progress(spec, epoch):
                if store.add_epoch(state.path, spec.key, state.owner, epoch):
                    for sink in state.sinks:
                        sink.epoch(spec, label, epoch)
            case Run():
                _keep(state, event)


def _keep(state: Drive, run: Run) -> None:
    """Keep a run that has ended; one that was taken over by another study meanwhile is that one's."""
    label = state.running.pop(run.spec.key)
    if store.finish(state.path, run, state.owner):
        state.found |= store.find(state.path, [run.spec.key])
        if run.status == "failed":
            state.failures.append((f"{label}, seed {run.spec.seed}", run.message))
    for sink in state.sinks:
        sink.ended(run, label)
