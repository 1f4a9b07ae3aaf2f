"""The parameter list of a real model: a transformer with 1.3 billion weights, as in GPT-3 XL."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from math import prod
from typing import Any

import torch
from torch import Tensor

import thalweg.torch
from gpu_parts.device import Device, Tell
from gpu_parts.items import Item
from gpu_parts.options import Options
from thalweg.bench.pairs import Question, Side, answered

TITLE = "AdamW on a transformer's parameters: times as fast as torch fused"
TARGET = 1.0
POSITIONS = 2048
SPARE = 0.85  # share of the free memory that may be taken
Sides = dict[str, Callable[[Sequence[Tensor]], Any]]
# Both sides step the same weights in turn, which saves memory and changes no time; each has a state of its own.
FULL: Sides = {
    "float32": thalweg.torch.AdamW,
    "torch fused": lambda params: torch.optim.AdamW(params, fused=True),
}
SHORT: Sides = {
    "bfloat16, state float32": lambda params: thalweg.torch.AdamW(params, state_dtype="float32"),
    "bfloat16, state float32, random": lambda params: thalweg.torch.AdamW(
        params, state_dtype="float32", rounding="stochastic"
    ),
    "bfloat16, all of it": thalweg.torch.AdamW,
    "torch fused": FULL["torch fused"],
}
# For each type of the weights the sides, and the bytes that a weight takes with all of them: x, g and their states.
CASES = {torch.float32: (FULL, 8 + 2 * 8), torch.bfloat16: (SHORT, 4 + 8 + 8 + 4 + 4)}


def shapes(layers: int, width: int, tokens: int) -> list[tuple[int, ...]]:
    """The parameters of a transformer, whose embedding is its head too."""
    layer = [
        *((width,), (width,)),
        *((3 * width, width), (3 * width,), (width, width), (width,)),
        *((width,), (width,)),
        *((4 * width, width), (4 * width,), (width, 4 * width), (width,)),
    ]
    return [(tokens, width), (min(POSITIONS, tokens), width), *(layer * layers), (width,), (width,)]


def model(device: Device, options: Options, tell: Tell) -> Iterator[Item]:
    """Lines for float32 and for bfloat16 weights; of torch, whose state is of the weights' type, for both."""
    for dtype, (sides, weight) in CASES.items():
        tell(str(dtype))
        layers = _fitting(options, weight, device.free_bytes())
        chosen = shapes(layers, options.width, options.tokens)
        count = sum(map(prod, chosen))
        yield f"{dtype}: {layers} of {options.layers} layers, {count:,} weights in {len(chosen)} tensors"
        yield from _rows(sides, device.parameters(chosen, dtype), device, options)
        device.free()


def _fitting(options: Options, weight: int, free: float) -> int:
    """How many layers fit into memory."""
    for layers in range(options.layers, 1, -1):
        if sum(map(prod, shapes(layers, options.width, options.tokens))) * weight <= SPARE * free:
            return layers
    return 1


def _rows(sides: Sides, params: Sequence[Tensor], device: Device, options: Options) -> Iterator[Item]:
    steps = [Side(make(params).step) for make in sides.values()]
    with device.stepping():
        rounds = device.rounds(steps, options.repeats)
    for column, name in list(enumerate(sides))[:-1]:
        alike = name in ("float32", "bfloat16, all of it")
        question = Question("model", name, "torch fused", TARGET if alike else None)
        yield answered(question, [(row[column], row[-1]) for row in rounds])
