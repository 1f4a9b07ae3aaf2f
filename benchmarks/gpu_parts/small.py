"""Many small tensors, by the clock on the wall: what a step costs the host, and the device, together."""

from __future__ import annotations

from collections.abc import Iterator

from gpu_parts.device import Device, Tell
from gpu_parts.items import Item
from gpu_parts.options import Options
from thalweg.bench.pairs import Question, answered
from thalweg.bench.peers import ours, peer_of, torchs

TITLE = "small tensors, the host's part included: times as fast as torch"
TARGET = 1.5
AGAINST = {"adam": ("fused", "foreach"), "adamw": ("fused",), "momentum": ("fused",), "rmsprop": ("foreach",)}


def small(device: Device, options: Options, tell: Tell) -> Iterator[Item]:
    """For each rule lines with a wait after every step, and with a wait after some steps."""
    for rule, settings in AGAINST.items():
        tell(rule)
        yield from _rows(rule, settings, device, options)
        device.free()


def _rows(rule: str, settings: tuple[str, ...], device: Device, options: Options) -> Iterator[Item]:
    peer, shapes = peer_of(rule), [(options.elements,)] * options.tensors
    assert peer is not None
    sides = [ours(rule, peer, device.parameters(shapes))]
    sides += [torchs(rule, peer, setting, device.parameters(shapes)) for setting in settings]
    for words, calls in (("a wait each", 1), (f"{options.row} in a row", options.row)):
        with device.stepping():
            rounds = device.walls(sides, options.repeats, calls)
        for column, setting in enumerate(settings, 1):
            target = TARGET if setting == "fused" else None
            question = Question("small", f"{rule}, {words}", f"torch {setting}", target)
            yield answered(question, [(row[0], row[column]) for row in rounds])
