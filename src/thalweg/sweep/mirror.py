"""Numbers of the host on a device, renewed without waiting for it, in a CUDA graph's capture too."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

SPARES = 8  # copies within captures that a device can make before another step is taken without one
# What captured graphs copy from and to. They may be played as long as the process lives.
_captured: list[Any] = []


def is_capturing(device: torch.device) -> bool:
    """Whether what is done on a device now goes into a CUDA graph instead."""
    if device.type != "cuda":
        return False
    with torch.cuda.device(device):  # of whose current stream is asked
        return torch.cuda.is_current_stream_capturing()


def keep(*things: Any) -> None:
    """Never give back what a captured graph reads or writes."""
    _captured.extend(things)


class Mirror:
    """An array on a device that follows one on the host.

    Attributes:
        numbers: It, on the device.
    """

    def __init__(self, shape: Sequence[int], dtype: torch.dtype, device: torch.device) -> None:
        with torch.inference_mode(False):  # steps may be taken within it and outside
            self.numbers = torch.zeros(shape, dtype=dtype, device=device)
        self._sent: np.ndarray | None = None
        self._spares: list[Tensor] = []  # memory to copy from in captures, within which none can be had

    def holding(self, host: np.ndarray, changed: Collection[int] | None = None, is_shared: bool = True) -> Tensor:
        """The numbers on the device, or, within a capture, others there which the graph fills with them.

        Args:
            host: What they shall be.
            changed: The columns in which they differ from what they were in the last call; None: find out.
            is_shared: Whether a graph may use the same ones, which then follow the host after its capture too; it
                does so if they are what they shall be when it is captured.
        """
        columns = self._changed(host) if changed is None else changed
        if is_capturing(self.numbers.device):
            return self._branched(host) if columns or not is_shared else self.numbers
        self._refill()
        if len(columns) == 1 and host.ndim == 2:
            column = next(iter(columns))
            self.numbers[:, column].copy_(self._staged(host[:, column]), non_blocking=True)
        elif columns:
            self.numbers.copy_(self._staged(host), non_blocking=True)
        if columns and changed is None:
            self._sent = host.copy()
        return self.numbers

    def forget(self) -> None:
        """Somebody else has written to the numbers: send them all next time."""
        self._sent = None

    def _changed(self, host: np.ndarray) -> Collection[int]:
        """The columns that differ from what was sent last."""
        if self._sent is None:
            return range(host.shape[-1])
        if host.tobytes() == self._sent.tobytes():
            return ()
        return [k for k in range(host.shape[-1]) if host[..., k].tobytes() != self._sent[..., k].tobytes()]

    def _branched(self, host: np.ndarray) -> Tensor:
        staged = self._spares.pop() if self._spares else _pinned(host)
        staged.numpy()[:] = host
        branch = torch.empty_like(self.numbers)
        _captured.extend((staged, branch))
        return branch.copy_(staged, non_blocking=True)

    def _staged(self, host: np.ndarray) -> Tensor:
        """The numbers where a device can copy them from while the host goes on."""
        if self.numbers.device.type == "cpu":
            return torch.from_numpy(host)
        staged = _pinned(host)
        staged.numpy()[:] = host
        return staged

    def _refill(self) -> None:
        if self.numbers.device.type != "cpu":
            self._spares += [_pinned(self.numbers) for _ in range(len(self._spares), SPARES)]


def _pinned(like: np.ndarray | Tensor) -> Tensor:
    dtype = like.dtype if isinstance(like, Tensor) else torch.from_numpy(like[:0]).dtype
    return torch.empty(tuple(like.shape), dtype=dtype, device="cpu", pin_memory=True)


class Later:
    """A few numbers of a device, which the host reads when they have arrived."""

    def __init__(self, numbers: Tensor) -> None:
        is_here = numbers.device.type == "cpu"
        self._here = numbers if is_here else _pinned(numbers)
        self._event = None if is_here else torch.cuda.Event()
        if self._event is not None:
            self._here.copy_(numbers, non_blocking=True)
            self._event.record(torch.cuda.current_stream(numbers.device))

    def read(self) -> list | None:
        """They; None if they are still on their way."""
        return self._here.tolist() if self._event is None or self._event.query() else None
