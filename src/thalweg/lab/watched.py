"""What was watched of a run, as plain data: figures thinned to what a chart can show, and every alarm."""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

MOST_BYTES = 256 * 2**20  # of a run's figures, unpacked: `thalweg.lab.recorder` keeps some megabytes at most

Numbers = tuple[float | None, ...]


@dataclass(frozen=True)
class Noted:
    """An alarm of a run.

    Attributes:
        step: When it was raised, counted through all epochs and phases of the run.
        epoch: In which epoch that was.
        alarm: Its name in `thalweg.watch.alarms`.
        part: The layer or group that it is about; empty for the whole optimizer.
        value: The number that decided; None where it is no finite number.
        words: What was seen.
        advice: What to try.
    """

    step: int
    epoch: int
    alarm: str
    part: str
    value: float | None
    words: str
    advice: str


@dataclass(frozen=True)
class Watched:
    """What was watched of a run.

    Attributes:
        every: Every how many steps there was a measurement.
        layers: The names of the layers.
        groups: The names of the parameter groups, each all of its layers together.
        steps: The measured steps that were kept.
        loss: Mean loss of the batches before each of them.
        figures: For each figure that was measured a row per kept step: a number for every layer, then every group;
            None where it means nothing or is no finite number.
        alarms: In the order in which they were raised.
    """

    every: int
    layers: tuple[str, ...]
    groups: tuple[str, ...]
    steps: tuple[int, ...]
    loss: Numbers
    figures: Mapping[str, tuple[Numbers, ...]]
    alarms: tuple[Noted, ...] = ()


_PACKED = ("layers", "groups", "steps", "loss", "figures")


def packed(watched: Watched) -> bytes:
    """The figures of a run in few bytes, the same bytes for the same figures."""
    document = {name: getattr(watched, name) for name in _PACKED}
    return zlib.compress(json.dumps(document, allow_nan=False, separators=(",", ":")).encode(), 6)


def unpacked(every: int, content: bytes, alarms: tuple[Noted, ...]) -> Watched:
    """What `packed` packed; nothing in it is executed, and no more is unpacked than a run can have.

    Raises:
        ValueError: If it is anything else.

    Example:
        >>> watched = Watched(16, ("w",), ("group 0",), (16,), (0.5,), {"lr": ((0.1, 0.1),)})
        >>> unpacked(16, packed(watched), ()) == watched
        True
    """
    machine = zlib.decompressobj()
    try:
        text = machine.decompress(content, MOST_BYTES)
    except zlib.error as error:
        raise ValueError(f"figures that cannot be unpacked ({error})") from error
    if not machine.eof:
        raise ValueError("figures that are cut, or larger than a run's can be")
    found: dict[str, Any] = json.loads(text, parse_constant=_refused)
    layers, groups, steps, loss = (tuple(found[name]) for name in _PACKED[:4])
    figures = {name: tuple(map(tuple, rows)) for name, rows in found["figures"].items()}
    rows = [row for figure in figures.values() for row in figure]
    lengths = {len(loss), *map(len, figures.values())}, {len(row) for row in rows}
    if lengths[0] != {len(steps)} or not lengths[1] <= {len(layers) + len(groups)}:
        raise ValueError("figures of other lengths than their steps and layers")
    if not all(n is None or isinstance(n, int | float) for row in (steps, loss, *rows) for n in row):
        raise ValueError("figures that are no numbers")
    if not all(isinstance(name, str) for name in (*layers, *groups)):
        raise ValueError("layers whose names are no texts")
    return Watched(every, layers, groups, steps, loss, figures, alarms)


def _refused(constant: str) -> None:
    raise ValueError(f"a number {constant}")
