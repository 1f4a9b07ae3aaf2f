"""A problem tried on one batch of every part, before any long work."""

from __future__ import annotations

import hashlib
import math
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch

from thalweg.errors import InputError, in_short
from thalweg.lab.batches import Pass, length, moved, size
from thalweg.lab.device import PLAIN, is_full, kind_of, most_memory, repeatable
from thalweg.lab.generators import generators_kept
from thalweg.lab.identity import identity
from thalweg.lab.problem import Data, Problem
from thalweg.lab.run import EVALUATION_BATCH, check_scalar, digest_of_tensors


@dataclass(frozen=True)
class Checked:
    """What trying a problem told.

    Attributes:
        digest: A hash of the initial weights, of the first losses and metrics, and of what the functions do: it stands
            for a problem that no file defines. What a GPU computed is left out, as it may differ from time to time.
        memory: About how many bytes of a GPU a run takes; 0 where it is none.
    """

    digest: str
    memory: int


def check(problem: Problem, data: Data, seed: int, batch_size: int | None, device: str = PLAIN) -> Checked:
    """Try a problem on one batch of every part, before any long work, on the device that it is to be trained on.

    Raises:
        InputError: If model, loss or metric do not fit together or do not fit the device, or the first loss is no
            finite number.
    """
    # No optimizer has stepped yet, so what is wrong here is the problem's, and a sentence can say where.
    with generators_kept(), _as_in_a_run(device):
        torch.manual_seed(seed)
        model = tried("model(seed)", lambda: problem.model(seed))
        if not isinstance(model, torch.nn.Module):
            raise InputError(f"expected model(seed) to give a torch module, got {type(model).__name__}: return one")
        weights, measured = digest_of_tensors(model), []
        is_gpu = kind_of(device) == "cuda"

        def measure() -> int:
            tried(f"moving the model to {device}", lambda: model.to(device))
            sizes = {"train": batch_size}  # of other parts that of an evaluation, where it is asked how much that takes
            for name, part in {"train": data.train, "test": data.test, "validation": data.tuning[1]}.items():
                batch = first_batch(part, sizes.get(name, EVALUATION_BATCH if is_gpu else batch_size))
                measured.append(_check_batch(problem, model, batch, name, device))
            return sum(p.numel() * p.element_size() for p in model.parameters())

        memory = most_memory(device, measure)
    functions = identity(problem.model, problem.loss, problem.metric)
    return Checked(hashlib.sha256(f"{weights} {[] if is_gpu else measured!r} {functions}".encode()).hexdigest(), memory)


@contextmanager
def _as_in_a_run(device: str) -> Iterator[None]:
    """The settings of a run: what a process does first with CUDA decides for good how cuBLAS works in it."""
    if device == PLAIN:
        yield
        return
    with repeatable(device, strict=False), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def first_batch(part: Any, batch_size: int | None) -> Any:
    """The first batch of a part.

    Raises:
        InputError: If there is none.
    """
    length(part)
    for batch in Pass(part, batch_size, None):
        return batch
    raise InputError("expected at least one batch, got an empty data set or loader: give it some data")


def _check_batch(problem: Problem, model: torch.nn.Module, batch: Any, part: str, device: str) -> tuple[float, float]:
    where = f"a {part} batch"
    if device != PLAIN:
        batch, where = moved(batch, device), f"{where}, which lies on {device},"
    loss = tried(f"loss(model, batch) on {where}", lambda: problem.loss(model, batch))
    check_scalar(loss, "loss")
    value = loss.item()
    if not math.isfinite(value):
        raise InputError(
            f"expected a finite loss of the first {part} batch, got {value}: look at the model's output and the data"
        )
    if part == "train":
        if not loss.requires_grad:
            raise InputError("expected a loss that depends on the model's weights, got one without gradient: use model")
        tried("the loss's backward pass", loss.backward)
    if size(batch) < 1:
        raise InputError(f"expected at least one sample in a {part} batch, got none: give it some data")
    if (measure := problem.metric) is None:
        return value, value
    with torch.no_grad():
        metric = tried(f"metric(model, batch) on {where}", lambda: measure(model, batch))
    if not isinstance(metric, int | float):
        check_scalar(metric, "metric")
    return value, float(metric)


def tried(what: str, function: Callable[[], Any]) -> Any:
    """What a function of a problem's file gives.

    Raises:
        InputError: If it raises, or ends the process.
    """
    try:
        return function()
    except InputError:
        raise
    except (Exception, SystemExit) as error:
        mend = "take a smaller model or --batch-size" if is_full(error) else "mend the problem and call again"
        raise InputError(f"{what} fails ({in_short(error)}): {mend}") from error
