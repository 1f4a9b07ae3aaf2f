"""The parts of a problem's data as users give them: loaders, data sets, arrays, tensors; and a hash of them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, TensorDataset

from thalweg.errors import InputError
from thalweg.lab.batches import bytes_of, digest, held_out, joined, length, plain, tensors_of
from thalweg.lab.generators import generators_kept
from thalweg.lab.problem import Data

_SAMPLED = 32  # samples of a data set that its hash looks at: reading all of a large one would take too long


def parts_of(given: Any) -> Data:
    """The data that a user's `data(seed)` gave.

    Args:
        given: `(train, validation)` or `(train, validation, test)`.

    Raises:
        InputError: If it is neither, or a part is empty or nothing that batches can come from.

    Example:
        >>> data = parts_of(((np.zeros((10, 2)), np.zeros(10)), (np.zeros((4, 2)), np.zeros(4))))
        >>> data.name, [len(part[0]) for part in data.tuning]
        ('10 to train, 4 to validate (samples)', [8, 2])
    """
    if not isinstance(given, tuple | list) or len(given) not in (2, 3):
        got = f"{len(given)} parts" if isinstance(given, tuple | list) else type(given).__name__
        raise InputError(f"expected data(seed) to give train, validation and perhaps test, got {got}: return a tuple")
    return parted(*(_part(part, place) for part, place in zip(given, ("train", "validation", "test"), strict=False)))


def parted(train: Any, validation: Any, test: Any = None) -> Data:
    """Data out of two or three parts.

    With `test`, tuning trains on `train` and validates on `validation`, and the runs of the table train on both (on
    `train` alone where loaders cannot be joined). Without, the table reports on `validation`, and tuning holds a fifth
    of `train` out; a loader cannot be split, so that tuning then sees what is reported on, which the report says.
    """
    parts = [part for part in (train, validation, test) if part is not None]
    counts = ", ".join(
        f"{length(p):,} {w}" for p, w in zip(parts, ("to train", "to validate", "to test"), strict=False)
    )
    hashed = hashlib.sha256("".join(_digest(part) for part in parts).encode()).hexdigest()
    what = "batches" if isinstance(train, DataLoader) else "samples"
    described_as = f"{counts} ({what})"
    if test is not None:
        both = _joined(train, validation)
        return Data(described_as, train if both is None else both, test, (train, validation), hashed)
    apart = held_out(train)
    return Data(described_as, train, validation, apart or (train, validation), hashed, held_out=apart is not None)


def _joined(train: Any, validation: Any) -> Any:
    try:
        return joined(train, validation)
    except ValueError as error:
        shapes = ", ".join(" ".join(str(a.shape) for a in part) for part in (train, validation))
        raise InputError(
            f"expected train and validation arrays alike in all but their length, got shapes {shapes}: the runs of the "
            "table train on both"
        ) from error


def _part(part: Any, place: str) -> Any:
    """A part as the lab takes it: a loader or a data set as it is, tensors and arrays as a tuple of arrays."""
    if isinstance(part, DataLoader):
        length(part)
        return part
    if isinstance(part, Dataset):
        length(part)
        return part
    arrays = part if isinstance(part, tuple | list) else (part,)
    if not all(isinstance(a, np.ndarray | torch.Tensor) and a.ndim for a in arrays) or not arrays:
        raise InputError(
            f"expected the {place} part of data(seed) to be a loader, a data set or a tuple of arrays, got "
            f"{type(part).__name__}: return one of these"
        )
    if len({len(a) for a in arrays}) != 1:
        lengths = ", ".join(str(len(a)) for a in arrays)
        raise InputError(f"expected {place} arrays of equal length, got {lengths}: give each sample its target")
    found = plain(arrays)
    length(found)
    return found


def _digest(part: Any) -> str:
    """A hash of a part: of every byte of arrays; of a data set's length and of samples spread over it."""
    if isinstance(part, tuple):
        return digest({str(place): array for place, array in enumerate(part)})
    if isinstance(part, TensorDataset) and not isinstance(plain(part.tensors), tuple):  # arrays, but for NumPy
        facts = ((str(t.dtype), tuple(t.shape), hashlib.sha256(bytes_of(t)).hexdigest()) for t in part.tensors)
        return hashlib.sha256(repr([*facts]).encode()).hexdigest()
    samples = part.dataset if isinstance(part, DataLoader) else part
    total = hashlib.sha256(f"{type(samples).__name__} {length(part)} {getattr(part, 'batch_size', None)}".encode())
    if isinstance(part, DataLoader):  # two orders are two data sets to whoever compares runs
        for generator in (part.generator, getattr(part.sampler, "generator", None)):
            total.update(b"" if generator is None else generator.get_state().numpy().tobytes())
    for tensor in _spread(samples):
        total.update(str(tuple(tensor.shape)).encode() + bytes_of(tensor))
    return total.hexdigest()


def _spread(samples: Any) -> Iterator[torch.Tensor]:
    try:
        count = len(samples)
    except (TypeError, NotImplementedError):
        return  # a stream: only its loader's length is known
    # A data set may draw random numbers, and must not find others because it was looked at.
    with generators_kept():
        for place in sorted({round(k * (count - 1) / (_SAMPLED - 1)) for k in range(_SAMPLED)}):
            yield from tensors_of(_as_tensors(samples[place]))


def _as_tensors(value: Any) -> Any:
    if isinstance(value, np.ndarray | np.generic | int | float) and not isinstance(value, bool):
        return torch.as_tensor(value)
    if isinstance(value, Mapping):
        return {key: _as_tensors(entry) for key, entry in value.items()}
    return (
        [_as_tensors(entry) for entry in value] if isinstance(value, Sequence) and not isinstance(value, str) else value
    )
