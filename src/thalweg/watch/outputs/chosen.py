"""Which figures of which layers an output is told: thousands of curves help nobody."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from thalweg.errors import InputError, did_you_mean
from thalweg.watch.figure import NAMES
from thalweg.watch.history import Measured
from thalweg.watch.subject import Part, Subject


@dataclass(frozen=True)
class Choice:
    """A choice of figures and layers.

    Attributes:
        figures: Names of figures, in the order in which they are told.
        layers: All layers, none, or those whose names fit one of these patterns (`"encoder.*"`); groups always are.
    """

    figures: tuple[str, ...]
    layers: bool | tuple[str, ...]

    def has(self, part: Part) -> bool:
        """Whether a part is told."""
        if part.is_group or isinstance(self.layers, bool):
            return part.is_group or bool(self.layers)
        return any(fnmatchcase(part.name, pattern) for pattern in self.layers)

    def scalars(self, subject: Subject, measured: Measured) -> dict[str, float]:
        """A measurement as `"figure/part"` and number, without what means nothing."""
        parts = [(place, part.name) for place, part in enumerate(subject.parts) if self.has(part)]
        known = [name for name in self.figures if name in measured.values]
        numbers = {f"{name}/{part}": float(measured.values[name][place]) for name in known for place, part in parts}
        return {name: number for name, number in numbers.items() if not math.isnan(number)}


def choice(figures: Sequence[str] | None = None, layers: bool | Sequence[str] = False) -> Choice:
    """Check what a user chose.

    Args:
        figures: Some of the figures' names; all if not given.
        layers: Whether layers are told, or patterns of their names; groups always are.

    Raises:
        InputError: If there is no such figure.

    Example:
        >>> choice(["gradient_norm"], ["decoder.*"]).layers
        ('decoder.*',)
    """
    named = (figures,) if isinstance(figures, str) else NAMES if figures is None else tuple(figures)
    for name in named:
        if name not in NAMES:
            raise InputError(f"unknown figure '{name}': {did_you_mean(name, list(NAMES))}")
    patterns = (layers,) if isinstance(layers, str) else layers if isinstance(layers, bool) else tuple(layers)
    return Choice(named, patterns)
