"""Benign or malignant: a small network on 30 measurements of 569 tumours.

A problem of one's own for `thalweg compare FILE`. Change the functions; all that is needed are `model`, `data`, `loss`.
"""

import numpy as np
import torch
from sklearn.datasets import load_breast_cancer
from torch import nn

MAXIMIZE = True  # more of the metric is better
EPOCHS = 10
BATCH_SIZE = 32  # None for all samples at once; a DataLoader brings its own
# OPTIMIZERS = "adam:lr=1e-3,sgd:lr=0.1,momentum=0.9"  # without it: six classics at Keras' defaults
# TARGET = 0.95  # for the time and the steps that an optimizer needs to reach it


def model(seed: int) -> nn.Module:
    """The network; torch's seed was set to `seed` before."""
    return nn.Sequential(nn.Linear(30, 32), nn.ReLU(), nn.Linear(32, 2))


def data(seed: int):
    """Train, validation and, if you like, test: each a DataLoader, a Dataset, or a tuple of arrays or tensors.

    With a test part, tuning looks at the validation part only, and the table reports on the test part.
    """
    inputs, targets = load_breast_cancer(return_X_y=True)
    inputs = ((inputs - inputs.mean(axis=0)) / inputs.std(axis=0)).astype(np.float32)
    order = np.random.RandomState(0).permutation(len(inputs))
    train, validation, test = np.split(order, [369, 469])
    return tuple((inputs[part], targets[part].astype(np.int64)) for part in (train, validation, test))


def loss(model: nn.Module, batch) -> torch.Tensor:
    """The mean loss of a batch, a scalar tensor."""
    inputs, targets = batch
    return nn.functional.cross_entropy(model(inputs), targets)


def metric(model: nn.Module, batch) -> torch.Tensor:
    """What the table ranks by: the mean over a batch. Leave it out to rank by the loss."""
    inputs, targets = batch
    return (model(inputs).argmax(dim=1) == targets).double().mean()
