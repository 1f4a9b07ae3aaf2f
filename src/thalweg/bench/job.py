"""What there is to measure: groups of jobs, each of which gives some rows and then frees its memory."""

from __future__ import annotations

import gc
from collections.abc import Callable
from dataclasses import dataclass

from thalweg.bench.table import Row


@dataclass(frozen=True)
class Sizes:
    """How much work a measurement is.

    Attributes:
        elements: Parameters of the large model.
        tensors: Of the small models.
        digits: To train on in an epoch.
    """

    elements: int = 25_000_000
    tensors: int = 1000
    digits: int = 4000


@dataclass(frozen=True)
class Job:
    """One measurement.

    Attributes:
        label: For people who wait.
        rows: From the number of pairs to what was measured.
    """

    label: str
    rows: Callable[[int], list[Row]]


@dataclass(frozen=True)
class Group:
    """Measurements of one kind.

    Attributes:
        name: As the command line calls it.
        title: What the ratios mean, in words.
        jobs: What to measure.
    """

    name: str
    title: Callable[[Sizes], str]
    jobs: Callable[[Sizes], list[Job]]


def run(job: Job, pairs: int) -> list[Row]:
    """Measure, and give back all memory that it took."""
    rows = job.rows(pairs)
    gc.collect()
    return rows


def millions(elements: int) -> str:
    """A number of elements in words.

    Example:
        >>> millions(25_000_000), millions(1000)
        ('25 M', '1,000')
    """
    return f"{elements / 1e6:g} M" if elements >= 100_000 else f"{elements:,}"
