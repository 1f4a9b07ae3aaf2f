"""Every elementwise rule on the large model: the bytes that it must move per second, beside the device's own copy."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import median

import torch

from gpu_parts.device import Device, Tell, large_shapes
from gpu_parts.items import Item, Swept
from gpu_parts.options import Options
from thalweg.bench.bandwidth import bytes_moved
from thalweg.bench.pairs import Side
from thalweg.bench.peers import ours
from thalweg.rules import RULES

TITLE = "float32, bytes moved per second as a share of the device's own copy"
TARGET = 0.85
COPIED = 8  # bytes of a float32 that is read and written


def rules(device: Device, options: Options, tell: Tell) -> Iterator[Item]:
    """A line for each rule."""
    copy = copying(device, options.parameters)
    for rule in options.rules:
        tell(rule)
        yield swept(rule, copy, device, options)
        device.free()


def copying(device: Device, elements: int) -> Side:
    """A copy of so many float32 from one place of the device's memory to another."""
    source, target = torch.ones(elements, device=device.name), torch.zeros(elements, device=device.name)
    return Side(lambda: target.copy_(source))


def swept(rule: str, copy: Side, device: Device, options: Options) -> Swept:
    """How fast a rule is, in the same rounds as the copy."""
    shapes = large_shapes(options.parameters, options.large)
    elements = sum(count for (count,) in shapes)
    with device.stepping():
        rounds = device.rounds([ours(rule, None, device.parameters(shapes)), copy], options.repeats)
    moved = bytes_moved(RULES[rule])
    rates = [(moved * elements / step, COPIED * options.parameters / copied) for step, copied in rounds]
    own, copied = (median(column) for column in zip(*rates, strict=True))
    ms = median(step for step, _ in rounds) * 1e3
    return Swept(rule, moved, ms, own / 1e9, copied / 1e9, median(a / b for a, b in rates), TARGET)
