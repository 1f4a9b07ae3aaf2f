"""A small convolutional network on scikit-learn's 8 x 8 digits, 1,797 scans of real handwriting."""

import numpy as np
import torch
from sklearn.datasets import load_digits
from torch import nn

MAXIMIZE = True
EPOCHS = 20
BATCH_SIZE = 32
TRAIN, VALIDATION = 900, 300


def model(seed: int) -> nn.Module:
    """Two convolutions with rectified units, a pool, and a dense layer."""
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(16, 32, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(512, 10),
    )


def data(seed: int):
    """900 digits to train on, 300 to validate on, the other 597 to test on: another draw for every seed."""
    inputs, targets = load_digits(return_X_y=True)
    inputs = (inputs / 16).astype(np.float32).reshape(-1, 1, 8, 8)
    order = np.random.RandomState(seed).permutation(len(inputs))
    parts = np.split(order, [TRAIN, TRAIN + VALIDATION])
    return tuple((inputs[part], targets[part].astype(np.int64)) for part in parts)


def loss(model: nn.Module, batch) -> torch.Tensor:
    """Cross-entropy."""
    inputs, targets = batch
    return nn.functional.cross_entropy(model(inputs), targets)


def metric(model: nn.Module, batch) -> torch.Tensor:
    """Accuracy."""
    inputs, targets = batch
    return (model(inputs).argmax(dim=1) == targets).double().mean()
