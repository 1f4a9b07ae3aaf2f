"""Whole trainings on the device and on the CPU, with everything that the frame does around a rule, step after step."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor

import thalweg.torch
from gpu_parts.device import Device
from gpu_parts.items import Check
from gpu_parts.limits import attempted
from gpu_parts.stored import bits, roundings

SHAPES = ((40, 30), (5,), (), (1, 7))
STEPS = 5
ROUNDINGS = 2  # which the device's own powers, and the order in which it adds up a norm, may make of a stored number
FRAME = {"clip_norm": 0.5, "clip_value": 0.1, "ema": 0.9, "zero_grad": True, "nonfinite": "skip"}
SHORT = {"state_dtype": "float32", "clip_norm": 1.0, "seed": -3, "ema": 0.9}
NESTEROV = {"momentum": 0.9, "nesterov": True, "weight_decay": 0.1}
TRAININGS: dict[str, tuple[Callable[..., Any], dict[str, Any], torch.dtype]] = {
    "AdamW, all of the frame": (thalweg.torch.AdamW, FRAME, torch.float32),
    "SGD, Nesterov, decay": (thalweg.torch.SGD, NESTEROV, torch.float32),
    "RMSprop, centered": (thalweg.torch.RMSprop, {"centered": True, "momentum": 0.9}, torch.float32),
    "NAdam": (thalweg.torch.NAdam, {}, torch.float32),
    "Adam, complex numbers": (thalweg.torch.Adam, {"amsgrad": True, "maximize": True}, torch.complex64),
    "AdamW, bfloat16, at random": (
        thalweg.torch.AdamW,
        {**SHORT, "rounding": "stochastic"},
        torch.bfloat16,
    ),
    "Adam, bfloat16, Kahan": (thalweg.torch.Adam, {**SHORT, "rounding": "kahan"}, torch.bfloat16),
}


def trainings(device: Device) -> Iterator[Check]:
    """A line for each training, in the exact form."""
    for name, (make, given, dtype) in TRAININGS.items():
        off = functools.partial(_off, functools.partial(_trained, make, given, dtype), device)
        yield attempted(f"{STEPS} steps of {name}", off, ROUNDINGS, "roundings")


def _off(trained: Callable[..., Any], device: Device) -> int:
    """How far a training on the device ends from one on the CPU."""
    return _apart(trained(device.name, device), trained("cpu"))


def _trained(make: Callable, given: dict, dtype: torch.dtype, where: str, device: Device | None = None) -> Any:
    """Weights and state after some steps, by the CPU's own kernels where no device is given."""
    generator = torch.Generator().manual_seed(0)
    xs = [torch.randn(shape, generator=generator).to(dtype).to(where).requires_grad_() for shape in SHAPES]
    optimizer = make(xs, lr=0.01, exact=True, **given)
    for _ in range(STEPS):
        for x in xs:
            x.grad = torch.randn(x.shape, generator=generator).to(dtype).to(where)
        with contextlib.nullcontext() if device is None else device.stepping():
            optimizer.step()
    return [(x, optimizer.state[x]) for x in xs]


def _apart(found: list[tuple[Tensor, dict]], expected: list[tuple[Tensor, dict]]) -> int:
    """The largest distance of a weight or of an array of state, in roundings.

    Numbers that are made once per step are float64, of which a device's powers change some bits: see `Errors.values`.
    """
    worst = 0
    for (x, state), (y, other) in zip(found, expected, strict=True):
        pairs = [(x, y), *((state[key], other[key]) for key in other if other[key].dtype != torch.float64)]
        worst = max(worst, *(_distance(a, b) for a, b in pairs))
    return worst


def _distance(a: Tensor, b: Tensor) -> int:
    a, b = (torch.view_as_real(each.detach()) if each.is_complex() else each.detach() for each in (a, b))
    return roundings(bits(a), bits(b), str(a.dtype).removeprefix("torch."))
