"""How tests of the lab train a run in their own process, and compare two of them."""

import dataclasses

from thalweg.lab.files import find_problem, find_rule_or_file
from thalweg.lab.run import Run, run
from thalweg.lab.spec import RunSpec


def train_here(spec: RunSpec) -> Run:
    problem = find_problem(spec.problem)
    return run(spec, problem, find_rule_or_file(spec.rule), problem.load(None), lambda epoch: None)


def without_times(result: Run) -> Run:
    epochs = (dataclasses.replace(e, time_seconds=0.0, time_optimizer_seconds=0.0) for e in result.epochs)
    return dataclasses.replace(result, epochs=tuple(epochs))
