"""Batches out of arrays, data sets and loaders in the order of a seed, and hashes of what came in which order."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch.utils.data import ConcatDataset, DataLoader, Dataset, Subset, TensorDataset, default_collate

from thalweg.errors import InputError
from thalweg.lab.device import PLAIN, kind_of
from thalweg.lab.problem import Data

_SAMPLED = 64  # elements of each tensor of a loader's batch that its hash looks at: enough to tell two orders apart
RESIDENT = 2**28  # bytes of a part up to which all of it is kept on the device that trains on it


class Pass:
    """One pass over samples: its batches, and afterwards a hash of the order in which they came.

    Example:
        >>> one = Pass((np.arange(5),), 2, data_order(0, 1, 5))
        >>> [batch[0].tolist() for batch in one], len(one.digest())
        ([[1, 4], [3, 0], [2]], 64)
    """

    def __init__(self, part: Any, batch_size: int | None, order: np.ndarray | None) -> None:
        self.part = part
        self.batch_size = batch_size
        self.order = order
        self.seen = hashlib.sha256()

    def __iter__(self) -> Iterator[Any]:
        if isinstance(self.part, DataLoader):
            yield from self._watched()
            return
        order = np.arange(length(self.part)) if self.order is None else self.order
        self.seen.update(order.tobytes())
        places = torch.from_numpy(order)
        if isinstance(self.part, tuple) and isinstance(self.part[0], torch.Tensor):
            places = places.to(self.part[0].device)  # all at once: every copy to a device waits for what it does
        yield from _chosen(self.part, places.split(self.batch_size or len(order)))

    def _watched(self) -> Iterator[Any]:
        for batch in self.part:
            for tensor in tensors_of(batch):
                self.seen.update(_sampled(tensor))
            yield batch

    def digest(self) -> str:
        """A hash of the order in which the samples came."""
        return self.seen.hexdigest()


def data_order(seed: int, epoch: int, samples: int) -> np.ndarray:
    """The order of the samples in an epoch: another one every epoch, the same for every optimizer.

    Example:
        >>> data_order(0, 1, 5).tolist() == data_order(0, 2, 5).tolist()
        False
    """
    return np.random.default_rng([seed, epoch]).permutation(samples)


def _chosen(part: Any, indices: Sequence[torch.Tensor]) -> Iterator[Any]:
    if isinstance(part, Dataset):
        for chosen in indices:
            yield default_collate([part[i] for i in chosen.tolist()])
        return
    arrays = _tensors(part)
    for chosen in indices:
        yield tuple(a[chosen] for a in arrays)


def _tensors(part: tuple[Any, ...]) -> tuple[torch.Tensor, ...]:
    return tuple(a if isinstance(a, torch.Tensor) else torch.from_numpy(a) for a in part)


def length(part: Any) -> int:
    """How many samples there are; of a loader, how many batches.

    Raises:
        InputError: If the part has no length, or holds nothing.
    """
    try:
        found = len(part[0]) if isinstance(part, tuple) else len(part)
    except (TypeError, NotImplementedError, IndexError) as error:
        raise InputError(
            f"expected a tuple of arrays, or a data set or loader with a length, got {type(part).__name__}: "
            "a budget in steps needs to know how many there are"
        ) from error
    if found == 0:
        raise InputError("expected at least one sample, got an empty data set or loader: give it some data")
    return found


def steps(part: Any, batch_size: int | None) -> int:
    """How many batches a pass has.

    Example:
        >>> steps((np.zeros(10),), 4), steps((np.zeros(10),), None)
        (3, 1)
    """
    samples = length(part)
    return samples if isinstance(part, DataLoader) else math.ceil(samples / (batch_size or samples))


def size(batch: Any) -> int:
    """How many samples a batch holds: the length of its first tensor that has one.

    Example:
        >>> size((torch.zeros(3, 2), torch.zeros(3))), size({"x": torch.zeros(4)})
        (3, 4)
    """
    return next((len(tensor) for tensor in tensors_of(batch) if tensor.ndim), 1)


def tensors_of(batch: Any) -> Iterator[torch.Tensor]:
    """Every tensor of a nested batch."""
    if isinstance(batch, torch.Tensor):
        yield batch
    elif isinstance(batch, Mapping):
        for value in batch.values():
            yield from tensors_of(value)
    elif isinstance(batch, list | tuple):
        for value in batch:
            yield from tensors_of(value)


def plain(given: Sequence[np.ndarray | torch.Tensor]) -> tuple[np.ndarray, ...] | TensorDataset:
    """Arrays and tensors of equal length as arrays; as a data set where NumPy lacks a type, as bfloat16.

    Example:
        >>> plain((torch.zeros(2),))[0].dtype, len(plain((torch.zeros(2, dtype=torch.bfloat16), np.zeros(2))))
        (dtype('float32'), 2)
    """
    try:
        return tuple(a.detach().cpu().numpy() if isinstance(a, torch.Tensor) else a for a in given)
    except TypeError:
        return TensorDataset(*(torch.as_tensor(a).detach().cpu() for a in given))


def bytes_of(tensor: torch.Tensor) -> bytes:
    """The bytes of a tensor of any type, also of those that NumPy lacks, as bfloat16.

    Example:
        >>> bytes_of(torch.ones(2, dtype=torch.bfloat16)).hex()
        '803f803f'
    """
    flat = tensor.detach().cpu().resolve_conj().resolve_neg().contiguous().flatten()
    return flat.view(torch.uint8).numpy().tobytes()


def on(batches: Iterable[Any], device: str) -> Iterable[Any]:
    """Batches with their tensors on a device."""
    return batches if device == PLAIN else (moved(batch, device) for batch in batches)


def resident(part: Any, device: str) -> Any:
    """A part that lies on a device as a whole, where that is another than the CPU and the part are few arrays.

    Example:
        >>> [type(array).__name__ for array in resident((np.zeros(2),), "cpu:0")]
        ['Tensor']
    """
    if device == PLAIN or not isinstance(part, tuple) or sum(array.nbytes for array in part) > RESIDENT:
        return part
    return moved(_tensors(part), device)


def moved(batch: Any, device: str) -> Any:
    """The batch with every tensor on a device."""
    if isinstance(batch, torch.Tensor):
        # A copy to a GPU need not be waited for: what comes after it there comes after it.
        return batch.to(device, non_blocking=kind_of(device) == "cuda")
    if isinstance(batch, Mapping):
        return {key: moved(value, device) for key, value in batch.items()}
    if isinstance(batch, tuple) and hasattr(batch, "_fields"):
        return type(batch)(*(moved(value, device) for value in batch))
    if isinstance(batch, list | tuple):
        return type(batch)(moved(value, device) for value in batch)
    return batch


def _sampled(tensor: torch.Tensor) -> bytes:
    flat = tensor.detach().reshape(-1)
    few = flat[:: max(1, flat.numel() // _SAMPLED)][:_SAMPLED]
    return few.to(torch.float64).cpu().numpy().tobytes() if not few.is_complex() else repr(few).encode()


def joined(first: Any, second: Any) -> Any | None:
    """Both parts as one; None where they are no arrays and no data sets.

    Example:
        >>> joined((np.zeros(2),), (np.ones(1),))[0].tolist()
        [0.0, 0.0, 1.0]
    """
    if isinstance(first, tuple) and isinstance(second, tuple):
        return tuple(np.concatenate(pair) for pair in zip(first, second, strict=True))
    if isinstance(first, Dataset) and isinstance(second, Dataset):
        return ConcatDataset([first, second])
    return None


def held_out(part: Any, share: float = 0.2) -> tuple[Any, Any] | None:
    """A part without a share of it, and that share, drawn with a fixed seed; None for a loader or fewer than two.

    Example:
        >>> kept, out = held_out((np.arange(10),))
        >>> len(kept[0]), len(out[0])
        (8, 2)
    """
    if isinstance(part, DataLoader) or length(part) < 2:
        return None
    # RandomState's stream is frozen for ever; that of NumPy's newer generators may change with a release.
    order = np.random.RandomState(0).permutation(length(part))
    cut = min(len(order) - 1, round(len(order) * (1 - share)))
    both = (np.sort(order[:cut]), np.sort(order[cut:]))
    if isinstance(part, tuple):
        kept, out = (tuple(array[chosen] for array in part) for chosen in both)
        return kept, out
    kept, out = (Subset(part, chosen.tolist()) for chosen in both)
    return kept, out


def digest(arrays: Mapping[str, np.ndarray]) -> str:
    """A hash of named arrays: their names, types, shapes and bytes; their order counts.

    Example:
        >>> digest({"a": np.zeros(2)}) == digest({"a": np.zeros((2, 1))})
        False
    """
    total = hashlib.sha256()
    for name, array in arrays.items():
        total.update(f"{name} {array.dtype.str} {array.shape}\n".encode())
        total.update(np.ascontiguousarray(array).data)
    return total.hexdigest()


def of_arrays(
    name: str,
    train: tuple[np.ndarray, ...],
    test: tuple[np.ndarray, ...],
    tuning: tuple[tuple[np.ndarray, ...], tuple[np.ndarray, ...]] | None = None,
) -> Data:
    """Data out of arrays; without a `tuning` of its own a fifth of `train` is held out to validate on.

    Example:
        >>> data = of_arrays("ten numbers", (np.arange(10.0),), (np.arange(3.0),))
        >>> [len(part[0]) for part in data.tuning], len(data.digest)
        ([8, 2], 64)
    """
    apart = tuning or held_out(train) or (train, test)
    parts = {"train": train, "test": test, "tuning": apart[0], "validation": apart[1]}
    arrays = {f"{part} {place}": array for part, own in parts.items() for place, array in enumerate(own)}
    return Data(name, train, test, apart, digest(arrays), held_out=apart[1] is not test)
