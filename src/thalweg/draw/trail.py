"""The way of a run inside a window: cut at its border, in pieces short enough to follow the ground."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from thalweg.formula.surface import Point

PIECES = 150  # as many would cross the window
FINE = 2000  # cells across the window: corners in one of them cannot be told apart
LONGEST = 1e300  # a step longer than this has this length; differences of numbers may overflow


@dataclass(frozen=True, eq=False)
class Trail:
    """A line in the plane.

    Attributes:
        points: Its corners, `(n, 2)`, NaN where it is interrupted.
        taken: For each corner how many steps had been taken there, in parts of a step.
    """

    points: np.ndarray
    taken: np.ndarray


def trail(points: np.ndarray, window: tuple[Point, Point]) -> Trail:
    """The part of a run that lies in a window.

    Args:
        points: The start and the point after every step, `(steps + 1, 2)`; what comes after a point that is not finite
            is left out.
        window: The ends of x, then the ends of y.

    Example:
        >>> out = trail(np.array([[0.0, 0.0], [2.0, 0.0]]), ((-1, 1), (-1, 1)))
        >>> out.points[[0, -2]].tolist(), out.taken[-1].item()
        ([[0.0, 0.0], [1.0, 0.0]], 0.5)
    """
    kept = _corners(points, window)
    way = points[kept]
    if len(way) == 1:
        return Trail(way, np.zeros(1))
    with np.errstate(all="ignore"):
        start, move = way[:-1], np.clip(np.diff(way, axis=0), -LONGEST, LONGEST)
        enter, leave = _inside(start, move, window)
        met = enter <= leave
        low, high = np.array(window, dtype=float).T
        length = np.abs(move * np.where(met, leave - enter, 0.0)[:, None] / (high - low)).max(axis=1, initial=0.0)
    pieces = np.where(met, np.ceil(np.minimum(length, 1.0) * PIECES).astype(int) + 2, 0)
    counts = pieces + (leave < 1.0)  # a line that leaves is interrupted
    segment = np.repeat(np.arange(len(move)), counts)
    place = np.arange(len(segment)) - np.repeat(np.cumsum(counts) - counts, counts)
    enter, leave, pieces = enter[segment], leave[segment], pieces[segment]
    part = enter + (leave - enter) * np.minimum(place / np.maximum(pieces - 1, 1), 1.0)
    with np.errstate(all="ignore"):
        inside = np.clip(start[segment] + part[:, None] * move[segment], low, high)  # of a long step it is rounded
    corners = np.where((place < pieces)[:, None], inside, np.nan)
    return Trail(corners, kept[segment] + np.clip(part, 0.0, 1.0) * np.diff(kept)[segment])


def _corners(points: np.ndarray, window: tuple[Point, Point]) -> np.ndarray:
    """The numbers of the finite points before the first that is not, without those that lie where the last one did."""
    finite = np.isfinite(points).all(axis=1)
    way = points[: len(points) if finite.all() else int(np.argmin(finite))]
    low, high = np.array(window, dtype=float).T
    with np.errstate(all="ignore"):
        cells = np.floor((way - low) / (high - low) * FINE)
    apart = (cells[1:] != cells[:-1]).any(axis=1)
    # Where a run stays in a cell both ends of its stay are corners, so that lines grow when it moves.
    return np.flatnonzero(np.append(True, apart) | np.append(apart, True))


def _inside(start: np.ndarray, move: np.ndarray, window: tuple[Point, Point]) -> tuple[np.ndarray, np.ndarray]:
    """For every step the parts of it at which it enters and leaves the window: entering later if it never does."""
    low, high = np.array(window, dtype=float).T
    one, other = (low - start) / move, (high - start) / move
    still = move == 0
    beside = still & ((start < low) | (start > high))
    enter = np.where(still, np.where(beside, 2.0, 0.0), np.minimum(one, other)).max(axis=1, initial=0.0)
    leave = np.where(still, 1.0, np.maximum(one, other)).min(axis=1, initial=1.0)
    return enter, leave
