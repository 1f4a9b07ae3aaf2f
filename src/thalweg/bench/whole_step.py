"""The optimizer's whole side of a step of mixed precision: unscale, clip by norm, AdamW, average the weights, zero."""

from __future__ import annotations

import functools
from collections.abc import Sequence

import torch
from torch import Tensor

import thalweg.torch
from thalweg.bench.job import Group, Job, Sizes, millions
from thalweg.bench.pairs import Question, Side, compared
from thalweg.bench.table import Row
from thalweg.bench.tensors import large

TARGET = 1.7
NORM, DECAY = 1.0, 0.999
SCALE = 65536.0  # what a GradScaler starts at


def _renewal(params: Sequence[Tensor]) -> Side:
    """Gives the gradients back, outside the time: steps scale them, zero them or let go of them."""
    buffers = [x.grad for x in params]
    source = torch.clone(buffers[0])  # type: ignore[arg-type]

    def renew() -> None:
        for x, buffer in zip(params, buffers, strict=True):
            x.grad = buffer.copy_(source)  # type: ignore[union-attr]

    return Side(renew)


def _scaler(kind: type[torch.amp.GradScaler]) -> torch.amp.GradScaler:
    scaler = kind("cpu", init_scale=SCALE)
    scaler.scale(torch.zeros(()))  # as the loss's scaling would, it makes the scaler's own tensors
    return scaler


def torchs_step(params: Sequence[Tensor], set_to_none: bool) -> Side:
    """The step with torch's parts."""
    optimizer = torch.optim.AdamW(params, fused=True)
    scaler = _scaler(torch.amp.GradScaler)
    weights = [x.detach() for x in params]
    averages = [x.clone() for x in weights]

    def step() -> None:
        scaler.unscale_(optimizer)
        torch.nn.utils.clip_grad_norm_(params, NORM)
        scaler.step(optimizer)
        scaler.update()
        torch._foreach_lerp_(averages, weights, 1 - DECAY)  # pyright: ignore[reportPrivateImportUsage]
        optimizer.zero_grad(set_to_none=set_to_none)

    return Side(step, _renewal(params).call)


def our_step(params: Sequence[Tensor], set_to_none: bool) -> Side:
    """The step with Thalweg's arguments."""
    optimizer = thalweg.torch.AdamW(params, clip_norm=NORM, ema=DECAY, zero_grad=not set_to_none)
    scaler = _scaler(thalweg.torch.GradScaler)

    def step() -> None:
        scaler.step(optimizer)
        scaler.update()
        if set_to_none:
            optimizer.zero_grad()

    return Side(step, _renewal(params).call)


def _row(set_to_none: bool, elements: int, pairs: int) -> list[Row]:
    work = "gradients set to None" if set_to_none else "gradients set to zero"
    question = Question("whole_step", work, "torch fused", None if set_to_none else TARGET)
    ours, theirs = (make(large(elements, gradient=SCALE), set_to_none) for make in (our_step, torchs_step))
    return [compared(question, ours, theirs, pairs)]


def _jobs(sizes: Sizes) -> list[Job]:
    return [Job("a whole step", functools.partial(_row, none, sizes.elements)) for none in (False, True)]


def _title(sizes: Sizes) -> str:
    return f"{millions(sizes.elements)}: unscale, clip, AdamW, average, zero: times as fast as torch"


GROUP = Group("whole_step", _title, _jobs)
