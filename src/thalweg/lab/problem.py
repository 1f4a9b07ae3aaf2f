"""What a problem is: data, a model, a loss and a metric, each a function, and the settings that are usual for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Data:
    """Samples to train on and samples to validate on.

    Attributes:
        name: What the data is and where it came from, in a few words for people.
        train: Inputs (float32, samples first) and targets, of equal length.
        validation: The same for validation.
        digest: A hash of every byte above; part of a run's key.
    """

    name: str
    train: tuple[np.ndarray, np.ndarray]
    validation: tuple[np.ndarray, np.ndarray]
    digest: str


@dataclass(frozen=True)
class Problem:
    """Something to train.

    Attributes:
        name: As the command line calls it.
        summary: One line for people.
        load: From the `--data` argument, or None for the problem's own data, to the data.
        model: Makes the network; called after torch's seed was set.
        loss: From the network's output and the targets to the mean loss, a scalar tensor.
        metric: From the same to the mean metric over the samples, a scalar tensor.
        metric_name: What the metric measures, for instance `"accuracy"`.
        optimizers: What `compare` trains when not told otherwise, in the command line's grammar, with a label each.
        epochs: Passes over the training data.
        batch_size: Samples per step.
    """

    name: str
    summary: str
    load: Callable[[str | None], Data]
    model: Callable[[], Any]
    loss: Callable[[Any, Any], Any]
    metric: Callable[[Any, Any], Any]
    metric_name: str
    optimizers: tuple[tuple[str, str], ...]
    epochs: int = 10
    batch_size: int = 64
