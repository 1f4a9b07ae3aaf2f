"""The memory that an optimizer takes beside parameters, gradients and state: within a step, and between steps."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

import thalweg.torch
from gpu_parts.device import Device, Tell, large_shapes
from gpu_parts.items import Item, Peak
from gpu_parts.options import Options

TITLE = "beside parameters and gradients; a step's should be none above torch's"
STEPS = 3  # of which the peak is taken, after two others
SIDES: dict[str, Callable[[Sequence[Tensor]], Any]] = {
    "torch Adam, fused": lambda params: torch.optim.Adam(params, fused=True),
    "torch Adam, foreach": lambda params: torch.optim.Adam(params, foreach=True),
    "Thalweg Adam": thalweg.torch.Adam,
    "Thalweg Adam, clip, EMA, zero": lambda params: thalweg.torch.Adam(params, clip_norm=1.0, ema=0.9, zero_grad=True),
    "torch RMSprop, foreach": lambda params: torch.optim.RMSprop(params, foreach=True),
    "Thalweg RMSprop": thalweg.torch.RMSprop,
}
BOUNDED = {"Thalweg Adam": "torch Adam, fused", "Thalweg RMSprop": "torch RMSprop, foreach"}


def memory(device: Device, options: Options, tell: Tell) -> Iterator[Item]:
    """A line for each optimizer."""
    if not device.is_real:
        yield "peaks need a device: here only the state is measured"
    found: dict[str, Peak] = {}
    for name, make in SIDES.items():
        tell(name)
        bound = found[BOUNDED[name]].step if name in BOUNDED and device.is_real else None
        found[name] = _peak(name, make, device, options, bound)
        yield found[name]
        device.free()


def _peak(name: str, make: Callable, device: Device, options: Options, bound: int | None) -> Peak:
    params = device.parameters(large_shapes(options.parameters, options.large))
    optimizer = make(params)
    before = _taken(device)
    with device.stepping():
        first = _most(device, optimizer.step, 1) - _taken(device)
        optimizer.step()
        step = _most(device, optimizer.step, STEPS) - _taken(device)
    state = sum(_bytes(tensor) for x in params for tensor in optimizer.state[x].values())
    kept = _taken(device) - before - state if device.is_real else 0
    return Peak(name, step, first, kept, state, bound)


def _bytes(tensor: Tensor) -> int:
    """What an array takes; a single number may be a part of many."""
    return tensor.numel() * tensor.element_size() if tensor.ndim else 0


def _taken(device: Device) -> int:
    device.wait()
    return torch.cuda.memory_allocated() if device.is_real else 0


def _most(device: Device, step: Callable[[], object], steps: int) -> int:
    """The most memory that was taken at once within some steps."""
    if device.is_real:
        torch.cuda.reset_peak_memory_stats()
    for _ in range(steps):
        step()
    device.wait()
    return torch.cuda.max_memory_allocated() if device.is_real else 0
