"""Frames as an MP4, by ffmpeg."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, repeat
from pathlib import Path

import numpy as np


def write_mp4(path: Path, frames: Iterator[np.ndarray], delay: int, held: int) -> None:
    """Write frames as H.264, in the colours that every player knows.

    Args:
        path: Where to.
        frames: The background, the last frame, then every frame, `(height, width, 4)`, bytes, of even sizes.
        delay: How long a frame stays, in milliseconds.
        held: How much longer the last one stays.

    Raises:
        ModuleNotFoundError: If imageio-ffmpeg is not installed.
    """
    from imageio_ffmpeg import write_frames

    _, last = next(frames), next(frames)
    size = (last.shape[1], last.shape[0])
    file = write_frames(
        str(path),
        size,
        fps=1000 / delay,  # type: ignore[arg-type]
        codec="libx264",
        pix_fmt_out="yuv420p",
        macro_block_size=2,
        quality=8,
        ffmpeg_log_level="error",
    )
    file.send(None)
    try:
        for frame in chain(frames, repeat(last, held // delay)):
            file.send(np.ascontiguousarray(frame[..., :3]))
    finally:
        file.close()
