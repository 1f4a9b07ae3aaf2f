"""How tests of the lab ask for studies, train a run in their own process, and compare two of them."""

import dataclasses
from pathlib import Path
from typing import Any

from thalweg.lab import store
from thalweg.lab.comparison import comparison
from thalweg.lab.drive import drive
from thalweg.lab.engines.engine import Event
from thalweg.lab.engines.worker import perform
from thalweg.lab.files import find_problem, find_rule_or_file
from thalweg.lab.run import Run, run
from thalweg.lab.spec import RunSpec
from thalweg.lab.study import Request, Study, plan, wanted
from thalweg.lab.table import Comparison

TINY = str(Path(__file__).with_name("problem_tiny.py"))


def planned(optimizers: str | None = "adam:lr=0.01", problem: str = TINY, **options: Any) -> Study:
    return plan(Request(problem, optimizers, **{"seeds": 1, "epochs": 2, **options}))


def specs_of(study: Study) -> list[RunSpec]:
    """What is wanted first: the default rows, seed by seed."""
    return [spec for _, spec in wanted(study, {}) if spec.part == "final"]


def spec_of(optimizers: str, **options: Any) -> RunSpec:
    return specs_of(planned(optimizers, **options))[0]


def train_here(spec: RunSpec) -> Run:
    problem = find_problem(spec.problem)
    rules = {phase.rule: find_rule_or_file(phase.rule) for phase in spec.phases}
    return run(spec, problem, rules, problem.load(None, spec.seed), lambda epoch: None)


def without_times(result: Run) -> Run:
    epochs = (dataclasses.replace(e, time_seconds=0.0, time_optimizer_seconds=0.0) for e in result.epochs)
    return dataclasses.replace(result, epochs=tuple(epochs))


class Here:
    """An engine that trains in the test's own process, one run at a time: no time is lost to starting others."""

    slots = 1

    def __init__(self, packed: bytes | None = None) -> None:
        self.packed = packed
        self.specs: list[RunSpec] = []
        self.trained: list[str] = []

    def submit(self, spec: RunSpec) -> None:
        self.specs.append(spec)

    def wait(self, seconds: float) -> list[Event]:
        events: list[Event] = []
        for spec in self.specs:
            self.trained.append(spec.key)
            perform(spec, self.packed, {}, events.append)
        self.specs = []
        return events

    def close(self) -> None:
        pass


def made(study: Study, path: Path) -> tuple[Comparison, list[tuple[str, str]]]:
    """A study made here, in a store: its table, and what failed."""
    store.prepare(path)
    found: dict[str, Any] = {}
    failures = drive(study, path, Here(), (), found)
    return comparison(study, found), failures
