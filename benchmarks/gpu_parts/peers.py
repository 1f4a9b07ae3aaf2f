"""Every rule that torch has, on the large model: against its fused, its foreach and its compiled step."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from gpu_parts.device import Device, Tell, large_shapes
from gpu_parts.items import Item
from gpu_parts.limits import sentence, within
from gpu_parts.options import Options
from thalweg.bench.pairs import Question, Side, answered, warmed
from thalweg.bench.peers import arguments, ours, peer_of, settings_of, torchs
from thalweg.formula import Peer

TITLE = "float32: times as fast as torch"
FUSED, FOREACH, COMPILED = 1.0, 2.0, 1.0
WITHOUT_FUSED = ("rmsprop", "adadelta", "nadam", "irprop_minus", "adamax")
MOST_SECONDS = 60.0  # for compiling one rule
# What each rule should reach against which of torch's settings; the other rules are measured without a target. These
# come first, and only these are compiled.
TARGETS = {
    **{rule: {"fused": FUSED} for rule in ("adam", "adamw")},
    **{rule: {"foreach": FOREACH, "compile": COMPILED} for rule in WITHOUT_FUSED},
}


def peers(device: Device, options: Options, tell: Tell) -> Iterator[Item]:
    """Lines of each rule, one for each of torch's settings."""
    known = [rule for rule in options.rules if peer_of(rule) is not None]
    left = options.compile_seconds if device.is_real else 0.0
    if not device.is_real:
        yield "torch.compile is left out: it needs a device"
    for rule in [rule for rule in TARGETS if rule in known] + [rule for rule in known if rule not in TARGETS]:
        tell(rule)
        left = yield from _rows(rule, left, device, options)
        device.free()


def _rows(rule: str, compile_seconds: float, device: Device, options: Options) -> Iterator[Item]:
    """The lines of one rule; returns how many of the seconds for compiling are left."""
    peer, shapes = peer_of(rule), large_shapes(options.parameters, options.large)
    assert peer is not None
    sides = {"ours": ours(rule, peer, device.parameters(shapes))}
    for setting in settings_of(peer.name):
        if setting != "loop":
            try:
                sides[setting] = warm(torchs(rule, peer, setting, device.parameters(shapes)))
            except (RuntimeError, ValueError) as error:
                yield f"{rule}, torch {setting}: {sentence(error)}"
    begin = time.monotonic()
    if rule in TARGETS and device.is_real:
        yield from _compile(sides, rule, compile_seconds, device.parameters(shapes))
    spent = time.monotonic() - begin
    with device.stepping():
        rounds = device.rounds(list(sides.values()), options.repeats)
    for column, setting in list(enumerate(sides))[1:]:
        question = Question("peers", rule, f"torch {setting}", TARGETS.get(rule, {}).get(setting))
        yield answered(question, [(row[0], row[column]) for row in rounds])
    if device.is_real:
        torch._dynamo.reset()  # it would hold on to the weights
    return compile_seconds - spent


def _compile(sides: dict[str, Side], rule: str, seconds: float, params: Sequence[Tensor]) -> Iterator[Item]:
    """Add torch's compiled step to the sides, or say why not."""
    peer = peer_of(rule)
    assert peer is not None
    try:
        if seconds <= 0:
            raise TimeoutError("no time was left for compiling")
        with within(min(seconds, MOST_SECONDS)):
            sides["compile"] = warm(compiled(rule, peer, params))
    except Exception as error:  # whatever torch's compiler raises: a peer that cannot be measured is told of
        yield f"{rule}, torch.compile: {sentence(error)}"


def warm(side: Side) -> Side:
    """A side that has been called, so that what it cannot do has been said."""
    warmed([side])
    return side


def compiled(rule: str, peer: Peer, params: Sequence[Tensor]) -> Side:
    """A step of torch's class, compiled, as torch's own recipe compiles it."""
    torch._dynamo.reset()  # else the compiler counts each rule as one more form of the same function, and gives up
    optimizer = getattr(torch.optim, peer.name)(params, **arguments(rule, peer))

    @torch.compile(fullgraph=False)
    def step() -> None:
        optimizer.step()

    return Side(step)
