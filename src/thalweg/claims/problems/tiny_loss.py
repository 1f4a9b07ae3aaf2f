"""The digits of `small_cnn` with a network of one hidden layer, and a loss that is scaled down by a million.

It stands for losses that are means over very many outputs, and for gradients that a deep network has shrunk.
"""

import numpy as np
import torch
from sklearn.datasets import load_digits
from torch import nn

MAXIMIZE = True
EPOCHS = 20
BATCH_SIZE = 32
SCALE = 1e-6
TRAIN, VALIDATION = 900, 300


def model(seed: int) -> nn.Module:
    """One hidden layer of 64 rectified units."""
    return nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))


def data(seed: int):
    """900 digits to train on, 300 to validate on, the other 597 to test on: another draw for every seed."""
    inputs, targets = load_digits(return_X_y=True)
    inputs = (inputs / 16).astype(np.float32)
    order = np.random.RandomState(seed).permutation(len(inputs))
    parts = np.split(order, [TRAIN, TRAIN + VALIDATION])
    return tuple((inputs[part], targets[part].astype(np.int64)) for part in parts)


def loss(model: nn.Module, batch) -> torch.Tensor:
    """Cross-entropy, scaled down."""
    inputs, targets = batch
    return SCALE * nn.functional.cross_entropy(model(inputs), targets)


def metric(model: nn.Module, batch) -> torch.Tensor:
    """Accuracy."""
    inputs, targets = batch
    return (model(inputs).argmax(dim=1) == targets).double().mean()
