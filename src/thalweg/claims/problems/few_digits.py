"""Few digits and a network that can learn them by heart: 300 of scikit-learn's 8 x 8 digits, so that decay matters."""

import numpy as np
import torch
from sklearn.datasets import load_digits
from torch import nn

MAXIMIZE = True
EPOCHS = 40
BATCH_SIZE = 32
TRAIN, VALIDATION = 300, 600


def model(seed: int) -> nn.Module:
    """Two hidden layers of 128 rectified units."""
    return nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 128), nn.ReLU(), nn.Linear(128, 10))


def data(seed: int):
    """300 digits to train on, 600 to validate on, the other 897 to test on: another draw for every seed."""
    inputs, targets = load_digits(return_X_y=True)
    inputs = (inputs / 16).astype(np.float32)
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
