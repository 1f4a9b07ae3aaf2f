"""IDX, the format in which MNIST is handed around: a magic number, the shape, then the bytes, often inside gzip."""

from __future__ import annotations

import gzip
import math
import struct
import tempfile
import zlib
from pathlib import Path
from typing import IO

import numpy as np

from thalweg.errors import InputError

_GZIP = b"\x1f\x8b"
_UINT8 = b"\x00\x00\x08"
_CHUNK = 1 << 20
_DAMAGE = (OSError, EOFError, zlib.error)


def read_idx(path: Path) -> np.ndarray:
    """Reads an IDX file of unsigned bytes, packed with gzip or not (its first bytes tell, not its name).

    Args:
        path: The file.

    Returns:
        The array, uint8 and read-only, with one to four axes.

    Raises:
        InputError: The file is missing, is not such a file, or is shorter or longer than its header says.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     write_idx(Path(folder) / "labels.gz", np.array([5, 0, 4], np.uint8))
        ...     read_idx(Path(folder) / "labels.gz")
        array([5, 0, 4], dtype=uint8)
    """
    try:
        with path.open("rb") as file:
            packed = file.read(2) == _GZIP
        with gzip.open(path) if packed else path.open("rb") as file:
            return _parse(file, path.name)
    except FileNotFoundError:
        raise InputError(f"expected an IDX file, got no file {path.name!r}: check the folder's content") from None
    except _DAMAGE as error:
        raise InputError(
            f"expected a readable IDX file, got damage in {path.name!r} ({error}): fetch the file again"
        ) from error


def write_idx(path: Path, array: np.ndarray) -> None:
    """Writes unsigned bytes as a gzip-packed IDX file; the file appears whole or not at all.

    Args:
        path: Where to; the folder must exist.
        array: The bytes, of type uint8.

    Raises:
        OSError: The folder cannot be written to.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     write_idx(Path(folder) / "images.gz", np.zeros((2, 28, 28), np.uint8))
        ...     read_idx(Path(folder) / "images.gz").shape
        (2, 28, 28)
    """
    header = _UINT8 + struct.pack(f">B{array.ndim}I", array.ndim, *array.shape)
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
        unfinished = Path(file.name)
        try:
            # Without a time stamp, equal arrays make equal files.
            file.write(gzip.compress(header + array.tobytes(), compresslevel=6, mtime=0))
            file.flush()
            unfinished.replace(path)
        finally:
            unfinished.unlink(missing_ok=True)


def _parse(file: IO[bytes] | gzip.GzipFile, name: str) -> np.ndarray:
    magic = file.read(4)
    if len(magic) < 4 or magic[:3] != _UINT8 or not 1 <= magic[3] <= 4:
        raise InputError(
            f"expected {name!r} to start with an IDX magic number for unsigned bytes (00 00 08 and 1 to 4 axes), "
            f"got {magic.hex(' ') or 'an empty file'}: fetch the file again"
        )
    sizes = file.read(4 * magic[3])
    if len(sizes) < 4 * magic[3]:
        raise InputError(f"expected {magic[3]} sizes in the header of {name!r}, got its end: fetch the file again")
    shape = struct.unpack(f">{magic[3]}I", sizes)
    count = math.prod(shape)
    body = _read_at_most(file, count + 1)
    if len(body) != count:
        got = f"only {len(body):,}" if len(body) < count else "more"
        raise InputError(
            f"expected {count:,} bytes of data in {name!r}, as its header says ({_times(shape)}), got {got}: "
            "fetch the file again"
        )
    return np.frombuffer(body, np.uint8).reshape(shape)


def _read_at_most(file: IO[bytes] | gzip.GzipFile, count: int) -> bytes:
    """Chunk by chunk, so that a damaged header cannot make us reserve memory that the file does not fill."""
    chunks: list[bytes] = []
    while count > 0 and (chunk := file.read(min(count, _CHUNK))):
        chunks.append(chunk)
        count -= len(chunk)
    return b"".join(chunks)


def _times(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))
