"""A recurrent network of gated units follows a noisy swinging, and says at every place what comes next.

It stands for forecasts of time series, whose loss is made to bear outliers.
"""

import numpy as np
import torch
from torch import nn

BATCH_SIZE = 32
SAMPLES, LENGTH, NOISE = 2000, 12, 0.05


class Forecast(nn.Module):
    """A GRU of 40 units, and a small network that reads the next value out of its state."""

    def __init__(self):
        super().__init__()
        self.recurrent = nn.GRU(1, 40, batch_first=True)
        self.readout = nn.Sequential(nn.Linear(40, 32), nn.ReLU(), nn.Linear(32, 1))

    def forward(self, values):
        """The next value at every place."""
        return self.readout(self.recurrent(values)[0])


def model(seed: int) -> nn.Module:
    """The network, with torch's own initial weights."""
    return Forecast()


def data(seed: int):
    """Sums of two sines of random period, phase and height, with noise; each value's target is the next one."""
    random = np.random.RandomState(11)
    periods, phases = random.uniform(4, 12, (SAMPLES, 2, 1)), random.uniform(0, 2 * np.pi, (SAMPLES, 2, 1))
    heights = random.uniform(0.3, 1.2, (SAMPLES, 2, 1))
    waves = (heights * np.sin(2 * np.pi * np.arange(LENGTH + 1) / periods + phases)).sum(axis=1)
    values = (waves + NOISE * random.normal(size=waves.shape)).astype(np.float32)[:, :, None]
    return tuple((part[:, :-1], part[:, 1:]) for part in np.split(values, [1400, 1700]))


def loss(model: nn.Module, batch) -> torch.Tensor:
    """Huber's: squares of small errors, absolute values of large ones."""
    values, following = batch
    return nn.functional.huber_loss(model(values), following)
