"""What is decided on the device before a step: what gradients are multiplied by, and whether the step is left out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from thalweg.compile.triton_norm import GIVEN, TOLD, finish_source
from thalweg.frameworks.torch.batch import Batch
from thalweg.frameworks.torch.frame import Frame
from thalweg.frameworks.torch.on_device import DeviceSweep
from thalweg.sweep.gpu import BLOCK, is_on_gpu, launch, within
from thalweg.sweep.mirror import Mirror, is_capturing, keep

NORM_OFFSET = 1e-6  # torch.nn.utils.clip_grad_norm_ adds it to the norm that it divides by


class Scaler(NamedTuple):
    """What a GradScaler left at an optimizer: the loss's scale, and whether it found an infinity or NaN; or None."""

    grad_scale: Any
    found_inf: Any

    @property
    def is_on_device(self) -> bool:
        """Whether asking it would have the host wait."""
        if self.grad_scale is None and self.found_inf is None:
            return False
        return any(isinstance(part, Tensor) and is_on_gpu(part) for part in self)

    @property
    def scale(self) -> float | None:
        """What to multiply gradients by; None if nobody asked for that."""
        return None if self.grad_scale is None else 1.0 / float(self.grad_scale)

    @property
    def found(self) -> bool:
        """Whether the step is to be left out."""
        return self.found_inf is not None and bool(self.found_inf.item())


def scaler_of(optimizer: Any) -> Scaler:
    """What torch's GradScaler left."""
    return Scaler(getattr(optimizer, "grad_scale", None), getattr(optimizer, "found_inf", None))


class Decision:
    """Makes the decision for an optimizer whose parameters are all on one device, and keeps it there.

    Attributes:
        device: The device.
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self._given = Mirror((len(GIVEN),), torch.float64, device)
        with torch.inference_mode(False):  # the next step may be taken outside of it
            self._rows = torch.zeros((2, 0), dtype=torch.float64, device=device)
            self._told = torch.zeros(len(TOLD), dtype=torch.float64, device=device)
            self._skipped = torch.zeros((), dtype=torch.float64, device=device)
        self._told_by_scaler = (False, False)

    @property
    def factor(self) -> Tensor:
        """What gradients are multiplied by."""
        return self._told[TOLD.index("scale")]

    @property
    def skip(self) -> Tensor:
        """Not zero where the step is left out."""
        return self._told[TOLD.index("skip")]

    @property
    def unfit(self) -> Tensor:
        """How many infinities and NaNs the gradients hold."""
        return self._told[TOLD.index("unfit")]

    def skipped(self) -> int:
        """How many steps have been left out; the host waits for that."""
        return int(self._skipped.item())

    def look(self, batches: Sequence[Batch]) -> None:
        """Read all gradients once."""
        sweeps = [sweep for batch in batches if isinstance(sweep := batch.sweep, DeviceSweep)]
        rows = [len(sweep.table.tensor) for sweep in sweeps]
        if self._rows.shape[1] != sum(rows):
            self._rows = torch.zeros((2, sum(rows)), dtype=torch.float64, device=self.device)
        for sweep, squares, unfits in zip(sweeps, self._rows[0].split(rows), self._rows[1].split(rows), strict=True):
            sweep.norm(squares, unfits)

    def make(self, frame: Frame, scaler: Scaler, counts: bool = True) -> None:
        """Decide, from what `look` has read.

        Args:
            frame: Says how large the norm may be, and whether infinite gradients leave the step out.
            scaler: Says more.
            counts: Whether a step follows, which counts if it is left out.
        """
        most = math.inf if frame.clip_norm is None else frame.clip_norm
        given = self._given_now(np.array([1.0, most, NORM_OFFSET, frame.nonfinite == "skip", 0.0]), scaler)
        squares, unfits = self._rows
        if is_capturing(self.device):
            keep(self, self._rows)
        with within(self.device):
            launch(finish_source(), 1, squares, unfits, len(squares), given, self._told, BLOCK=BLOCK)
        if counts and (frame.nonfinite == "skip" or scaler.found_inf is not None):
            self._skipped += self.skip

    def _given_now(self, host: np.ndarray, scaler: Scaler) -> Tensor:
        """What the decision rests on: the host's part is sent when it changes, a scaler's never leaves the device."""
        told = (scaler.grad_scale is not None, scaler.found_inf is not None)
        if told != self._told_by_scaler:
            self._given.forget()
        self._told_by_scaler = told
        given = self._given.holding(host, is_shared=False)
        if isinstance(scaler.grad_scale, Tensor):
            given[GIVEN.index("scale")].copy_(scaler.grad_scale.detach().double().reciprocal().reshape(()))
        if isinstance(scaler.found_inf, Tensor):
            given[GIVEN.index("found")].copy_(scaler.found_inf.detach().reshape(()))
        return given


def decision_of(optimizer: Any, device: torch.device | None) -> Decision | None:
    """Who decides for an optimizer whose parameters are all on a device; None where the host must know."""
    if device is None or optimizer.frame.nonfinite == "raise":
        return None
    if optimizer._decision is None or optimizer._decision.device != device:
        skipped = optimizer.skipped
        optimizer._decision = Decision(device)
        optimizer.skipped = skipped
    return optimizer._decision


def device_of(batches: Sequence[Batch]) -> torch.device | None:
    """The one device that all batches are on, if they are, and no other process has parts of them."""
    devices = {None if batch.is_on_host or batch.spread is not None else batch.xs[0].device for batch in batches}
    return devices.pop() if len(devices) == 1 else None
