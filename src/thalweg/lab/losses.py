"""The losses of an epoch's batches, read where reading keeps nobody waiting."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch

from thalweg.lab.device import PLAIN

BLOCK = 32  # losses that stay on a device until they are read: reading waits until it has done everything before


class Losses:
    """Adds up the losses of batches in their order, and stops at the first that is no finite number.

    On the CPU each is read at once; on another device they are read some together, and what came after the first that
    is not finite counts for nothing: so the numbers are the same.

    Example:
        >>> losses = Losses("cpu")
        >>> losses.add(torch.tensor(2.0), 3), losses.add(torch.tensor(4.0), 1), losses.add(torch.tensor(math.nan), 1)
        (True, True, False)
        >>> losses.samples, losses.steps
        (5, 3)
    """

    def __init__(self, device: str) -> None:
        self.total, self.samples, self.steps = 0.0, 0, 0
        self._block = 1 if device == PLAIN else BLOCK
        self._waiting: list[tuple[torch.Tensor, int]] = []

    @property
    def is_finite(self) -> bool:
        """Whether every loss that was read is."""
        return math.isfinite(self.total)

    @property
    def mean(self) -> float:
        """Over the samples, of what was read."""
        return self.total / self.samples

    def add(self, loss: torch.Tensor, samples: int) -> bool:
        """Take a batch's loss; whether to go on, as far as it is known."""
        self._waiting.append((loss.detach(), samples))
        if len(self._waiting) >= self._block:
            self.read()
        return self.is_finite

    def read(self) -> None:
        """Read what waits to be read."""
        waiting, self._waiting = self._waiting, []
        for number, (_, samples) in zip(numbers([loss for loss, _ in waiting]), waiting, strict=True):
            if self.is_finite:
                self.total += number * samples
                self.samples += samples
                self.steps += 1


def numbers(values: Sequence[torch.Tensor | float]) -> list[float]:
    """The numbers in tensors with one element each, all read at once where that can be; numbers as they are.

    Example:
        >>> numbers([torch.tensor(1.5), torch.tensor([2.0])]), numbers([torch.tensor(1.5), 3]), numbers([])
        ([1.5, 2.0], [1.5, 3.0], [])
    """
    tensors = [value.reshape(()) for value in values if isinstance(value, torch.Tensor)]
    if len(tensors) < 2 or len(tensors) < len(values):
        return [value.item() if isinstance(value, torch.Tensor) else float(value) for value in values]
    return torch.stack(tensors).tolist()
