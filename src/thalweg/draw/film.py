"""A picture that moves: what stands still is drawn once, and each frame is a copy of it with the rest on top."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from thalweg.draw.strand import Counter, Remark, Strand

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Moving = Strand | Remark | Counter
LASTS = 8000  # milliseconds, if that gives every frame a time within reason
SHORTEST, LONGEST = 20, 200  # milliseconds of a frame
HELD = 2000  # milliseconds of the last one


@dataclass(frozen=True, eq=False)
class Film:
    """What a file of moving pictures is written from.

    Attributes:
        figure: The picture, on a canvas of Agg.
        moving: What changes with the steps, in the order in which it is drawn.
        shown: After how many steps each frame shows it.
    """

    figure: Figure
    moving: Sequence[Moving]
    shown: np.ndarray

    @property
    def delay(self) -> int:
        """How long a frame stays, in milliseconds; whole hundredths of a second, by which a GIF counts."""
        return int(np.clip(round(LASTS / len(self.shown) / 10) * 10, SHORTEST, LONGEST))

    def frames(self) -> Iterator[np.ndarray]:
        """The background, without what moves; the last frame, which has all colours; then every frame.

        Yields:
            Arrays of bytes, `(height, width, 4)`; from the third on each is overwritten by the next.
        """
        for each in self.moving:
            each.artist.set_animated(True)
        canvas: Any = self.figure.canvas
        canvas.draw()
        yield self._pixels().copy()
        bare = canvas.copy_from_bbox(self.figure.bbox)
        self._draw(bare, self.moving, self.shown[-1])
        yield self._pixels().copy()
        remarks = [each for each in self.moving if isinstance(each, Remark)]
        others = [each for each in self.moving if not isinstance(each, Remark)]
        for step in self.shown:
            if any(each.step <= step for each in remarks):  # from now on it stands still
                self._draw(bare, remarks, step)
                bare = canvas.copy_from_bbox(self.figure.bbox)
                remarks = [each for each in remarks if each.step > step]
            self._draw(bare, others, step)
            yield self._pixels()

    def _draw(self, ground: Any, moving: Sequence[Moving], step: int) -> None:
        self.figure.canvas.restore_region(ground)  # type: ignore[attr-defined]
        for each in moving:
            each.show(int(step))
            self.figure.draw_artist(each.artist)

    def _pixels(self) -> np.ndarray:
        return np.asarray(self.figure.canvas.buffer_rgba())  # type: ignore[attr-defined]


def spread_over(steps: int, frames: int) -> np.ndarray:
    """The steps that frames show, from the start to the last, as evenly as whole numbers can be.

    Example:
        >>> spread_over(10, 5).tolist(), spread_over(2, 100).tolist()
        ([0, 2, 5, 8, 10], [0, 1, 2])
    """
    if frames == 1:
        return np.array([steps])
    return np.unique(np.linspace(0, steps, frames).round().astype(int))
