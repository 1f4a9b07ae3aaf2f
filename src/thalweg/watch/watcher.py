"""`Watcher`: what `attach` gives, an optimizer's figures and alarms while it trains."""

from __future__ import annotations

import functools
import math
import weakref
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Any, Self

import numpy as np
import torch

from thalweg.errors import InputError, in_short
from thalweg.watch.alarm import Alarm, Raised
from thalweg.watch.alarms import ALARMS
from thalweg.watch.errors import error_of
from thalweg.watch.figure import NAMES
from thalweg.watch.history import History, Measured
from thalweg.watch.hooks import follow
from thalweg.watch.measuring import Measuring
from thalweg.watch.outputs.output import Output, say
from thalweg.watch.raised import due, raised
from thalweg.watch.subject import Subject
from thalweg.watch.target import groups_of, number, parts_of, target_of


def _safely(method: Callable[..., Any]) -> Callable[..., Any]:
    """What an optimizer calls in its step: nothing once the watcher is closed, and no error comes out of it."""

    @functools.wraps(method)
    def told(self: Watcher, *arguments: Any) -> Any:
        if self._closed:
            return False
        try:
            return method(self, *arguments)
        except Exception as error:
            if not self._closed:  # by an output, in the middle of it
                self._give_up(error)
            return False

    return told


