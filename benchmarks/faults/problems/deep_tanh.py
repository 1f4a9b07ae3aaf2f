"""A deep and narrow network of tanh units tells six classes of points in twenty dimensions apart.

It stands for plain deep networks, whose gradients come through many layers that may saturate.
"""

from itertools import pairwise

import numpy as np
import torch
from sklearn.datasets import make_classification
from torch import nn

MAXIMIZE = True
BATCH_SIZE = 32
SAMPLES, WIDTH, HIDDEN = 3000, 24, 6


def model(seed: int) -> nn.Module:
    """Six hidden layers of 24 units; Glorot's normal weights, biases of zero."""
    sizes = [20, *HIDDEN * [WIDTH]]
    layers = [layer for pair in pairwise(sizes) for layer in (nn.Linear(*pair), nn.Tanh())]
    network = nn.Sequential(*layers, nn.Linear(WIDTH, 6))
    for layer in network[::2]:
        nn.init.xavier_normal_(layer.weight)
        nn.init.zeros_(layer.bias)
    return network


def data(seed: int):
    """Two clusters per class, drawn by scikit-learn, standardised."""
    inputs, targets = make_classification(
        SAMPLES, 20, n_informative=8, n_classes=6, n_clusters_per_class=2, class_sep=1.5, random_state=17
    )
    inputs = ((inputs - inputs.mean(axis=0)) / inputs.std(axis=0)).astype(np.float32)
    parts = zip(np.split(inputs, [2200, 2600]), np.split(targets.astype(np.int64), [2200, 2600]), strict=True)
    return tuple(parts)


def loss(model: nn.Module, batch) -> torch.Tensor:
    """Cross-entropy."""
    inputs, targets = batch
    return nn.functional.cross_entropy(model(inputs), targets)


def metric(model: nn.Module, batch) -> torch.Tensor:
    """Accuracy."""
    inputs, targets = batch
    return (model(inputs).argmax(dim=1) == targets).double().mean()
