"""The training loop: the only one in the project. It reads no file, prints nothing, and draws nothing."""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch.utils.data import DataLoader

from thalweg.errors import InputError
from thalweg.formula import Rule
from thalweg.frameworks.torch import Optimizer
from thalweg.lab.batches import Pass, bytes_of, data_order, length, moved, size, tensors_of
from thalweg.lab.problem import Data, Problem
from thalweg.lab.recorder import Recorder, warm
from thalweg.lab.spec import Phase, RunSpec
from thalweg.lab.watched import Watched

EVALUATION_BATCH = 1000
STATUSES = ("finished", "stopped", "diverged", "failed")


@dataclass(frozen=True)
class Epoch:
    """What one pass over the data gave.

    Attributes:
        epoch: Counted from 1.
        train_loss: Mean loss of the batches, as they were trained on.
        metric: Of the data that is reported on, after the epoch.
        loss: Of the same.
        order_digest: A hash of the order in which the samples came.
        steps: How many steps the optimizer took.
        time_seconds: Wall time of the training, evaluation left out; of a watched run the watching is in it.
        time_optimizer_seconds: The part of it that the optimizer took, and most of the watching.
    """

    epoch: int
    train_loss: float
    metric: float
    loss: float
    order_digest: str
    steps: int
    time_seconds: float
    time_optimizer_seconds: float


@dataclass(frozen=True)
class Run:
    """A run that has ended.

    Attributes:
        spec: What was asked for.
        status: One of `STATUSES`: stopped means that a trial missed its spec's `stop`, diverged that a training loss
            was no finite number, failed that something went wrong which another attempt may mend.
        message: Why, where it is not finished.
        epochs: One entry per whole epoch.
        weights_digest: A hash of the initial weights.
        state_bytes: Memory of the optimizer's state in the last phase that was trained; None where none was.
        watched: Figures and alarms, which decide nothing; None where the run was not watched.
    """

    spec: RunSpec
    status: str
    message: str
    epochs: tuple[Epoch, ...]
    weights_digest: str
    state_bytes: int | None = None
    watched: Watched | None = None


def run(spec: RunSpec, problem: Problem, rules: Mapping[str, Rule], data: Data, report: Callable[[Epoch], None]) -> Run:
    """Train once.

    Args:
        spec: Seed, sizes and numbers.
        problem: Model, loss and metric.
        rules: The rules that the phases of `spec` name, by those names.
        data: What to train and evaluate on.
        report: Called after every epoch.

    Raises:
        InputError: If the loss is no scalar tensor, or a model has nothing to train.
    """
    torch.set_num_threads(spec.threads)
    torch.use_deterministic_algorithms(True)
    torch.manual_seed(spec.seed)
    model = problem.model(spec.seed).to(spec.device)
    weights = digest_of_tensors(model)
    train, held = (data.train, data.test) if spec.part == "final" else data.tuning
    epochs: list[Epoch] = []
    recorder = Recorder(spec.watch)
    rule, optimizer = started(model, rules, spec.phases[0], spec.watch)
    recorder.attach(optimizer, model)
    status, message = "finished", ""
    for number in range(1, spec.epochs + 1):
        for phase in (phase for phase in spec.phases[1:] if phase.first == number):
            rule, optimizer = started(model, rules, phase, spec.watch)
            recorder.attach(optimizer, model)
        passing = Pass(train, spec.batch_size, _order(spec, number, train))
        batches = _on(passing, spec.device)
        loss, steps, seconds, stepping = train_epoch(model, optimizer, problem, batches, recorder.loss)
        if not math.isfinite(loss):
            status, message = "diverged", f"the training loss became {loss} in epoch {number}"
            break
        with optimizer.averaged() if rule.evaluation else nullcontext():
            metric, test_loss = evaluate(model, problem, held, spec.device)
        epochs.append(Epoch(number, loss, metric, test_loss, passing.digest(), steps, seconds, stepping))
        report(epochs[-1])
        if missed := _missed(spec, problem, epochs[-1]):
            status, message = "stopped", missed
            break
    watched = recorder.watched([epoch.steps for epoch in epochs])
    return Run(spec, status, message, tuple(epochs), weights, state_bytes(optimizer), watched)


def started(model: torch.nn.Module, rules: Mapping[str, Rule], phase: Phase, watch: int = 0) -> tuple[Rule, Optimizer]:
    """A phase's rule and its optimizer, the kernel compiled, so that the clock of its first epoch does not count that.

    Args:
        model: Whose parameters are trained.
        rules: The rules by their names.
        phase: Names one of them, and its numbers.
        watch: Every how many steps it will be watched, 0 for never: a measured step has a kernel of its own.

    Raises:
        InputError: If the model has nothing to train.
    """
    rule, initial = rules[phase.rule], dict(phase.initial)
    parameters = [p for p in model.parameters() if p.requires_grad]
    if not parameters:
        raise InputError("expected a model with parameters to train, got none: return a torch module that has some")
    x = torch.zeros(1, dtype=parameters[0].dtype, requires_grad=True)
    x.grad = torch.zeros_like(x)
    tried = Optimizer([x], rule=rule, initial=initial, **phase.arguments)
    tried.step()
    if watch:
        warm(tried)
    return rule, Optimizer(parameters, rule=rule, initial=initial, **phase.arguments)


