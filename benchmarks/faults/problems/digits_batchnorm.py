"""A convolutional network with batch norms reads scikit-learn's 8 x 8 digits, its labels smoothed.

It stands for image classifiers of the usual kind: no biases before a norm, a mean over the image in the end.
"""

import numpy as np
import torch
from sklearn.datasets import load_digits
from torch import nn

MAXIMIZE = True
BATCH_SIZE = 32
SMOOTHING = 0.1


def model(seed: int) -> nn.Module:
    """Three convolutions, a norm and rectified units after each, and a linear layer."""
    return nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1, bias=False),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.Conv2d(8, 16, 3, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(16),
        nn.ReLU(),
        nn.Conv2d(16, 32, 3, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(32),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(32, 10),
    )


def data(seed: int):
    """1,200 digits to train on, 300 to validate on, 297 to test on."""
    inputs, targets = load_digits(return_X_y=True)
    inputs = (inputs / 16).astype(np.float32).reshape(-1, 1, 8, 8)
    order = np.random.RandomState(14).permutation(len(inputs))
    return tuple((inputs[part], targets[part].astype(np.int64)) for part in np.split(order, [1200, 1500]))


def loss(model: nn.Module, batch) -> torch.Tensor:
    """Cross-entropy with smoothed labels."""
    inputs, targets = batch
    return nn.functional.cross_entropy(model(inputs), targets, label_smoothing=SMOOTHING)


def metric(model: nn.Module, batch) -> torch.Tensor:
    """Accuracy."""
    inputs, targets = batch
    return (model(inputs).argmax(dim=1) == targets).double().mean()
