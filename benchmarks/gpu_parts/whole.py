"""The optimizer's whole side of a step: clip by norm, AdamW, average the weights, zero the gradients; unscale, too."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor
from torch.optim.swa_utils import get_ema_multi_avg_fn

import thalweg.torch
from gpu_parts.device import Device, Tell, large_shapes
from gpu_parts.items import Item
from gpu_parts.options import Options
from thalweg.bench.pairs import Question, Side, answered

TITLE = "clip, AdamW, average, zero: times as fast as torch's parts"
TARGET = 1.5
NORM, DECAY = 1.0, 0.999


def whole(device: Device, options: Options, tell: Tell) -> Iterator[Item]:
    """A line without and a line with a GradScaler."""
    for scaled in (False, True):
        work = "with a GradScaler" if scaled else "without a scaler"
        tell(work)
        shapes = large_shapes(options.parameters, options.large)
        sides = [make(device.parameters(shapes), device, scaled) for make in (our_step, torchs_step)]
        with device.stepping():
            rounds = device.rounds(sides, options.repeats)
        yield answered(Question("whole", work, "torch fused", TARGET), rounds)
        del sides
        device.free()


def our_step(params: Sequence[Tensor], device: Device, scaled: bool) -> Side:
    """The step with Thalweg's arguments."""
    optimizer = thalweg.torch.AdamW(params, clip_norm=NORM, ema=DECAY, zero_grad=True)
    if not scaled:
        return Side(optimizer.step, renewal(params))
    scaler = ready(thalweg.torch.GradScaler(device.name), device)

    def step() -> None:
        scaler.step(optimizer)
        scaler.update()

    return Side(step, renewal(params))


def torchs_step(params: Sequence[Tensor], device: Device, scaled: bool) -> Side:
    """The step with torch's parts."""
    optimizer = torch.optim.AdamW(params, fused=True)
    scaler = ready(torch.amp.GradScaler(device.name, enabled=scaled), device)
    weights = [x.detach() for x in params]
    averages, average = [x.clone() for x in weights], get_ema_multi_avg_fn(DECAY)

    def step() -> None:
        scaler.unscale_(optimizer)
        torch.nn.utils.clip_grad_norm_(params, NORM, foreach=True)
        scaler.step(optimizer)
        scaler.update()
        average(averages, weights, 1)
        optimizer.zero_grad(set_to_none=False)

    return Side(step, renewal(params))


def ready(scaler: torch.amp.GradScaler, device: Device) -> torch.amp.GradScaler:
    """A scaler that has made its own tensors, as the loss's scaling has it do."""
    scaler.scale(torch.zeros((), device=device.name))
    return scaler


def renewal(params: Sequence[Tensor]):
    """Gives the gradients back, outside the time: steps scale them and zero them."""
    source = params[0].grad.clone()  # type: ignore[union-attr]

    def renew() -> None:
        for x in params:
            x.grad.copy_(source)  # type: ignore[union-attr]

    return renew
