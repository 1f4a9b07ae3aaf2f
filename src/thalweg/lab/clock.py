"""Clocks of a training: the seconds it takes, and those of its optimizer, also where a device works behind the host."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any, Protocol

import torch

from thalweg.lab.device import kind_of, wait

PENDING = 256  # steps of which a device may not have told yet when they were


class Clock(Protocol):
    """Begins to count when it is made."""

    def before(self) -> None:
        """The optimizer is about to step."""
        ...

    def after(self) -> None:
        """It has."""
        ...

    def read(self) -> tuple[float, float]:
        """The seconds so far, and those of the optimizer."""
        ...


def clock(device: str) -> Clock:
    """A clock for a device.

    Example:
        >>> counting = clock("cpu")
        >>> counting.before(), counting.after()
        (None, None)
        >>> seconds, stepping = counting.read()
        >>> 0 <= stepping <= seconds
        True
    """
    if kind_of(device) != "cuda":
        return HostClock()
    return DeviceClock(partial(torch.cuda.Event, enable_timing=True), lambda: wait(device))


class HostClock:
    """Of a device that has done what it was told when the call returns."""

    def __init__(self) -> None:
        self._stepping = self._before = 0.0
        self._start = time.perf_counter()

    def before(self) -> None:
        """The optimizer is about to step."""
        self._before = time.perf_counter()

    def after(self) -> None:
        """It has."""
        self._stepping += time.perf_counter() - self._before

    def read(self) -> tuple[float, float]:
        """The seconds so far, and those of the optimizer."""
        return time.perf_counter() - self._start, self._stepping


class DeviceClock:
    """Of a device that works later: it waits for it at the beginning and at the end, and never at a step.

    The optimizer's part is told by marks in the device's own work. What the device waits there for the host counts,
    as it does in the whole.

    Args:
        mark: Makes such a mark, an event of torch.
        wait: Returns when the device has done everything.
    """

    def __init__(self, mark: Callable[[], Any], wait: Callable[[], None]) -> None:
        self._mark, self._wait = mark, wait
        self._stepping = 0.0
        self._pending: deque[tuple[Any, Any]] = deque()
        self._before: Any = None
        wait()
        self._start = time.perf_counter()

    def before(self) -> None:
        """The optimizer is about to step."""
        self._before = self._marked()

    def after(self) -> None:
        """It has been told to."""
        self._pending.append((self._before, self._marked()))
        if len(self._pending) > PENDING:
            self._count()

    def read(self) -> tuple[float, float]:
        """The seconds so far, and those of the optimizer."""
        self._wait()
        seconds = time.perf_counter() - self._start
        while self._pending:
            self._count()
        return seconds, self._stepping

    def _marked(self) -> Any:
        mark = self._mark()
        mark.record()
        return mark

    def _count(self) -> None:
        """Count the oldest step, which the device has done long ago unless it is far behind."""
        before, after = self._pending.popleft()
        after.synchronize()
        self._stepping += before.elapsed_time(after) / 1000
