"""Nobody waits for the device within a step: torch is told to refuse whatever would."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

import thalweg.torch
from gpu_parts.device import Device, Tell
from gpu_parts.items import Check, Item
from gpu_parts.limits import sentence
from gpu_parts.options import Options
from gpu_parts.whole import ready

TITLE = "does a step wait for the device?"
FIRST, STEPS = 2, 3  # steps before, in which tables are made, and steps that must not wait
SHAPES = ((64, 32), (100,), (7,))
ALL = {"clip_norm": 1.0, "ema": 0.9, "zero_grad": True, "nonfinite": "skip"}
# For each case the class, its arguments, and the type of the weights.
CASES: dict[str, tuple[type, dict[str, Any], torch.dtype]] = {
    "plain": (thalweg.torch.Adam, {}, torch.float32),
    "clipped by norm": (thalweg.torch.Adam, {"clip_norm": 1.0}, torch.float32),
    "infinite gradients left out": (thalweg.torch.Adam, {"nonfinite": "skip"}, torch.float32),
    "all of the frame": (thalweg.torch.AdamW, ALL, torch.float32),
    "bfloat16, to the nearest": (thalweg.torch.Adam, {"state_dtype": "float32"}, torch.bfloat16),
    "bfloat16, at random": (thalweg.torch.Adam, {"rounding": "stochastic"}, torch.bfloat16),
    "bfloat16, Kahan": (thalweg.torch.Adam, {"rounding": "kahan"}, torch.bfloat16),
    "exact": (thalweg.torch.NAdam, {"exact": True}, torch.float32),
}
SCALED = ("plain", "clipped by norm", "infinite gradients left out")


def sync(device: Device, options: Options, tell: Tell) -> Iterator[Item]:
    """A line for each case; every step has another learning rate, and other gradients in another place."""
    if not device.is_real:
        yield "who waits can be seen on a device only: here the steps are only taken"
    for name in (*CASES, *(f"{name}, with a GradScaler" for name in SCALED)):
        tell(name)
        said = _waits(*CASES[name.removesuffix(", with a GradScaler")], name not in CASES, device)
        yield Check(name, float(bool(said)), 0, "waits", said)


def _waits(make: type, given: dict[str, Any], dtype: torch.dtype, scaled: bool, device: Device) -> str:
    """What torch said of a wait; nothing where there was none."""
    params = device.parameters(SHAPES, dtype)
    optimizer = make(params, **given)
    scaler = ready(thalweg.torch.GradScaler(device.name), device) if scaled else None

    def step(turn: int) -> None:
        optimizer.param_groups[0]["lr"] = 1e-3 / (turn + 1)
        for x in params:
            x.grad = torch.full_like(x, 0.5)
        if scaler is None:
            optimizer.step()
        else:
            scaler.step(optimizer)
            scaler.update()

    try:
        with device.stepping():
            for turn in range(FIRST):
                step(turn)
            with _refusing(device):
                for turn in range(FIRST, FIRST + STEPS):
                    step(turn)
    except Exception as error:  # torch raises a RuntimeError where it would wait; a step that fails is no better
        return sentence(error)
    return ""


@contextmanager
def _refusing(device: Device) -> Iterator[None]:
    """A context in which torch raises an error where it would wait."""
    device.wait()
    if device.is_real:
        torch.cuda.set_sync_debug_mode("error")
    try:
        yield
    finally:
        if device.is_real:
            torch.cuda.set_sync_debug_mode("default")
