"""The training loop: the only one in the project. It reads no file, prints nothing, and draws nothing."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterable, Mapping
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from typing import Any

import torch
from torch.utils.data import DataLoader

from thalweg.errors import InputError
from thalweg.formula import Rule
from thalweg.frameworks.torch import Optimizer
from thalweg.lab.batches import Pass, bytes_of, data_order, length, on, resident, size, tensors_of
from thalweg.lab.clock import clock
from thalweg.lab.device import PLAIN, cannot_repeat, repeatable, seed_accelerators
from thalweg.lab.losses import Losses, numbers
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
    told: list[Epoch] = []

    def tell(epoch: Epoch) -> None:
        told.append(epoch)
        report(epoch)

    try:
        with repeatable(spec.device):
            return _trained(spec, problem, rules, data, tell)
    except RuntimeError as error:
        if spec.device == PLAIN or told or not cannot_repeat(error):
            raise
    # Not every operation of a GPU has a way to repeat itself. The run begins again, and torch warns of those.
    with repeatable(spec.device, strict=False):
        return _trained(spec, problem, rules, data, tell)


def _trained(
    spec: RunSpec, problem: Problem, rules: Mapping[str, Rule], data: Data, report: Callable[[Epoch], None]
) -> Run:
    torch.set_num_threads(spec.threads)
    torch.manual_seed(spec.seed)
    model = problem.model(spec.seed).to(spec.device)
    seed_accelerators(spec.device, spec.seed)  # a model that was once trained on the CPU may have set them
    weights = digest_of_tensors(model)
    parts = (data.train, data.test) if spec.part == "final" else data.tuning
    train, held = (resident(part, spec.device) for part in parts)
    epochs: list[Epoch] = []
    taken = 0
    recorder = Recorder(spec.watch)
    rule, optimizer = started(model, rules, spec.phases[0], spec.watch)
    recorder.attach(optimizer, model)
    status, message = "finished", ""
    for number in range(1, spec.epochs + 1):
        for phase in (phase for phase in spec.phases[1:] if phase.first == number):
            rule, optimizer = started(model, rules, phase, spec.watch)
            recorder.attach(optimizer, model)
        passing = Pass(train, spec.batch_size, _order(spec, number, train))
        batches, told = on(passing, spec.device), recorder.loss if spec.watch else None
        loss, steps, seconds, stepping = train_epoch(model, optimizer, problem, batches, told, spec.device)
        taken += steps
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
    watched = recorder.watched([epoch.steps for epoch in epochs], taken)
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
    first = parameters[0]
    x = torch.zeros(1, dtype=first.dtype, device=first.device, requires_grad=True)
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
    told: Callable[[torch.Tensor], None] | None = None,
    device: str = PLAIN,
) -> tuple[float, int, float, float]:
    """The mean loss, the steps, the seconds, and the optimizer's seconds; stops at the first loss that is not finite.

    Args:
        model: What is trained.
        optimizer: Of its parameters.
        problem: Says what the loss is.
        batches: What to train on, in order.
        told: Called after every step with the batch's loss, which must not be read where that waits for a device.
        device: What model and batches are on.

    Raises:
        InputError: If there is no batch, or the loss is no scalar tensor.
    """
    model.train()
    counting, losses = clock(device), Losses(device)
    try:
        for batch in batches:
            optimizer.zero_grad()
            loss = problem.loss(model, batch)
            check_scalar(loss, "loss")
            loss.backward()
            counting.before()
            optimizer.step()
            counting.after()
            if told is not None:
                told(loss.detach())
            if not losses.add(loss, size(batch)):
                break
    except Exception:
        with suppress(Exception):
            losses.read()
        if losses.is_finite:  # else it is what comes of weights that are no numbers, some steps after they became that
            raise
    losses.read()
    if not losses.samples:
        raise InputError("expected at least one batch, got an empty data set or loader: give it some data")
    return losses.mean, losses.steps, *counting.read()


def check_scalar(value: Any, name: str) -> None:
    """Refuse what is no tensor with exactly one element.

    Raises:
        InputError: If it is not one.
    """
    if not isinstance(value, torch.Tensor) or value.numel() != 1:
        got = f"a tensor of shape {tuple(value.shape)}" if isinstance(value, torch.Tensor) else type(value).__name__
        raise InputError(f"expected the {name} of a batch as a scalar tensor, got {got}: return its mean")


def evaluate(model: torch.nn.Module, problem: Problem, part: Any, device: str = PLAIN) -> tuple[float, float]:
    """Mean metric and mean loss over a part of the data; the loss twice where the problem has no metric of its own.

    Raises:
        InputError: If the part is empty, or loss or metric no scalar.
    """
    model.eval()
    with torch.no_grad():
        batches = on(Pass(part, EVALUATION_BATCH, None), device)
        found = [(*_measured(model, problem, batch), size(batch)) for batch in batches]
    metric, loss, samples = 0.0, 0.0, 0
    losses, metrics = numbers([one for one, _, _ in found]), numbers([one for _, one, _ in found])
    for batch_loss, batch_metric, (_, _, held) in zip(losses, metrics, found, strict=True):
        loss += batch_loss * held
        metric += batch_metric * held
        samples += held
    if not samples:
        raise InputError("expected at least one batch to evaluate on, got none: give the loader some data")
    return metric / samples, loss / samples


def _measured(model: torch.nn.Module, problem: Problem, batch: Any) -> tuple[Any, Any]:
    if problem.both is not None:
        loss, metric = problem.both(model, batch)
        return _scalar(loss, "loss"), _scalar(metric, "metric")
    loss = _scalar(problem.loss(model, batch), "loss")
    return loss, loss if problem.metric is None else _scalar(problem.metric(model, batch), "metric")


def _scalar(value: Any, name: str) -> Any:
    """A loss or a metric as it was given, read later together with those of the other batches."""
    if not isinstance(value, int | float):
        check_scalar(value, name)
    return value


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
