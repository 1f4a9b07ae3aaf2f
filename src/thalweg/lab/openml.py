"""The full MNIST from OpenML, downloaded once into the user's cache folder and known by its hashes."""

from __future__ import annotations

import hashlib
import os
import warnings
from http.client import HTTPException
from pathlib import Path

import numpy as np

from thalweg.errors import InputError
from thalweg.lab.idx import write_idx

FILES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)
TRAIN_COUNT = 60_000
# SHA-256 of MNIST's raw bytes, without IDX headers, the training digits before the test digits.
PIXELS_SHA256 = "5b92582eb909c82a9bfefcd44acbe9233be3eb5b419a44cf211022ad2bf4bf96"
LABELS_SHA256 = "671ff9d70b4811116d55c3dd479efa7a981e2e62753ef7a6d5c15fea81e63d27"


def folder() -> Path:
    """The folder with MNIST's four IDX files, downloaded first where a file is missing.

    Returns:
        A folder inside the user's cache folder.

    Raises:
        InputError: The download failed or brought other bytes, or the cache folder cannot be used.
    """
    place = cache_folder() / "mnist"
    if not all((place / f"{name}.gz").is_file() for name in FILES):
        _store(place, download())
    return place


def cache_folder() -> Path:
    """This user's folder for what can be made again: made with mode 0700, refused if another user owns it.

    Returns:
        `thalweg` inside `XDG_CACHE_HOME`, or inside `~/.cache`.

    Raises:
        InputError: It cannot be made, or belongs to another user.
    """
    place = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "thalweg"
    try:
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        owner = place.stat().st_uid
    except OSError as error:
        raise InputError(
            f"expected a cache folder to write to, got {error}: set XDG_CACHE_HOME to a folder of yours"
        ) from error
    if owner != os.getuid():
        raise InputError(
            f"expected a cache folder of your own, got {str(place)!r} of user {owner}: "
            "set XDG_CACHE_HOME to a folder of yours"
        )
    return place


def download() -> tuple[np.ndarray, ...]:
    """Downloads MNIST and checks every byte.

    Returns:
        Training images and labels, test images and labels, all uint8.

    Raises:
        InputError: No network, no scikit-learn, or other bytes than MNIST's.
    """
    try:
        pixels, labels = fetch()
    except ImportError as error:
        raise InputError("expected scikit-learn for a download from OpenML, got none: install scikit-learn") from error
    except (OSError, HTTPException, ValueError) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InputError(
            f"expected to download MNIST from OpenML, got {reason}: check the network, "
            "or name a folder with the four IDX files instead"
        ) from error
    images = pixels.reshape(-1, 28, 28)
    arrays = (images[:TRAIN_COUNT], labels[:TRAIN_COUNT], images[TRAIN_COUNT:], labels[TRAIN_COUNT:])
    check(arrays, "try again, or name a folder with the four IDX files instead")
    return arrays


def fetch() -> tuple[np.ndarray, np.ndarray]:
    """Asks OpenML for `mnist_784`, version 1, which keeps MNIST's order.

    Returns:
        Pixels, one image per row, and labels, both uint8.
    """
    from sklearn.datasets import fetch_openml

    # Its warnings announce second attempts; what matters is how the last one ends.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pixels, labels = fetch_openml("mnist_784", version=1, as_frame=False, return_X_y=True, cache=False)
    return np.asarray(pixels).astype(np.uint8), np.asarray(labels).astype(np.uint8)


def check(arrays: tuple[np.ndarray, ...], advice: str) -> None:
    """Compares the bytes with those of MNIST.

    Args:
        arrays: Training images and labels, test images and labels.
        advice: What the user shall do when they differ; the end of the sentence.

    Raises:
        InputError: They differ.
    """
    pairs = (("pixels", arrays[0::2], PIXELS_SHA256), ("labels", arrays[1::2], LABELS_SHA256))
    for what, parts, expected in pairs:
        digest = hashlib.sha256()
        for part in parts:
            digest.update(np.ascontiguousarray(part).data)
        if digest.hexdigest() != expected:
            raise InputError(
                f"expected MNIST's {what} with sha256 {expected[:16]}..., got {digest.hexdigest()[:16]}...: {advice}"
            )


def _store(place: Path, arrays: tuple[np.ndarray, ...]) -> None:
    try:
        place.mkdir(mode=0o700, exist_ok=True)
        for name, array in zip(FILES, arrays, strict=True):
            write_idx(place / f"{name}.gz", array)
    except OSError as error:
        raise InputError(
            f"expected room for MNIST in the cache folder, got {error}: set XDG_CACHE_HOME to a folder of yours"
        ) from error
