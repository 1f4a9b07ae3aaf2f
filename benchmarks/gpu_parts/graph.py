"""A step in a CUDA graph: the same numbers as without one, and the time of a replay."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

import thalweg.torch
from gpu_parts.device import Device, Tell, large_shapes
from gpu_parts.items import Item
from gpu_parts.limits import attempted
from gpu_parts.options import Options
from thalweg.bench.pairs import Question, Side, answered

TITLE = "CUDA graphs: the numbers of steps without one, and times as fast as torch"
TARGET = 1.0
REPLAYS, FIRST = 4, 2  # how often a graph is replayed, and how many steps come before its capture
SHAPES = ((40, 30), (5,), (), (64,))
FRAMES: dict[str, tuple[torch.dtype, dict[str, Any]]] = {
    "Adam": (torch.float32, {}),
    "Adam, clipped, averaged, zeroed": (torch.float32, {"clip_norm": 1.0, "ema": 0.9, "zero_grad": True}),
    "Adam, infinite gradients left out": (torch.float32, {"nonfinite": "skip"}),
    "Adam, bfloat16, at random": (torch.bfloat16, {"state_dtype": "float32", "rounding": "stochastic"}),
}


def graph(device: Device, options: Options, tell: Tell) -> Iterator[Item]:
    """Checks of the numbers, then times."""
    if not device.is_real:
        yield "a graph needs a device: here both sides step without one, with the learning rate in a tensor and not"
    for name, (dtype, frame) in FRAMES.items():
        tell(name)
        differing = functools.partial(_differing, dtype, frame, device)
        yield attempted(f"{name}, {REPLAYS} replays", differing, 0, "numbers differ")
    if device.is_real:
        models = {"small tensors": [(options.elements,)] * options.tensors}
        models["large model"] = large_shapes(options.parameters, options.large)
        for words, shapes in models.items():
            tell(words)
            yield _times(words, shapes, device, options)
            device.free()


def rate_in(device: Device) -> Tensor:
    """A learning rate that a graph reads anew in every replay."""
    return torch.tensor(1e-3, device=device.name)


def _differing(dtype: torch.dtype, frame: dict[str, Any], device: Device) -> int:
    """How many numbers differ between replays and steps, while gradients and the learning rate change in place."""
    one, other, rate = device.parameters(SHAPES, dtype), device.parameters(SHAPES, dtype), rate_in(device)
    graphed = thalweg.torch.Adam(one, lr=rate, capturable=True, **frame)
    plain = thalweg.torch.Adam(other, lr=rate.item(), **frame)
    with device.stepping():
        for turn in range(FIRST):
            _feed((*one, *other), turn, frame)
            graphed.step()
            plain.step()
        replay = captured(graphed.step) if device.is_real else graphed.step
        for turn in range(FIRST, FIRST + REPLAYS):
            _feed((*one, *other), turn, frame)
            plain.param_groups[0]["lr"] = rate.fill_(1e-3 / turn).item()
            replay()
            plain.step()
    device.wait()
    pairs = [*zip(one, other, strict=True)]
    pairs += [(graphed.state[x][key], plain.state[y][key]) for x, y in pairs for key in plain.state[y]]
    return sum(int((a.detach().cpu() != b.detach().cpu()).sum()) for a, b in pairs)


def _feed(xs: Sequence[Tensor], turn: int, frame: dict[str, Any]) -> None:
    """New gradients in the memory of the old ones; where infinities are left out, with one in the second replay."""
    for k, x in enumerate(xs):
        generator = torch.Generator().manual_seed(100 * turn + k % len(SHAPES))
        gradient = torch.randn(x.shape, generator=generator)
        if "nonfinite" in frame and turn == FIRST + 1:
            gradient.view(-1)[0] = float("inf")
        x.grad.copy_(gradient)  # type: ignore[union-attr]


def captured(step: Callable[[], object]) -> Callable[[], None]:
    """The replay of a graph of a step that has been taken before."""
    recorded = torch.cuda.CUDAGraph()
    with torch.cuda.graph(recorded):
        step()
    return recorded.replay


def _times(words: str, shapes: Sequence[tuple[int, ...]], device: Device, options: Options) -> Item:
    """A replay of ours and one of torch's fused."""
    rates = [rate_in(device) for _ in range(2)]
    ours = thalweg.torch.Adam(device.parameters(shapes), lr=rates[0], capturable=True)
    theirs = torch.optim.Adam(device.parameters(shapes), lr=rates[1], capturable=True, fused=True)
    for _ in range(FIRST):
        ours.step()
        theirs.step()
    sides = [Side(captured(optimizer.step)) for optimizer in (ours, theirs)]
    return answered(
        Question("graph", f"Adam, {words}, a replay", "torch fused", TARGET), device.rounds(sides, options.repeats)
    )
