"""A problem that trains in milliseconds: three kinds of points in the plane, as a user would write it in a file."""

import numpy as np
from torch import nn

from thalweg.lab.batches import of_arrays
from thalweg.lab.measures import accuracy, cross_entropy
from thalweg.lab.problem import Data, Problem


def load(source: str | None, seed: int) -> Data:
    rng = np.random.default_rng(0)
    targets = np.arange(120) % 3
    centres = np.array([[0, 2], [2, -1], [-2, -1]], dtype=np.float32)
    inputs = (centres[targets] + rng.standard_normal((120, 2))).astype(np.float32)
    return of_arrays("points in the plane", (inputs[:90], targets[:90]), (inputs[90:], targets[90:]))


def model(seed: int) -> nn.Module:
    return nn.Sequential(nn.Linear(2, 8), nn.ReLU(), nn.Dropout(0.2), nn.Linear(8, 3))


PROBLEM = Problem(
    name="tiny",
    summary="three kinds of points",
    load=load,
    model=model,
    loss=cross_entropy,
    metric=accuracy,
    metric_name="accuracy",
    maximize=True,
    optimizers=(("Adam", "adam:lr=0.01"), ("SGD", "sgd:lr=0.1")),
    epochs=3,
    batch_size=16,
)
