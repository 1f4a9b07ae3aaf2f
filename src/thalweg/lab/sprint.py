"""Sprints: short trainings of one model from the same weights on the same batches, each at its own learning rate."""

from __future__ import annotations

import copy
import itertools
import math
import random
from collections.abc import Collection, Iterable
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch.utils.data import BatchSampler, DataLoader, Dataset, RandomSampler, SequentialSampler

from thalweg.errors import InputError, in_short
from thalweg.frameworks.torch import Optimizer
from thalweg.lab.batches import Pass, data_order, held_out, length, on, plain, steps
from thalweg.lab.device import PLAIN
from thalweg.lab.generators import generators_of
from thalweg.lab.problem import Problem
from thalweg.lab.run import check_scalar, evaluate, train_epoch
from thalweg.rules.setting import Setting

MOST_BATCHES = 1000  # of a stream
_FIFTH = 5


@dataclass(frozen=True)
class Task:
    """What is trained, whatever the rate.

    Attributes:
        problem: Its loss and its metric.
        model: What every sprint begins as a copy of.
        setting: The rule, its hyperparameters but for `lr`, and what its states start at.
        frame: What the optimizer does around the rule, such as clipping.
        train: Samples to train on.
        held: Samples to judge by.
        batch_size: Samples per step.
        seed: Decides the order of the samples and the noise of dropout.
        by_metric: Whether the metric judges, not the loss.
    """

    problem: Problem
    model: torch.nn.Module
    setting: Setting
    frame: dict[str, Any]
    train: Any
    held: Any
    batch_size: int | None
    seed: int
    by_metric: bool = False

    @property
    def sign(self) -> int:
        """What makes a score of which less is better out of what judges."""
        return -1 if self.by_metric and self.problem.maximize else 1

    @property
    def device(self) -> str:
        """What the model is on."""
        return next((str(p.device) for p in self.model.parameters()), PLAIN)

    @property
    def steps(self) -> int:
        """Steps of one pass."""
        return steps(self.train, self.batch_size)


@dataclass
class Sprint:
    """One rate: its copy of the model, and how it went so far.

    Attributes:
        lr: The rate.
        model: The copy.
        optimizer: At this rate.
        taken: Steps taken.
        scores: After these steps the score of the samples held out, less being better; infinite once it diverged.
        error: What the loss raised, where it did.
    """

    lr: float
    model: torch.nn.Module
    optimizer: Optimizer
    taken: int = 0
    scores: dict[int, float] = field(default_factory=dict)
    error: Exception | None = None

    @property
    def diverged(self) -> bool:
        """Whether it has come to an end."""
        return any(math.isinf(score) for score in self.scores.values())


def begun(task: Task, lr: float) -> Sprint:
    """A sprint that has taken no step yet."""
    model = copied(task.model)
    hyper = {**task.setting.hyper, "lr": lr}
    parameters = [p for p in model.parameters() if p.requires_grad]
    initial: dict[str, Any] = dict(task.setting.initial)
    return Sprint(lr, model, Optimizer(parameters, rule=task.setting.rule, initial=initial, **task.frame, **hyper))


def copied(model: torch.nn.Module) -> torch.nn.Module:
    """A copy that shares nothing with the model.

    Raises:
        InputError: If torch cannot copy it.
    """
    try:
        model = copy.deepcopy(model)
    except Exception as error:
        raise InputError(
            f"expected a model that can be copied, got {in_short(error)}; "
            "give one whose tensors are parameters and buffers, as it is before training"
        ) from error
    model.zero_grad()
    return model


def score_after(task: Task, sprint: Sprint, taken: int) -> float:
    """The score after so many steps from the start: the sprint goes on from where it is.

    One whose loss is no finite number, or that raises an error at its weights, has diverged.
    """
    if taken in sprint.scores or sprint.diverged:
        return sprint.scores.get(taken, math.inf)
    _seed(task.seed, sprint.taken)
    score = math.inf
    try:
        batches = _batches(task, sprint.taken, taken)
        problem, device = task.problem, task.device
        loss, stepped, _, _ = train_epoch(sprint.model, sprint.optimizer, problem, batches, device=device)
        sprint.taken += stepped
        if math.isfinite(loss):
            with sprint.optimizer.averaged() if sprint.optimizer.rule.evaluation else nullcontext():
                score = judged(task, sprint.model)
    except Exception as error:
        sprint.error = error
    sprint.scores[taken] = score if math.isfinite(score) else math.inf
    return sprint.scores[taken]


def judged(task: Task, model: torch.nn.Module) -> float:
    """Loss or metric on the samples held out, with a sign such that less is better."""
    metric, loss = evaluate(model, task.problem, task.held, task.device)
    return task.sign * (metric if task.by_metric else loss)


def _batches(task: Task, first: int, last: int) -> Iterable[Any]:
    """The batches from one step to another of a training that passes over the samples again and again."""
    done, skipped = divmod(first, task.steps)
    passes = (_pass(task, number) for number in itertools.count(done + 1))
    wanted = itertools.islice(itertools.chain.from_iterable(passes), skipped, skipped + last - first)
    return on(wanted, task.device)


