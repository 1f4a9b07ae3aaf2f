"""A residual network with layer norms learns Friedman's function of ten numbers, and how far off it is in each place.

It stands for regression on tables, with a distribution as the answer: a mean and a variance.
"""

import numpy as np
import torch
from sklearn.datasets import make_friedman1
from torch import nn

BATCH_SIZE = 64
SAMPLES, WIDTH = 12000, 48


class Block(nn.Module):
    """What is added to its input: a norm, a hidden layer of rectified units, and a linear one."""

    def __init__(self):
        super().__init__()
        self.norm = nn.LayerNorm(WIDTH)
        self.hidden = nn.Linear(WIDTH, 2 * WIDTH)
        self.out = nn.Linear(2 * WIDTH, WIDTH)

    def forward(self, inputs):
        """The input and what is added to it."""
        return inputs + self.out(self.hidden(self.norm(inputs)).relu())


class Residual(nn.Module):
    """Three blocks between two linear layers."""

    def __init__(self):
        super().__init__()
        self.entrance = nn.Linear(10, WIDTH)
        self.blocks = nn.Sequential(Block(), Block(), Block())
        self.exit = nn.Linear(WIDTH, 2)

    def forward(self, inputs):
        """Mean and variance of every sample."""
        mean, spread = self.exit(self.blocks(self.entrance(inputs))).unbind(dim=1)
        return mean, nn.functional.softplus(spread) + 1e-3


def model(seed: int) -> nn.Module:
    """The network, with torch's own initial weights."""
    return Residual()


def data(seed: int):
    """Friedman's first function, standardised, with noise that grows with the fifth number."""
    inputs, targets = make_friedman1(SAMPLES, random_state=12)
    noise = np.random.RandomState(13).normal(size=SAMPLES) * (0.8 + 1.8 * inputs[:, 4])
    targets = ((targets + noise - targets.mean()) / targets.std()).astype(np.float32)
    inputs = (np.sqrt(12) * (inputs - 0.5)).astype(np.float32)
    return tuple(zip(np.split(inputs, [10000, 11000]), np.split(targets, [10000, 11000]), strict=True))


def loss(model: nn.Module, batch) -> torch.Tensor:
    """The negative logarithm of the normal density."""
    inputs, targets = batch
    mean, variance = model(inputs)
    return nn.functional.gaussian_nll_loss(mean, targets, variance, full=True)
