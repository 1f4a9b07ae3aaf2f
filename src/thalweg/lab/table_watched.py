"""What a row of a table says of the watched optimizer: alarms and figures, as plain data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Alarm:
    """An alarm of a row, over its seeds.

    Attributes:
        alarm: Its name, for instance "epsilon".
        title: For people.
        meaning: What it means when it is seen.
        part: The layer or group that it is about; empty for the whole optimizer.
        seeds: The seeds in which it was raised.
        steps: For each of them the first step at which it was.
        watched: How many seeds were watched.
        first_step: When it was raised first, in any of them.
        first_epoch: In which epoch that was.
        value: The number that decided then.
        words: What was seen then.
        advice: What to try.
    """

    alarm: str
    title: str
    meaning: str
    part: str
    seeds: tuple[int, ...]
    steps: tuple[int, ...]
    watched: int
    first_step: int
    first_epoch: int
    value: float | None
    words: str
    advice: str


@dataclass(frozen=True)
class Watched:
    """The figures of a row, medians over its watched seeds, thinned to what a chart can show.

    Attributes:
        seeds: How many seeds were watched.
        every: Every how many steps there was a measurement.
        steps: Those that are shown.
        loss: Mean loss of the batches before each of them.
        figures: For each figure a number per step, of all layers together; None where it means nothing.
        layers: For some of the layers some of the figures, as above.
        unseen: How many layers are left out.
    """

    seeds: int
    every: int
    steps: tuple[int, ...]
    loss: tuple[float | None, ...]
    figures: Mapping[str, tuple[float | None, ...]]
    layers: Mapping[str, Mapping[str, tuple[float | None, ...]]]
    unseen: int = 0
