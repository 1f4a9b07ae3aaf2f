"""Frames as a GIF: one palette for all, and of every frame only the pixels that changed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

PURE, STILL, MOVING = 24, 121, 110  # colours: those of the lines, what stands still, what moves over it
AS_BEFORE = PURE + STILL + MOVING  # the last one, for a pixel that is as it was
PLACES = np.array([65536, 256, 1])  # of the channels, in a colour as one number
BITS = 5  # of each channel, by which a colour is looked up


def write_gif(path: Path, frames: Iterator[np.ndarray], delays: Sequence[int], lines: Sequence[str]) -> None:
    """Write frames as an endless GIF.

    Args:
        path: Where to.
        frames: The background, the last frame, then every frame, `(height, width, 4)`, bytes.
        delays: How long each frame stays, in milliseconds.
        lines: Colours that must be right, `#rrggbb`.
    """
    from PIL.GifImagePlugin import getdata, getheader

    still = next(frames)
    palette, bare = _palette(still[..., :3], next(frames)[..., :3], lines), _whole(still)
    before, nearest = _mapped(still[..., :3], palette), _table(palette)
    first = _image(before, palette)
    with path.open("wb") as file:
        for chunk in getheader(first, info={"loop": 0})[0]:
            file.write(chunk)
        shown = None
        for frame, delay in zip(frames, delays, strict=True):
            now, moved = before.copy(), _whole(frame) != bare
            now[moved] = nearest[_keys(frame[moved])]
            patch, place = _change(shown, now)
            for chunk in getdata(_image(patch, palette), place, duration=delay, disposal=1, transparency=AS_BEFORE):
                file.write(chunk)
            shown = now
        file.write(b";")


def _palette(still: np.ndarray, last: np.ndarray, lines: Sequence[str]) -> np.ndarray:
    """Colours for all frames, `(AS_BEFORE, 3)` or less."""
    from PIL import ImageColor

    pure = np.array([ImageColor.getrgb(line) for line in dict.fromkeys(lines)][:PURE], np.uint8).reshape(-1, 3)
    moving = last[(last != still).any(axis=-1)].reshape(1, -1, 3)
    return np.concatenate([pure, _common(still, STILL), *([_common(moving, MOVING)] if moving.size else [])])


def _common(pixels: np.ndarray, count: int) -> np.ndarray:
    """So many colours that stand for those of an image: the most frequent ones as they are, and some between."""
    from PIL import Image

    image = Image.fromarray(np.ascontiguousarray(pixels))
    distinct, counts = np.unique(pixels.reshape(-1, 3) @ PLACES, return_counts=True)
    frequent = distinct[np.argsort(-counts, kind="stable")[: count // 2]]
    exact = np.stack([frequent // place % 256 for place in PLACES], axis=-1).astype(np.uint8)
    mixed = image.quantize(count - count // 2, Image.Quantize.MEDIANCUT).getpalette() or []
    return np.concatenate([exact, np.array(mixed, np.uint8).reshape(-1, 3)[: count - count // 2]])


def _whole(frame: np.ndarray) -> np.ndarray:
    """Every pixel as one number, which compares faster than four."""
    return frame.view(np.uint32)[..., 0]


def _keys(pixels: np.ndarray) -> np.ndarray:
    """Numbers that colours are looked up by."""
    red, green, blue = (pixels[:, :3] >> (8 - BITS)).astype(np.int32).T
    return (red << 2 * BITS) | (green << BITS) | blue


def _mapped(pixels: np.ndarray, palette: np.ndarray) -> np.ndarray:
    """For every pixel the nearest colour of the palette."""
    distinct, where = np.unique(pixels.reshape(-1, 3) @ PLACES, return_inverse=True)
    colours = np.stack([distinct // place % 256 for place in PLACES], axis=-1)
    return _nearest(colours, palette)[where].reshape(pixels.shape[:2])


def _table(palette: np.ndarray) -> np.ndarray:
    """For every key the nearest colour of the palette: itself, for the key of one of its first."""
    channel = (np.arange(2**BITS) * 2 + 1) * 2.0 ** (7 - BITS)
    found = _nearest(np.stack(np.meshgrid(channel, channel, channel, indexing="ij"), -1).reshape(-1, 3), palette)
    found[_keys(palette[::-1])] = np.arange(len(palette))[::-1]
    return found


def _nearest(colours: np.ndarray, palette: np.ndarray) -> np.ndarray:
    offered = palette.astype(np.float32)
    distances = (offered**2).sum(axis=1) - 2 * colours.astype(np.float32) @ offered.T
    return distances.argmin(axis=1).astype(np.uint8)


def _change(shown: np.ndarray | None, now: np.ndarray) -> tuple[np.ndarray, tuple[int, int]]:
    """The smallest rectangle that holds what changed, `AS_BEFORE` where nothing did, and where it lies."""
    if shown is None:
        return now, (0, 0)
    changed = now != shown
    rows, columns = np.flatnonzero(changed.any(axis=1)), np.flatnonzero(changed.any(axis=0))
    if not rows.size:
        return np.full((1, 1), AS_BEFORE, np.uint8), (0, 0)
    part = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    return np.where(changed[part], now[part], AS_BEFORE).astype(np.uint8), (int(columns[0]), int(rows[0]))


def _image(indices: np.ndarray, palette: np.ndarray):
    from PIL import Image

    image = Image.fromarray(np.ascontiguousarray(indices))
    image.putpalette(palette.tobytes().ljust(3 * (AS_BEFORE + 1), b"\0"))
    return image
