"""What every engine is: it takes specs, and tells what happens to them. It knows no study, no store and no table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from thalweg.lab.run import Epoch, Run
from thalweg.lab.spec import RunSpec

AT_ONCE = 4  # runs that share a GPU: each waits for its turn there, so more give less and less
ATTEMPTS = 3  # of a run whose worker dies: a kill or a full memory may not come again, what fails thrice will


@dataclass(frozen=True)
class Started:
    """A run has begun; told again when it begins anew, since its worker died: its epochs so far then count no more."""

    spec: RunSpec


@dataclass(frozen=True)
class Progress:
    """A run has ended an epoch."""

    spec: RunSpec
    epoch: Epoch


Event = Started | Progress | Run


class Engine(Protocol):
    """Where runs are trained; the same specs give the same numbers on each.

    Attributes:
        slots: How many runs go on at a time; no more than that may be submitted before one of them has ended.
    """

    slots: int

    def submit(self, spec: RunSpec) -> None:
        """Begin a run; its events end with one `Run`, also where it fails or where its worker dies."""
        ...

    def wait(self, seconds: float) -> list[Event]:
        """What has happened since the last call, in order: at once where there is something, else after so long."""
        ...

    def close(self) -> None:
        """Stop what still runs, and leave no process behind; a second call does nothing."""
        ...


def default_slots(threads: int, processors: int) -> int:
    """How many runs of so many threads go on at a time where nobody said: none shares a processor, and at least one.

    Example:
        >>> default_slots(1, 2), default_slots(2, 8), default_slots(4, 2)
        (2, 4, 1)
    """
    return max(1, processors // threads)


def device_slots(slots: int, memory: int, free: int) -> int:
    """How many runs share a GPU where nobody said: no more than fit there, than have a processor, and than four.

    Args:
        slots: How many have a processor each, which tells the GPU what to do.
        memory: About how many bytes of the GPU each takes.
        free: How many nobody has taken.

    Example:
        >>> device_slots(8, 2 * 2**30, 70 * 2**30), device_slots(8, 9 * 2**30, 20 * 2**30), device_slots(2, 1, 0)
        (4, 2, 1)
    """
    return max(1, min(AT_ONCE, slots, free // max(1, memory)))


def lost(spec: RunSpec, reason: str) -> Run:
    """The end of a run whose every worker died.

    Args:
        spec: What it was.
        reason: How the last worker ended.
    """
    message = f"its worker died {ATTEMPTS} times, at last since {reason}: was it killed, or is memory short?"
    return Run(spec, "failed", message, (), "")
