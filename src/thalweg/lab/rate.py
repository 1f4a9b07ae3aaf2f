"""`find_lr`: a learning rate for any rule out of short trainings, and whether to rely on it.

The trainings are in `sprint.py`, the method is in `finder.py`, and how good it is in
`docs/decisions/0020-learning-rate-finder.md`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch

from thalweg.errors import InputError
from thalweg.formula import Rule
from thalweg.frameworks.torch.frame import NAMES
from thalweg.lab.batches import resident
from thalweg.lab.device import PLAIN
from thalweg.lab.finder import answer, lengths, rate, search
from thalweg.lab.generators import undisturbed
from thalweg.lab.problem import Data, Problem
from thalweg.lab.sprint import (
    Sprint,
    Task,
    begun,
    check_first_batch,
    check_some_trained,
    copied,
    judged,
    score_after,
    split,
)
from thalweg.rules.hyper import Value
from thalweg.rules.setting import Setting, resolve, setting

BAR = 24


@dataclass(frozen=True)
class Tried:
    """How one learning rate did.

    Attributes:
        lr: The rate.
        scores: After these steps the loss, or the metric, of the samples held out; infinite once it diverged.
    """

    lr: float
    scores: Mapping[int, float]

    @property
    def last(self) -> tuple[int, float]:
        """The most steps it was trained for, and the score then."""
        return max(self.scores.items())


@dataclass(frozen=True)
class FoundRate:
    """A learning rate, and whether to rely on it.

    Attributes:
        lr: The rate, or the best guess.
        sure: Whether it is likely to be within a factor 3 of the best.
        reason: Why, in one sentence.
        curve: Every rate that was tried, from low to high.
        start: The score before training.
        planned: Steps of the training that the rate is for.
        steps: Steps that were spent on finding it.
        judge: What the scores are, for instance `"loss"`.
        maximize: Whether more is better.
    """

    lr: float
    sure: bool
    reason: str
    curve: tuple[Tried, ...]
    start: float
    planned: int
    steps: int
    judge: str = "loss"
    maximize: bool = False

    def __str__(self) -> str:
        return "\n".join([f"lr {self.lr:.2g}, {'sure' if self.sure else 'not sure'}: {self.reason}", *_chart(self)])


def _chart(found: FoundRate) -> Iterator[str]:
    """A line per rate: how long it was trained, and how far it came, as a bar."""
    finals = [tried.last[1] for tried in found.curve]
    best = (max if found.maximize else min)([s for s in finals if math.isfinite(s)], default=found.start)
    yield f"{'rate':>9} {'steps':>6} {found.judge:>9}"
    for tried in found.curve:
        steps, score = tried.last
        if not math.isfinite(score):
            yield f"{tried.lr:>9.2g} {steps:>6}  diverged"
            continue
        way = (found.start - score) / (found.start - best) if best != found.start else 0.0
        yield f"{tried.lr:>9.2g} {steps:>6} {score:>9.4g} {'#' * round(BAR * min(1.0, max(0.0, way)))}".rstrip()


def find_lr(  # noqa: PLR0913
    model: torch.nn.Module,
    loss: Callable[[Any, Any], Any],
    batches: Any,
    rule: str | Rule = "adam",
    *,
    validation: Any = None,
    epochs: int = 10,
    batch_size: int | None = 64,
    budget: int | None = None,
    seed: int = 0,
    initial: Mapping[str, float] | None = None,
    **hyper: Any,
) -> FoundRate:
    """Find a learning rate, without a plot to read.

    Copies of the model are trained for a short while, each at its own rate, and judged by the loss of samples that they
    were not trained on, all on the device that the model is on. The model, the caller's random numbers and the loader's
    stay as they are. It holds up to 25 copies of the model and of the optimizer's state.

    Args:
        model: As it is before training.
        loss: From the model and a batch to the mean loss over the batch, a scalar tensor.
        batches: What to train on: a loader, a list of batches, a data set, or a tuple of arrays, samples first.
        rule: What to find the rate for, as `thalweg.torch.Optimizer` takes it.
        validation: The same for samples to judge by; without it a fifth of `batches` is held out.
        epochs: Passes over `batches` of the training that the rate is for: the longer, the lower the best rate.
        batch_size: Samples per step, where `batches` is no loader and no list; None for all of them.
        budget: About how many steps finding it may take; None for three times as many as the training has, of which
            it takes two or three; trainings of up to 150 steps are tried to their end, which takes five or six times
            as many. With less, the rate is found in shorter trainings, and is less often right.
        seed: Decides the order of the samples and the noise of dropout.
        initial: What states start at, where that is not what the rule says.
        hyper: The rule's other hyperparameters, and what the optimizer does around it, such as `clip_norm`.

    Returns:
        The rate, whether it is sure to be within a factor 3 of the best, and what that rests on; `print` shows it.

    Raises:
        InputError: If there is no batch, the loss is no finite scalar, or the rule has no learning rate.

    Example:
        >>> import numpy as np
        >>> _ = torch.manual_seed(0)
        >>> inputs = np.random.default_rng(0).standard_normal((200, 3)).astype(np.float32)
        >>> loss = lambda model, batch: ((model(batch[0]) - batch[0].sum(1, keepdim=True)) ** 2).mean()
        >>> found = find_lr(torch.nn.Linear(3, 1), loss, (inputs,), "sgd", batch_size=20)
        >>> found.sure, 0.02 < found.lr < 0.5
        (True, True)
    """
    _check(model, loss, rule, {"epochs": epochs, "batch_size": batch_size, "budget": budget}, seed)
    frame = {name: hyper.pop(name) for name in NAMES if name in hyper}
    if "lr" in hyper:
        raise InputError(f"expected no lr, which is to be found, got lr={hyper['lr']!r}: leave it out")
    chosen = setting(rule, hyper, initial) if isinstance(rule, Rule) else resolve(rule, hyper)
    chosen = Setting(chosen.rule, chosen.hyper, {**chosen.initial, **(initial or {})})
    train, held = split(batches, validation)
    problem = Problem("", "", lambda source, seed: held, lambda seed: model, loss)
    return _found(Task(problem, model, chosen, frame, train, held, batch_size, seed), epochs, budget)


def find_rate(  # noqa: PLR0913
    problem: Problem,
    data: Data,
    rule: Rule,
    hyper: Mapping[str, Value],
    initial: Mapping[str, float | str],
    seed: int,
    batch_size: int | None,
    epochs: int,
    budget: int | None = None,
    device: str = PLAIN,
) -> FoundRate:
    """The learning rate for an optimizer of a comparison, from the data that it is tuned on.

    The loss judges, since metrics such as an accuracy are coarse; where that leaves a doubt and the problem has a
    metric of its own (the loss of a policy gradient, say, tells nothing), it is tried again with the metric.

    Args:
        problem: What is trained.
        data: Its data, of which only `tuning` is looked at.
        rule: The optimizer's rule.
        hyper: Its hyperparameters; `lr` counts for nothing.
        initial: What its states start at, where that is not what the rule says.
        seed: Decides the initial weights and the data order.
        batch_size: Samples per step; None for all of them.
        epochs: Passes of the training that the rate is for.
        budget: About how many steps finding it may take, as for `find_lr`; twice that where the metric is asked too.
        device: Where to train.
    """
    with undisturbed():
        torch.manual_seed(seed)
        model = problem.model(seed).to(device)
    others = {name: value for name, value in hyper.items() if name != "lr"}
    train, held = data.tuning
    task = Task(problem, model, setting(rule, others, initial), {}, train, held, batch_size, seed)
    found = _found(task, epochs, budget)
    if found.sure or problem.metric is None:
        return found
    again = _found(replace(task, by_metric=True), epochs, budget)
    return replace(again if again.sure else found, steps=found.steps + again.steps)


def _check(model: Any, loss: Any, rule: Any, counts: Mapping[str, Any], seed: Any) -> None:
    if not isinstance(model, torch.nn.Module):
        raise InputError(f"expected a torch module as the model, got {type(model).__name__}: give one")
    if not callable(loss):
        raise InputError(f"expected loss(model, batch) to be a function, got {type(loss).__name__}: give one")
    if not isinstance(rule, str | Rule):
        raise InputError(f"expected a rule or its name, got {type(rule).__name__}: give for instance 'adam'")
    for name, value in counts.items():
        if not (_whole(value) and value > 0) and (value is not None or name == "epochs"):
            raise InputError(f"expected {name} to be a whole number above 0, got {value!r}: change it")
    if not _whole(seed) or seed < 0:
        raise InputError(f"expected the seed to be a whole number not below 0, got {seed!r}: change it")


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _found(task: Task, epochs: int, budget: int | None) -> FoundRate:
    if "lr" not in task.setting.hyper:
        raise InputError(f"expected a rule with a learning rate, got '{task.setting.rule.name}': choose another rule")
    task = replace(task, train=resident(task.train, task.device), held=resident(task.held, task.device))
    planned = epochs * task.steps
    sprints: dict[int, Sprint] = {}

    def score(place: int, steps: int) -> float:
        if place not in sprints:
            sprints[place] = begun(task, rate(place))
        return score_after(task, sprints[place], steps)

    with undisturbed(task.train, task.held):
        check_first_batch(task)
        start = judged(task, copied(task.model))
        rungs = search(score, lengths(planned, budget))
    check_some_trained(sprints.values())
    found = answer(rungs, start, planned)
    return FoundRate(
        lr=float(f"{rate(found.place):.3g}"),  # so that it can be typed again
        sure=found.sure,
        reason=found.reason,
        curve=tuple(_tried(sprint, task.sign) for _, sprint in sorted(sprints.items())),
        start=task.sign * start,
        planned=planned,
        steps=sum(sprint.taken for sprint in sprints.values()),
        judge=task.problem.metric_name if task.by_metric else "loss",
        maximize=task.sign < 0,
    )


def _tried(sprint: Sprint, sign: int) -> Tried:
    return Tried(
        sprint.lr, {steps: sign * score if math.isfinite(score) else math.inf for steps, score in sprint.scores.items()}
    )
