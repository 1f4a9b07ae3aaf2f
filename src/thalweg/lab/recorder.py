"""`Recorder`: attaches the watcher to a run's optimizers and keeps what it tells, of a bounded size."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from thalweg.lab.watched import Noted, Numbers, Watched

if TYPE_CHECKING:
    import numpy as np
    import torch

    from thalweg.watch.alarm import Raised
    from thalweg.watch.history import Measured
    from thalweg.watch.subject import Subject

MOST = 200  # measurements of a run that are kept
NUMBERS = 20_000  # and of parts times measurements, so that a network of 1,000 layers has no more than 20 of them


def warm(optimizer: torch.optim.Optimizer) -> None:
    """Take a step with an optimizer that is there only to be tried, and measure it."""
    from thalweg.watch import attach

    with attach(optimizer, every=1, to=()):
        optimizer.step()


class Recorder:
    """An output of the watcher (`thalweg.watch.outputs.output.Output`) through all phases of a run.

    It keeps every measurement until there are too many, then every second, every fourth ...: which ones depends on
    nothing but their number, so that the runs of several seeds have the same steps.
    """

    def __init__(self, every: int) -> None:
        self.every = every
        self.layers: tuple[str, ...] = ()
        self.groups: tuple[str, ...] = ()
        self._columns: list[int | None] = []
        self._watcher: Any = None
        self._steps = 0  # that were told so far
        self._before = 0  # of them those of earlier phases: the watcher of each phase counts from 1
        self._stride, self._seen = 1, 0
        self._kept: list[tuple[int, float, Mapping[str, Numbers]]] = []
        self._raised: list[tuple[int, Raised]] = []

    def attach(self, optimizer: torch.optim.Optimizer, model: torch.nn.Module) -> None:
        """Watch the optimizer of a phase that begins, and no longer the one before."""
        if self.every:
            from thalweg.watch import attach

            self.close()
            self._before = self._steps
            self._watcher = attach(optimizer, every=self.every, model=model, to=(self,))

    def loss(self, loss: float | torch.Tensor) -> None:
        """A step was taken, at this loss; a tensor is read when the device has computed it anyway."""
        self._steps += 1
        if self._watcher is not None:
            self._watcher.loss(loss)

    def begin(self, subject: Subject) -> None:
        """Watching begins, or goes on with other parts: the columns stay those of the beginning."""
        if not self._columns:
            self.layers = tuple(part.name for part in subject.parts if not part.is_group)
            self.groups = tuple(part.name for part in subject.parts if part.is_group)
        place = {part.name: column for column, part in enumerate(subject.parts)}
        self._columns = [place.get(name) for name in (*self.layers, *self.groups)]

    def measured(self, measured: Measured) -> None:
        """There is a measurement."""
        if self._seen % self._stride == 0:
            figures = {name: self._row(numbers) for name, numbers in measured.values.items()}
            self._kept.append((self._before + measured.step, float(measured.loss), figures))
            if len(self._kept) > max(2, min(MOST, NUMBERS // max(1, len(self._columns)))):
                del self._kept[1::2]
                self._stride *= 2
        self._seen += 1

    def _row(self, numbers: np.ndarray) -> Numbers:
        known = numbers.tolist()
        return tuple(None if column is None else _rounded(known[column]) for column in self._columns)

    def raised(self, raised: Raised) -> None:
        """An alarm was raised."""
        self._raised.append((self._before + raised.step, raised))

    def close(self) -> None:
        """Watching is over; called by the watcher, and by who ends the run."""
        watcher, self._watcher = self._watcher, None
        if watcher is not None:
            watcher.close()

    def watched(self, steps: Sequence[int], last: float = math.inf) -> Watched | None:
        """What was watched in all; None where nothing was to be.

        Args:
            steps: How many the whole epochs had.
            last: The step that ended the training: of a loss that a device tells late, more may have been taken.
        """
        if not self.every:
            return None
        self.close()
        self._kept = [kept for kept in self._kept if kept[0] <= last]
        self._raised = [raised for raised in self._raised if raised[0] <= last]
        names = list(dict.fromkeys(name for _, _, figures in self._kept for name in figures))
        nothing = (None,) * len(self._columns)
        figures = {name: tuple(f.get(name, nothing) for _, _, f in self._kept) for name in names}
        return Watched(
            every=self.every,
            layers=tuple(map(_text, self.layers)),
            groups=tuple(map(_text, self.groups)),
            steps=tuple(step for step, _, _ in self._kept),
            loss=tuple(_rounded(loss) for _, loss, _ in self._kept),
            figures={name: rows for name, rows in figures.items() if any(n is not None for row in rows for n in row)},
            alarms=tuple(_noted(step, raised, list(accumulate(steps))) for step, raised in self._raised),
        )


def _noted(step: int, raised: Raised, ends: Sequence[int]) -> Noted:
    from thalweg.watch.alarms import ALARMS

    found = raised.finding
    advice = found.advice or next((alarm.advice for alarm in ALARMS if alarm.name == raised.alarm), "")
    part, words = _text(found.part), _text(found.words)
    epoch = bisect_left(ends, step) + 1
    return Noted(int(step), epoch, raised.alarm, part, _rounded(float(found.number)), words, _text(advice))


def _rounded(number: float) -> float | None:
    """With four digits, which is more than a chart shows; None for what is no finite number.

    Example:
        >>> _rounded(0.123456), _rounded(float("inf"))
        (0.1235, None)
    """
    return float(f"{number:.4g}") if math.isfinite(number) else None


def _text(text: str) -> str:
    """A text that any encoding takes: names may hold what is no character."""
    return text.encode("utf-8", "backslashreplace").decode()
