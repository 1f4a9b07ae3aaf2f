"""Linear regression on data drawn from a linear model: ten features, noise of standard deviation 0.5, batches of 32.

It stands for well-conditioned convex problems, on which every method should work, and is the example of most courses.
The data is drawn here: 1,000 samples to train, another 1,000 to test, features and true coefficients standard normal.
The least mean squared error that can be hoped for is the noise's variance, 0.25.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from torch import nn

from thalweg.lab.batches import of_arrays
from thalweg.lab.data import only_own
from thalweg.lab.initial import glorot
from thalweg.lab.measures import squared_error
from thalweg.lab.problem import Data, Problem

FEATURES = 10
NOISE = 0.5
_SAMPLES = 1000


def load(source: str | None, seed: int = 0) -> Data:
    """The samples; the seed changes nothing.

    Args:
        source: None, for there is no other data.
        seed: Of the run.

    Returns:
        Features of shape (N, 10) and targets of shape (N, 1).

    Raises:
        InputError: If a source is named.

    Example:
        >>> [part[0].shape for part in (load(None).train, load(None).test)]
        [(1000, 10), (1000, 10)]
    """
    only_own(source, "linear-regression")
    return _drawn()


@cache
def _drawn() -> Data:
    # RandomState's stream is frozen for ever; that of NumPy's newer generators may change with a release.
    random = np.random.RandomState(0)
    coefficients = random.normal(size=(FEATURES + 1, 1))
    features = random.normal(size=(2 * _SAMPLES, FEATURES))
    noise = random.normal(scale=NOISE, size=(2 * _SAMPLES, 1))
    targets = features @ coefficients[1:] + coefficients[0] + noise
    arrays = [array.astype(np.float32) for array in (features, targets)]
    train, test = (tuple(array[part] for array in arrays) for part in (slice(_SAMPLES), slice(_SAMPLES, None)))
    return of_arrays(f"{_SAMPLES:,} samples to train, {_SAMPLES:,} to test, drawn from a linear model", train, test)


def model(seed: int) -> nn.Linear:
    """One linear layer with a bias, started as in Keras.

    Args:
        seed: Of torch's generator, which was set to it before.

    Example:
        >>> import torch
        >>> model(0)(torch.zeros(3, 10)).tolist()
        [[0.0], [0.0], [0.0]]
    """
    return glorot(nn.Linear(FEATURES, 1))


PROBLEM = Problem(
    name="linear-regression",
    summary="a linear model learns ten coefficients from noisy samples, 32 at a time",
    load=load,
    model=model,
    loss=squared_error,
    metric_name="mean squared error",
    optimizers=(
        ("AdaGrad", "adagrad:lr=0.1"),
        ("Adam", "adam:lr=0.01"),
        ("RMSprop", "rmsprop:lr=0.01"),
        ("SGD", "sgd:lr=0.01"),
    ),
    epochs=50,
    batch_size=32,
    target=0.27,
)
