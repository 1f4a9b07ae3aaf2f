"""From a figure to a file: the same command gives the same bytes, whatever matplotlib was told elsewhere."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from thalweg.errors import InputError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

STILL, MOVING = (".png", ".svg"), (".gif", ".mp4")
DOTS_PER_INCH = 150
STYLE: dict[Any, Any] = {
    "axes.edgecolor": "#999999",
    "axes.labelcolor": "#333333",
    "axes.linewidth": 0.8,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "font.size": 10,
    "savefig.dpi": DOTS_PER_INCH,
    "svg.hashsalt": "thalweg",
    "text.color": "#333333",
    "xtick.color": "#555555",
    "ytick.color": "#555555",
}


@contextmanager
def style() -> Iterator[None]:
    """Matplotlib's own defaults and this package's style, inside; what the user has set is back afterwards.

    Raises:
        InputError: If matplotlib cannot be imported because of its settings.
    """
    try:
        import matplotlib
    except ValueError as error:  # of MPLBACKEND
        told = str(error).partition(";")[0]
        raise InputError(f"expected settings with which matplotlib starts, got '{told}': mend them") from error
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(STYLE)
        yield


def encoded(figure: Figure, ending: str) -> bytes:
    """A figure as the bytes of a PNG or SVG file, without dates."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    FigureCanvasAgg(figure)
    buffer = io.BytesIO()
    nothing = {"Date": None, "Creator": None} if ending == ".svg" else {"Software": None}
    figure.savefig(buffer, format=ending[1:], metadata=nothing, facecolor="white")
    return buffer.getvalue()


def check_packages(ending: str) -> None:
    """Import what a format needs, so that what is missing is known before any work.

    Raises:
        ModuleNotFoundError: If a package is missing; the command line says of which extra it is.
        InputError: If matplotlib does not start with the user's settings.
    """
    with style():
        import PIL  # noqa: F401
    if ending == ".mp4":
        import imageio_ffmpeg  # noqa: F401


def check_output(path: Path) -> None:
    """Refuse a file that cannot be written, before any work.

    Raises:
        InputError: If its ending is no format, its folder does not exist, or it cannot be written there.
    """
    if path.suffix.lower() not in STILL + MOVING:
        raise InputError(f"expected a file that ends in .png, .svg, .gif or .mp4, got '{path}': give one of these")
    check_place(path)
    with being_written(path) as temporary:
        temporary.unlink()


def check_place(path: Path) -> None:
    """Refuse a place where no file can be.

    Raises:
        InputError: If there is no such folder, or a folder of that name.
    """
    if not path.parent.is_dir():
        raise InputError(f"expected a folder at '{path.parent}', where there is none: make it, or write elsewhere")
    if path.is_dir():
        raise InputError(f"expected a file to write, got the folder '{path}': give a file's name")


@contextmanager
def being_written(path: Path) -> Iterator[Path]:
    """A temporary name beside a file, for what takes its place in the end; if anything fails nothing is left.

    Raises:
        InputError: If no file can be written there.
    """
    temporary = path.with_name(f".thalweg-{os.getpid()}-{path.stem[:99]}{path.suffix.lower()}")
    try:
        temporary.touch()
    except OSError as error:
        raise InputError(f"expected to be able to write '{path}', got '{error.strerror}': write elsewhere") from error
    try:
        yield temporary
        if temporary.exists():
            temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
