"""Every section: what its figures mean, and what measures them."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from gpu_parts import correctness, graph, memory, model, peers, small, sweeps, sync, tune, whole
from gpu_parts.device import Device, Tell
from gpu_parts.items import Item
from gpu_parts.options import Options

Run = Callable[[Device, Options, Tell], Iterator[Item]]
ALL: dict[str, tuple[str, Run]] = {
    "correctness": (correctness.TITLE, correctness.correctness),
    "rules": (sweeps.TITLE, sweeps.rules),
    "peers": (peers.TITLE, peers.peers),
    "small": (small.TITLE, small.small),
    "model": (model.TITLE, model.model),
    "whole": (whole.TITLE, whole.whole),
    "graph": (graph.TITLE, graph.graph),
    "memory": (memory.TITLE, memory.memory),
    "sync": (sync.TITLE, sync.sync),
}
TUNE: tuple[str, Run] = (tune.TITLE, tune.tune)
