"""What the build has made before: files by a digest of all that they are made from, in a folder that may be deleted."""

from __future__ import annotations

import functools
import hashlib
import os
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parents[2]


def folder() -> Path:
    """Where it is kept: `THALWEG_SITE_CACHE`, or `.cache/site` beside the documentation."""
    return Path(os.environ.get("THALWEG_SITE_CACHE", ROOT / ".cache" / "site"))


def kept(key: str, make: Callable[[], bytes]) -> bytes:
    """What is kept under a key; made, and kept from now on, where there is nothing."""
    path = folder() / key
    if not path.exists():
        content = make()
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f"{path.name}.{os.getpid()}")
        temporary.write_bytes(content)
        temporary.replace(path)
    return path.read_bytes()


def digest(*parts: str) -> str:
    """A name for what is made from these texts.

    Example:
        >>> digest("a", "b") == digest("a", "b"), digest("ab") == digest("a", "b")
        (True, False)
    """
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:24]


@functools.cache
def sources(*packages: str) -> str:
    """A digest of the code of some of the library's packages, or of all of it where none is named."""
    library = ROOT / "src" / "thalweg"
    places = [library / name for name in packages] or [library]
    files = [file for place in places for file in ([place] if place.is_file() else sorted(place.rglob("*.*")))]
    chosen = [file for file in files if "__pycache__" not in file.parts]
    return digest(*(hashlib.sha256(file.read_bytes()).hexdigest() for file in chosen))
