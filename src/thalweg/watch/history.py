"""What was measured so far: a row per measured step, a column per part, for every figure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import nan

import numpy as np

from thalweg.watch.figure import NAMES
from thalweg.watch.subject import Subject

MOST = 1024  # measurements that are kept: beyond, every second one of the older half goes
FIRST = 64  # measurements that are always kept: how it began is what later ones are compared with


@dataclass(frozen=True)
class Measured:
    """What one measurement gave.

    Attributes:
        step: The optimizer's step, from 1.
        loss: Mean of the losses that were told since the measurement before; NaN where none was.
        values: For each figure that is known a number per part; NaN where it means nothing.
    """

    step: int
    loss: float
    values: Mapping[str, np.ndarray]


class History:
    """Measurements in the order of their steps.

    Attributes:
        subject: Who is measured.
        begun: The step that was the last one before watching began, or began anew with other parameters.
        losses: Every loss that was told lately, as (step, loss), also of steps between measurements.
    """

    def __init__(self, subject: Subject, most: int = MOST) -> None:
        self.subject, self.begun = subject, 0
        self.losses: list[tuple[int, float]] = []
        self._most = most
        self._count = 0
        self._steps = np.zeros(most, np.int64)
        self._loss = np.full(most, nan)
        self._values: dict[str, np.ndarray] = {}

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, figure: str) -> np.ndarray:
        """A figure, of shape (measurements, parts); NaN where it means nothing or was not measured.

        Raises:
            KeyError: If there is no such figure.
        """
        if figure not in NAMES:
            raise KeyError(figure)
        if figure not in self._values:
            return np.full((self._count, len(self.subject.parts)), nan)
        return self._values[figure][: self._count]

    @property
    def steps(self) -> np.ndarray:
        """The steps that were measured."""
        return self._steps[: self._count]

    @property
    def loss(self) -> np.ndarray:
        """The loss of each measurement."""
        return self._loss[: self._count]

    @property
    def last(self) -> int:
        """The step of the last measurement; 0 before the first."""
        return int(self._steps[self._count - 1]) if self._count else 0

    def told(self, step: int, loss: float) -> None:
        """Keep a loss."""
        self.losses.append((step, loss))
        if len(self.losses) > 2 * self._most:
            del self.losses[: self._most]

    def append(self, measured: Measured) -> None:
        """Add a measurement."""
        values = {name: np.asarray(numbers)[None] for name, numbers in measured.values.items()}
        self.extend([measured.step], [measured.loss], values)

    def extend(self, steps: Sequence[int], losses: Sequence[float], values: Mapping[str, np.ndarray]) -> None:
        """Add several measurements at once.

        Args:
            steps: Of each the step.
            losses: Of each the loss.
            values: For each figure that is known an array of shape (measurements, parts).
        """
        most = max(1, self._most // 2)
        for begin in range(0, len(steps), most):
            self._extend(slice(begin, begin + most), steps, losses, values)

    def _extend(
        self, which: slice, steps: Sequence[int], losses: Sequence[float], values: Mapping[str, np.ndarray]
    ) -> None:
        count = len(steps[which])
        while self._count + count > self._most:
            self._thin()
        rows = slice(self._count, self._count + count)
        self._steps[rows], self._loss[rows] = steps[which], losses[which]
        for name, numbers in values.items():
            if name not in self._values:
                self._values[name] = np.full((self._most, len(self.subject.parts)), nan, np.float32)
            self._values[name][rows] = numbers[which]
        for name in self._values.keys() - values.keys():
            self._values[name][rows] = nan
        self._count += count

    def _thin(self) -> None:
        half = max(2, self._count // 2)
        first = min(FIRST, half // 4)
        kept = np.r_[0:first, first:half:2, half : self._count]
        for column in (self._steps, self._loss, *self._values.values()):
            column[: len(kept)] = column[kept]
        self._count = len(kept)
