"""A problem tried on one batch of every part, before any long work."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable
from typing import Any

import torch

from thalweg.errors import InputError, in_short
from thalweg.lab.batches import Pass, length, size
from thalweg.lab.identity import identity
from thalweg.lab.problem import Data, Problem
from thalweg.lab.run import check_scalar, digest_of_tensors


def check(problem: Problem, data: Data, seed: int, batch_size: int | None) -> str:
    """Try a problem on one batch of every part, before any long work.

    Returns:
        A hash of the initial weights, of the first losses and metrics, and of what the functions do: it stands for a
        problem that no file defines.

    Raises:
        InputError: If model, loss or metric do not fit together, or the first loss is no finite number.
    """
    # No optimizer has stepped yet, so what is wrong here is the problem's, and a sentence can say where.
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = tried("model(seed)", lambda: problem.model(seed))
        if not isinstance(model, torch.nn.Module):
            raise InputError(f"expected model(seed) to give a torch module, got {type(model).__name__}: return one")
        weights = digest_of_tensors(model)
        parts = {"train": data.train, "test": data.test, "validation": data.tuning[1]}
        measured = [_check_batch(problem, model, first_batch(part, batch_size), name) for name, part in parts.items()]
    functions = identity(problem.model, problem.loss, problem.metric)
    return hashlib.sha256(f"{weights} {measured!r} {functions}".encode()).hexdigest()


def first_batch(part: Any, batch_size: int | None) -> Any:
    """The first batch of a part.

    Raises:
        InputError: If there is none.
    """
    length(part)
    for batch in Pass(part, batch_size, None):
        return batch
    raise InputError("expected at least one batch, got an empty data set or loader: give it some data")


def _check_batch(problem: Problem, model: torch.nn.Module, batch: Any, part: str) -> tuple[float, float]:
    loss = tried(f"loss(model, batch) on a {part} batch", lambda: problem.loss(model, batch))
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
        metric = tried(f"metric(model, batch) on a {part} batch", lambda: measure(model, batch))
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
        raise InputError(f"{what} fails ({in_short(error)}): mend the problem and call again") from error