def _order(spec: RunSpec, epoch: int, train: Any) -> Any:
    if isinstance(train, DataLoader):
        return None
    return data_order(spec.seed, epoch if spec.order == "reshuffled" else 1, length(train))


def _on(batches: Iterable[Any], device: str) -> Iterable[Any]:
    return batches if device == "cpu" else (moved(batch, device) for batch in batches)


def _missed(spec: RunSpec, problem: Problem, epoch: Epoch) -> str:
    """Why a trial stops after this epoch; nothing where it goes on, and never after the last."""
    bar = spec.stop[epoch.epoch - 1] if epoch.epoch < min(len(spec.stop) + 1, spec.epochs) else None
    if bar is None or (epoch.metric >= bar if problem.maximize else epoch.metric <= bar):
        return ""
    return f"{problem.metric_name} {epoch.metric:.4g} after epoch {epoch.epoch}, where {bar:.4g} was needed"


def train_epoch(
    model: torch.nn.Module,
    optimizer: Optimizer,
    problem: Problem,
    batches: Iterable[Any],
    told: Callable[[float], None] | None = None,
) -> tuple[float, int, float, float]:
    """The mean loss, the steps, the seconds, and the optimizer's seconds; stops at the first loss that is not finite.

    Args:
        model: What is trained.
        optimizer: Of its parameters.
        problem: Says what the loss is.
        batches: What to train on, in order.
        told: Called after every step with the batch's loss.

    Raises:
        InputError: If there is no batch, or the loss is no scalar tensor.
    """
    model.train()
    total, samples, steps, stepping = 0.0, 0, 0, 0.0
    start = time.perf_counter()
    for batch in batches:
        optimizer.zero_grad()
        loss = problem.loss(model, batch)
        check_scalar(loss, "loss")
        loss.backward()
        before = time.perf_counter()
        optimizer.step()
        stepping += time.perf_counter() - before
        held = size(batch)
        number = loss.item()
        total += number * held
        samples += held
        steps += 1
        if told is not None:
            told(number)
        if not math.isfinite(total):
            break
    if not samples:
        raise InputError("expected at least one batch, got an empty data set or loader: give it some data")
    return total / samples, steps, time.perf_counter() - start, stepping


def check_scalar(value: Any, name: str) -> None:
    """Refuse what is no tensor with exactly one element.

    Raises:
        InputError: If it is not one.
    """
    if not isinstance(value, torch.Tensor) or value.numel() != 1:
        got = f"a tensor of shape {tuple(value.shape)}" if isinstance(value, torch.Tensor) else type(value).__name__
        raise InputError(f"expected the {name} of a batch as a scalar tensor, got {got}: return its mean")


def evaluate(model: torch.nn.Module, problem: Problem, part: Any, device: str = "cpu") -> tuple[float, float]:
    """Mean metric and mean loss over a part of the data; the loss twice where the problem has no metric of its own.

    Raises:
        InputError: If the part is empty, or loss or metric no scalar.
    """
    model.eval()
    metric, loss, samples = 0.0, 0.0, 0
    with torch.no_grad():
        for batch in _on(Pass(part, EVALUATION_BATCH, None), device):
            held = size(batch)
            batch_loss, batch_metric = _measured(model, problem, batch)
            loss += batch_loss * held
            metric += batch_metric * held
            samples += held
    if not samples:
        raise InputError("expected at least one batch to evaluate on, got none: give the loader some data")
    return metric / samples, loss / samples


def _measured(model: torch.nn.Module, problem: Problem, batch: Any) -> tuple[float, float]:
    if problem.both is not None:
        loss, metric = problem.both(model, batch)
        return _number(loss, "loss"), _number(metric, "metric")
    loss = _number(problem.loss(model, batch), "loss")
    return loss, loss if problem.metric is None else _number(problem.metric(model, batch), "metric")


def _number(value: Any, name: str) -> float:
    if isinstance(value, int | float):
        return float(value)
    check_scalar(value, name)
    return value.item()


def digest_of_tensors(model: torch.nn.Module) -> str:
    """A hash of every weight of a model."""
    digest = hashlib.sha256()
    for name, tensor in model.state_dict().items():
        digest.update(name.encode() + bytes_of(tensor))
    return digest.hexdigest()


def state_bytes(optimizer: Optimizer) -> int:
    """Memory of an optimizer's state: its tensors' bytes, step numbers left out."""
    states = ({k: v for k, v in state.items() if k != "step"} for state in optimizer.state.values())
    return sum(tensor.numel() * tensor.element_size() for state in states for tensor in tensors_of(state))
