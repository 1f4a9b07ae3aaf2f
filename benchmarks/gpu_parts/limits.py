"""What may go wrong: it takes too long, or it raises an error, which is then a sentence, or a check that failed."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from gpu_parts.items import Check


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Give up what takes longer; where the system has no alarm clock, wait for it.

    Raises:
        TimeoutError: When the time is up.
    """
    if not hasattr(signal, "SIGALRM"):
        yield
        return

    def ring(*_: Any) -> None:
        raise TimeoutError(f"took longer than {seconds:.0f} s")

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def attempted(what: str, measure: Callable[[], float], bound: float, unit: str) -> Check:
    """The check of a number; where there is none because of an error, it has failed."""
    try:
        return Check(what, measure(), bound, unit)
    except Exception as error:
        return Check(what, float("inf"), bound, unit, sentence(error))


def sentence(error: BaseException) -> str:
    """An error in one line."""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text[:200]}" if text else type(error).__name__
