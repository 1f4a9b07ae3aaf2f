"""A convolutional autoencoder takes the noise out of signals that jump.

It stands for autoencoders and for networks from signal to signal, whose loss is a small mean over many outputs.
"""

import numpy as np
import torch
from torch import nn

BATCH_SIZE = 32
SAMPLES, LENGTH, NOISE = 2400, 48, 0.3


def model(seed: int) -> nn.Module:
    """Two convolutions that halve the length, and two transposed ones that double it."""
    return nn.Sequential(
        nn.Conv1d(1, 16, 5, stride=2, padding=2),
        nn.ReLU(),
        nn.Conv1d(16, 24, 5, stride=2, padding=2),
        nn.ReLU(),
        nn.ConvTranspose1d(24, 16, 4, stride=2, padding=1),
        nn.ReLU(),
        nn.ConvTranspose1d(16, 1, 4, stride=2, padding=1),
    )


def data(seed: int):
    """Steps of random heights at random places, with and without noise."""
    random = np.random.RandomState(15)
    jumps = random.normal(size=(SAMPLES, LENGTH)) * (random.uniform(size=(SAMPLES, LENGTH)) < 0.08)
    clean = (random.normal(scale=0.5, size=(SAMPLES, 1)) + jumps.cumsum(axis=1)).astype(np.float32)
    clean = (clean / clean.std())[:, None]
    noisy = (clean + NOISE * random.normal(size=clean.shape)).astype(np.float32)
    return tuple(zip(np.split(noisy, [1700, 2000]), np.split(clean, [1700, 2000]), strict=True))


def loss(model: nn.Module, batch) -> torch.Tensor:
    """The mean squared error."""
    noisy, clean = batch
    return nn.functional.mse_loss(model(noisy), clean)
