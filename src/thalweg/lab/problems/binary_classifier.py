"""A binary classifier with one hidden layer of 32 units: is a breast tumour benign?

It stands for small tables of measurements, the usual first example of a network. The data is the Wisconsin diagnostic
data set inside scikit-learn's wheel: 569 tumours, 30 numbers measured on the image of each, of which two fifths are
there to test. The measurements are scaled to mean 0 and variance 1 on the training samples.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from torch import nn

from thalweg.errors import InputError
from thalweg.lab.batches import held_out, of_arrays
from thalweg.lab.data import only_own
from thalweg.lab.initial import glorot
from thalweg.lab.measures import binary_accuracy, binary_cross_entropy
from thalweg.lab.problem import Data, Problem

_TEST_SHARE = 0.4  # large, so that one tumour more or less counts little


def load(source: str | None, seed: int = 0) -> Data:
    """The tumours inside scikit-learn's wheel; the seed changes nothing.

    Args:
        source: None, for there is no other data.
        seed: Of the run.

    Returns:
        Measurements of shape (N, 30) and labels of shape (N, 1): 1 for benign, 0 for malignant.

    Raises:
        InputError: If a source is named, or scikit-learn is not installed.

    Example:
        >>> [len(part[0]) for part in (load(None).train, load(None).test)]
        [341, 228]
    """
    only_own(source, "binary-classifier")
    return _tumours()


@cache
def _tumours() -> Data:
    try:
        from sklearn.datasets import load_breast_cancer
    except ImportError as error:
        raise InputError(
            "expected scikit-learn, whose wheel holds the tumours, got none: install scikit-learn"
        ) from error
    measurements, labels = load_breast_cancer(return_X_y=True)
    parts = held_out((measurements, labels.astype(np.float32)[:, None]), _TEST_SHARE)
    assert parts is not None
    train, test = parts
    mean, deviation = train[0].mean(axis=0), train[0].std(axis=0)
    scaled = [(((part[0] - mean) / deviation).astype(np.float32), part[1]) for part in (train, test)]
    return of_arrays(
        f"{len(train[0])} tumours to train, {len(test[0])} to test (Wisconsin, from scikit-learn)", *scaled
    )


def model(seed: int) -> nn.Sequential:
    """One hidden layer of 32 rectified units; one logit, of which the loss takes the sigmoid.

    Args:
        seed: Of torch's generator, which was set to it before.

    Returns:
        The network, with Glorot-uniform weights and zero biases as in Keras.

    Example:
        >>> import torch
        >>> model(0)(torch.zeros(2, 30)).shape
        torch.Size([2, 1])
    """
    return glorot(nn.Sequential(nn.Linear(30, 32), nn.ReLU(), nn.Linear(32, 1)))


PROBLEM = Problem(
    name="binary-classifier",
    summary="a network with one hidden layer learns which tumours are benign",
    load=load,
    model=model,
    loss=binary_cross_entropy,
    metric=binary_accuracy,
    metric_name="accuracy",
    maximize=True,
    optimizers=(
        ("AdaGrad", "adagrad:lr=0.01"),
        ("Adam", "adam:lr=0.001"),
        ("RMSprop", "rmsprop:lr=0.001"),
        ("SGD with momentum", "sgd:lr=0.01,momentum=0.9"),
        ("SGD", "sgd:lr=0.01"),
    ),
    epochs=10,
    batch_size=32,
    target=0.95,
)
