"""Lines that grow with the steps: a still picture shows them whole, an animation one step at a time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from matplotlib.lines import Line2D
    from matplotlib.text import Text


@dataclass(frozen=True, eq=False)
class Strand:
    """A line of a picture, or the dot at its end.

    Attributes:
        line: What is drawn.
        x: Of its corners.
        y: Of its corners; a corner that is not finite interrupts the line.
        taken: For each corner how many steps had been taken there, rising.
        tip: Whether only the last corner is shown.
    """

    line: Line2D
    x: np.ndarray
    y: np.ndarray
    taken: np.ndarray
    tip: bool = False

    @property
    def artist(self) -> Line2D:
        """What matplotlib draws."""
        return self.line

    def show(self, step: int) -> None:
        """Draw what had happened after a step."""
        count = int(np.searchsorted(self.taken, step, side="right"))
        first = max(count - 1, 0) if self.tip else 0
        self.line.set_data(self.x[first:count], self.y[first:count])


@dataclass(frozen=True, eq=False)
class Remark:
    """A text that appears at a step.

    Attributes:
        artist: What is drawn.
        step: When it appears.
    """

    artist: Text
    step: int

    def show(self, step: int) -> None:
        """Draw it if its time has come."""
        self.artist.set_visible(step >= self.step)


@dataclass(frozen=True, eq=False)
class Counter:
    """A text that says how many steps have been taken.

    Attributes:
        artist: What is drawn.
        steps: How many there are.
    """

    artist: Text
    steps: int

    def show(self, step: int) -> None:
        """Say how many steps have been taken."""
        self.artist.set_text(f"step {step} of {self.steps}")
