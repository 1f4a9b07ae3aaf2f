"""Handwritten digits and a small convolutional network: the comparison that most articles print a table of."""

from __future__ import annotations

from torch import nn

from thalweg.lab import digits
from thalweg.lab.initial import glorot
from thalweg.lab.measures import accuracy, cross_entropy, cross_entropy_and_accuracy
from thalweg.lab.problem import Problem


def model(seed: int) -> nn.Sequential:
    """One convolution, one hidden layer, dropout after each; logits for ten digits.

    Args:
        seed: Of torch's generator, which was set to it before.

    Returns:
        The network, with Glorot-uniform weights and zero biases as in Keras.

    Example:
        >>> import torch
        >>> model(0)(torch.zeros(2, 1, 28, 28)).shape
        torch.Size([2, 10])
    """
    network = nn.Sequential(
        nn.Conv2d(1, 32, 3),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Dropout(0.25),
        nn.Flatten(),
        nn.Linear(32 * 13 * 13, 256),
        nn.ReLU(),
        nn.Dropout(0.5),
        nn.Linear(256, 10),
    )
    return glorot(network)


PROBLEM = Problem(
    name="mnist-cnn",
    summary="a small convolutional network learns handwritten digits",
    load=digits.load,
    model=model,
    loss=cross_entropy,
    metric=accuracy,
    metric_name="accuracy",
    maximize=True,
    target=0.95,
    both=cross_entropy_and_accuracy,
)