class Watcher:
    """Watches an optimizer until it is closed, or the optimizer is gone.

    Figures are worked out a block of measurements at a time: at `every=1` after 32 steps, from `every=16` on after
    four measurements, from `every=64` on after eight. An infinity or NaN ends a block at once.
    """

    def __init__(self, optimizer: Any, every: int, names: Mapping[int, str], outputs: Sequence[Output]) -> None:
        self._every, self._names, self._outputs = every, names, outputs
        self._alarms: list[Raised] = []
        self._told: list[tuple[int, Any]] = []
        self._by_user = self._after = self._closed = False
        self._optimizer = weakref.ref(optimizer)
        self._start(optimizer, _steps_taken(optimizer))
        self._history = History(self._subject)
        self._history.begun = self._first
        self._unfollow = follow(optimizer, self)
        for output in outputs:
            output.begin(self._subject)
        self._end = weakref.finalize(optimizer, Watcher.close, self)

    # -- the surface --

    @property
    def alarms(self) -> tuple[Raised, ...]:
        """The alarms that were raised so far."""
        return tuple(self._alarms)

    @property
    def history(self) -> History:
        """The figures so far, but for those of a block that is not full yet; `flush` works these out too."""
        return self._history

    @property
    def step(self) -> int:
        """How many steps the optimizer has taken."""
        return self._last_step if self._closed else self._measuring.step

    def loss(self, loss: Any) -> None:
        """Tell the loss of a step, before or after it, but always the same way.

        Args:
            loss: A number, or a tensor with one; it is read later where reading would wait for a device.

        Raises:
            InputError: If it is neither.
        """
        if self._closed:
            return
        if not self._by_user:
            self._by_user, self._after = True, self._measuring.step > self._first
            self._told.clear()
        self._keep(self._measuring.step + (0 if self._after else 1), loss)

    def flush(self) -> None:
        """Work out what was read so far, also of a block that is not full yet."""
        if not self._closed:
            self._measuring.work_out()

    def error(self, figure: str) -> np.ndarray:
        """The standard error that the last measurement of a figure has because a sample was read, a number per part.

        Args:
            figure: Its name.

        Returns:
            Zero for figures of every coordinate, and for layers that are in the sample as a whole; NaN where the
            figure has no value or its error is not known.

        Raises:
            InputError: If there is no such figure.
        """
        if figure not in NAMES:
            raise InputError(f"expected the name of a figure, got '{figure}': known: {', '.join(NAMES)}")
        last = self._last if self._closed else (self._measuring.blocks.last, self._measuring.columns)
        return error_of(figure, *last)

    def close(self) -> None:
        """Work out what was read, and let go of the optimizer; it trains on as if nobody had watched it."""
        if self._closed:
            return
        self._let_go()
        try:
            self._measuring.work_out()
            for step, loss in self._told:
                self._history.told(step, float(loss))
            self._look_for(ALARMS)
        except Exception as error:
            self._say_of(error)
        self._end_all()

    def _let_go(self) -> None:
        self._closed, self._last_step = True, self._measuring.step
        self._unfollow()
        self._end.detach()

    def _end_all(self) -> None:
        self._last = self._measuring.blocks.last, self._measuring.columns
        del self._measuring  # which holds the weights
        for output in self._outputs:
            output.close()

    def _give_up(self, error: Exception) -> None:
        """A mistake in here, or a kind of tensor that nobody thought of, must not end a training."""
        self._let_go()
        self._say_of(error)
        self._end_all()

    def _say_of(self, error: Exception) -> None:
        say(f"watching ends at step {self._last_step:,} ({in_short(error)})")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # -- told by the optimizer --

    @_safely
    def evaluated(self, loss: Any) -> None:
        """The closure of a step has returned; its loss counts unless the user tells losses."""
        if not self._by_user and _is_loss(loss):
            self._keep(self._measuring.step + 1, loss)

    @_safely
    def before(self) -> bool:
        """A step begins; see `thalweg.frameworks.torch.observer`."""
        measuring = self._measuring
        if measuring.idle:
            return False
        if not measuring.is_current():
            self._restart()
            measuring = self._measuring
            measuring.is_current()  # which finds everything
        return measuring.before()

    def idle(self) -> int:
        """How many steps may pass of which nothing is to be read."""
        return 0 if self._closed else self._measuring.idle

    def passed(self) -> None:
        """One of them has."""
        if not self._closed:
            self._measuring.step += 1

    @_safely
    def after(self, sums: np.ndarray | None) -> None:
        """The step has been taken."""
        self._measuring.after(sums)

    @_safely
    def skipped(self) -> None:
        """The step is left out because of infinite or NaN gradients."""
        self._measuring.skipped()

    # -- inside --

    def _start(self, optimizer: Any, step: int) -> None:
        target = target_of(optimizer, self._names)
        self._first = step
        self._measuring = Measuring(target, self._every, step, self._done)
        sample = self._measuring.reader.sample
        parts = parts_of(target, sample.counts.tolist(), sample.sizes.tolist())
        self._subject = Subject(parts, groups_of(target), self._every)

    def _restart(self) -> None:
        """The optimizer has other parameters than before: go on with these."""
        self._measuring.work_out()
        old, first = self._subject, self._first
        self._start(self._optimizer(), self._measuring.step)
        self._first = first
        if self._subject.parts != old.parts:
            self._history = _carried_over(self._history, self._subject)
        elif [group.rule for group in self._subject.groups] != [group.rule for group in old.groups]:
            self._history.subject = self._subject
        else:
            self._subject = old
        self._history.begun = self._measuring.step
        if self._subject is not old:
            for output in self._outputs:
                output.begin(self._subject)

    def _keep(self, step: int, loss: Any) -> None:
        if not _is_loss(loss):
            raise InputError(f"expected the loss as a number or a tensor with one, got {type(loss).__name__}")
        if isinstance(loss, torch.Tensor) and loss.device.type != "cpu":
            self._told.append((step, loss.detach().clone()))
            return
        self._told.append((step, loss.item() if isinstance(loss, torch.Tensor) else float(loss)))

    def _done(self, steps: Sequence[int], figures: Mapping[str, np.ndarray]) -> None:
        """Some measurements have been worked out."""
        losses = self._losses(steps)
        self._history.extend(steps, losses, figures)
        if self._outputs:
            for row, (step, loss) in enumerate(zip(steps, losses, strict=True)):
                measured = Measured(step, loss, {name: column[row] for name, column in figures.items()})
                for output in self._outputs:
                    output.measured(measured)
        self._look_for(due(self._history))

    def _look_for(self, alarms: Sequence[Alarm]) -> None:
        for new in raised(self._history, self._alarms, alarms):
            self._alarms.append(new)
            for output in self._outputs:
                output.raised(new)

    def _losses(self, steps: Sequence[int]) -> list[float]:
        """For each measurement the mean of the losses that were told since the one before."""
        told, left = [], []
        for step, loss in self._told:
            (told if step <= steps[-1] else left).append((step, float(loss)))
        self._told = left
        for step, loss in told:
            self._history.told(step, loss)
        places = np.searchsorted(steps, [step for step, _ in told])
        sums = np.bincount(places, [loss for _, loss in told], len(steps))
        counts = np.bincount(places, minlength=len(steps))
        return [float(a / b) if b else math.nan for a, b in zip(sums, counts, strict=True)]


def _is_loss(loss: Any) -> bool:
    if isinstance(loss, torch.Tensor):
        return loss.numel() == 1 and not loss.is_complex()
    try:
        float(loss)
    except (TypeError, ValueError):
        return False
    return not isinstance(loss, str)


def _steps_taken(optimizer: Any) -> int:
    """How many steps an optimizer has taken, as far as its state says."""
    counted = [number(entry.get("step")) for entry in dict.values(optimizer.state) if isinstance(entry, dict)]
    return int(max((count for count in counted if math.isfinite(count)), default=0))


def _carried_over(history: History, subject: Subject) -> History:
    """What was measured of other parts, with a column for each part that there is now."""
    place = {(part.name, part.is_group): k for k, part in enumerate(history.subject.parts)}
    columns = [place.get((part.name, part.is_group), -1) for part in subject.parts]
    known = np.array(columns) >= 0
    carried = History(subject)
    carried.losses = history.losses
    tables = {name: np.where(known, history[name][:, columns], np.nan) for name in NAMES}
    for row, (step, loss) in enumerate(zip(history.steps.tolist(), history.loss.tolist(), strict=True)):
        carried.append(Measured(step, loss, {name: table[row] for name, table in tables.items()}))
    return carried
