"""A problem's model, its endless batches, and an optimizer by rule, out of torch or out of Thalweg."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import torch

import thalweg.torch
from thalweg.lab.batches import Pass, data_order, length
from thalweg.lab.files import find_problem
from thalweg.lab.problem import Data, Problem

FILES = Path(__file__).parent / "problems"  # those that are no problems of the lab
ENGINES = {"torch": torch.optim, "thalweg": thalweg.torch}
# Both have the same names and arguments, so that a rule is a class and what it is given.
RULES: dict[str, tuple[str, dict[str, Any]]] = {
    "sgd": ("SGD", {}),
    "momentum": ("SGD", {"momentum": 0.9}),
    "adagrad": ("Adagrad", {}),
    "rmsprop": ("RMSprop", {}),
    "adam": ("Adam", {}),
    "adamw": ("AdamW", {}),
    "nadam": ("NAdam", {}),
}


@cache
def problem_and_data(name: str) -> tuple[Problem, Data]:
    """A problem of `problems/` or of the lab with its own data, read once per process."""
    file = FILES / f"{name.replace('-', '_')}.py"
    problem = find_problem(str(file) if file.is_file() else name)
    return problem, problem.load(None, 0)


def loaded(name: str, seed: int) -> tuple[Problem, Data, torch.nn.Module]:
    """A problem, its data and a fresh model in training mode; torch's generator is at the seed."""
    torch.set_num_threads(1)
    problem, data = problem_and_data(name)
    torch.manual_seed(seed)
    return problem, data, problem.model(seed).train()


def batches(part: Any, size: int, seed: int) -> Iterator[tuple[torch.Tensor, ...]]:
    """Batches without end, in another order every epoch, the incomplete one at the end left out."""
    for epoch in itertools.count(1):
        for batch in Pass(part, size, data_order(seed, epoch, length(part))):
            if len(batch[0]) == size:
                yield batch


def optimizer_of(engine: str, rule: str, model: torch.nn.Module, lr: float, **given: Any) -> torch.optim.Optimizer:
    """An optimizer of all parameters, which it knows by their names."""
    name, usual = RULES[rule]
    parameters = [(name, parameter) for name, parameter in model.named_parameters() if parameter.requires_grad]
    return getattr(ENGINES[engine], name)(parameters, lr=lr, **{**usual, **given})