def _pass(task: Task, number: int) -> Pass:
    if isinstance(task.train, DataLoader):
        _seed(task.seed, -number, task.train)  # the same order in every sprint
        return Pass(task.train, task.batch_size, None)
    return Pass(task.train, task.batch_size, data_order(task.seed, number, length(task.train)))


def check_first_batch(task: Task) -> None:
    """Try the loss on one batch, before anything is trained.

    Raises:
        InputError: If it is no scalar, not finite, or does not depend on the model's parameters.
    """
    model = copied(task.model).train()
    if not any(p.requires_grad for p in model.parameters()):
        raise InputError("expected a model with parameters to train, got none: give a torch module that has some")
    _seed(task.seed, 0)
    loss = task.problem.loss(model, next(iter(_batches(task, 0, 1))))
    check_scalar(loss, "loss")
    if not math.isfinite(loss.item()):
        raise InputError(
            f"expected a finite loss before the first step, got {loss.item()}: look at the data and the initial weights"
        )
    if not loss.requires_grad:
        raise InputError("expected a loss with a gradient, got a constant: compute it from the model's parameters")


def check_some_trained(sprints: Collection[Sprint]) -> None:
    """Refuse a problem in which every training ended with an exception: then it was not the rate.

    Raises:
        InputError: If so.
    """
    errors = [sprint.error for sprint in sprints if sprint.error is not None]
    if errors and len(errors) == len(sprints):
        error = errors[0]
        raise InputError(
            f"training fails at every rate ({in_short(error)}): mend the model, the loss or the data"
        ) from error


def _seed(seed: int, number: int, part: Any = None) -> None:
    """Give every sprint the same noise from the same step on, and every loader the same order in the same pass."""
    seed = (seed * 1_000_003 + number) % 2**32
    torch.manual_seed(seed)
    np.random.seed(seed)
    random.seed(seed)
    for generator in generators_of([part]):
        generator.manual_seed(seed)


def split(batches: Any, validation: Any) -> tuple[Any, Any]:
    """What to train on and what to judge by, as the lab takes it: arrays, a data set or a loader.

    Raises:
        InputError: If there is nothing in it, or nothing can be held out of a loader.
    """
    train = _part(batches)
    length(train)
    if validation is not None:
        return train, _part(validation)
    if isinstance(batches, DataLoader):
        return _split_loader(batches)
    if not isinstance(train, DataLoader):
        return held_out(train) or (train, train)
    every: Any = train.dataset
    if len(every) == 1:
        return train, train  # all there is is one batch: its own loss is what is minimized
    out = every[_FIFTH - 1 :: _FIFTH] or every[-1:]
    kept = [batch for place, batch in enumerate(every) if place % _FIFTH != _FIFTH - 1][: len(every) - len(out)]
    return _loader(kept), _loader(out)


def _part(given: Any) -> Any:
    """A tuple of arrays, a data set or a loader, out of what people have."""
    if isinstance(given, DataLoader | Dataset):
        return given
    arrays = given if isinstance(given, tuple) else (given,)
    if arrays and all(isinstance(a, np.ndarray | torch.Tensor) and a.ndim for a in arrays):
        if len({len(a) for a in arrays}) != 1:
            lengths = ", ".join(str(len(a)) for a in arrays)
            raise InputError(f"expected arrays of equal length, got {lengths}: give each sample its target")
        return plain(arrays)
    if isinstance(given, str | bytes) or not isinstance(given, Iterable):
        raise InputError(
            f"expected batches as a loader, a list, a data set or a tuple of arrays, got {type(given).__name__}: "
            "give one of these"
        )
    return _loader(list(itertools.islice(given, MOST_BATCHES)))


def _loader(batches: list[Any]) -> DataLoader[Any]:
    held: Any = batches
    return DataLoader(held, batch_size=None, collate_fn=_as_it_is)


def _as_it_is(batch: Any) -> Any:
    return batch


def _split_loader(loader: DataLoader[Any]) -> tuple[Any, Any]:
    """Loaders like this one, over its samples without a fifth and over that fifth."""
    usual = type(loader.sampler) in (RandomSampler, SequentialSampler)
    apart = held_out(loader.dataset) if usual and type(loader.batch_sampler) in (BatchSampler, type(None)) else None
    if apart is None:
        raise InputError(
            "expected validation= beside a loader that draws its samples in its own way, since nothing can be held "
            "out of it: give samples to judge by"
        )
    train, held = (
        DataLoader(
            part,
            batch_size=loader.batch_size,
            shuffle=shuffle,
            drop_last=drop,
            collate_fn=loader.collate_fn,
            num_workers=loader.num_workers,
        )
        for part, shuffle, drop in (
            (apart[0], isinstance(loader.sampler, RandomSampler), loader.drop_last),
            (apart[1], False, False),
        )
    )
    return train, held
