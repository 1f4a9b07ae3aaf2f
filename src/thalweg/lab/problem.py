"""What a problem is: data, a model, a loss and a metric, each a function, and the settings that are usual for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

# What compare trains when neither the command line nor the problem says otherwise: a label, and the lab's grammar.
CLASSICS = (
    ("AdaDelta", "adadelta:dialect=keras"),
    ("AdaGrad", "adagrad:dialect=keras"),
    ("Adam", "adam:dialect=keras"),
    ("RMSprop", "rmsprop:dialect=keras"),
    ("SGD with momentum", "sgd:dialect=keras,momentum=0.9"),
    ("SGD", "sgd:dialect=keras"),
)


@dataclass(frozen=True)
class Data:
    """Samples to train on, to tune on, and to report on.

    A part is a tuple of NumPy arrays, samples first and of equal length; or a torch `Dataset` with a length; or a torch
    `DataLoader`, which then decides batch size and order itself. A batch of it is a tuple of tensors, or what the
    loader gives.

    Attributes:
        name: What the data is and where it came from, in a few words for people.
        train: What the runs of the table are trained on.
        test: What the table reports on.
        tuning: Samples to train and samples to validate on while hyperparameters are chosen.
        digest: A hash of every byte above; part of a run's key.
        held_out: Whether `tuning` is free of `test`; where not, tuned rows are optimistic, and the report says so.
    """

    name: str
    train: Any
    test: Any
    tuning: tuple[Any, Any]
    digest: str
    held_out: bool = True


@dataclass(frozen=True)
class Problem:
    """Something to train.

    Attributes:
        name: As the command line calls it.
        summary: One line for people: what is learned from what, and what it stands for.
        load: From the `--data` argument (None for the problem's own data) and a seed to the data.
        model: From a seed to the network; torch's own seed was set to it before.
        loss: From the network and a batch to the mean loss over the batch, a scalar tensor.
        metric: From the same to the mean metric over the batch, a scalar tensor; None where the loss is the metric.
        metric_name: What the metric measures, for instance `"accuracy"`.
        maximize: Whether more of the metric is better.
        optimizers: What `compare` trains when not told otherwise, in the command line's grammar, with a label each.
        epochs: Passes over the training data.
        batch_size: Samples per step; None for all of them.
        target: A value of the metric that a good run reaches, for "steps to target"; None for none.
        both: Loss and metric from one pass through the network, for evaluations in half the time; None to ask for each.
    """

    name: str
    summary: str
    load: Callable[[str | None, int], Data]
    model: Callable[[int], Any]
    loss: Callable[[Any, Any], Any]
    metric: Callable[[Any, Any], Any] | None = None
    metric_name: str = "loss"
    maximize: bool = False
    optimizers: tuple[tuple[str, str], ...] = CLASSICS
    epochs: int = 10
    batch_size: int | None = 64
    target: float | None = None
    both: Callable[[Any, Any], tuple[Any, Any]] | None = None
