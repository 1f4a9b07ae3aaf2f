"""`Options`: how much work a run is."""

from __future__ import annotations

import time
from dataclasses import dataclass

from thalweg.bench.peers import TRAINABLE


@dataclass(frozen=True)
class Options:
    """What the command line asked for.

    Attributes:
        parameters: Of the large model.
        large: Into how many tensors it is cut.
        tensors: How many small tensors.
        elements: Of each of these.
        layers: Of the transformer whose parameter list is stepped, and
        width: how wide it is, and
        tokens: how many it knows.
        repeats: Rounds that are measured.
        row: Steps that are measured in a row where nobody waits in between.
        rules: By name, for the sections that go through the catalogue.
        checked: The step numbers at which a rule is checked.
        processes: That check rules at once; compiling them takes longer than running them.
        compile_seconds: For all of torch's compiled peers together.
        ends: When no further section begins, in seconds of `time.monotonic`.
        tuned: Values of ROW, BLOCK and WARPS to try.
    """

    parameters: int = 100_000_000
    large: int = 10
    tensors: int = 1000
    elements: int = 1000
    layers: int = 24
    width: int = 2048
    tokens: int = 50257
    repeats: int = 15
    row: int = 20
    rules: tuple[str, ...] = TRAINABLE
    checked: tuple[int, ...] = (1, 2, 3, 1000)
    processes: int = 1
    compile_seconds: float = 150.0
    ends: float = float("inf")
    tuned: tuple[tuple[int, ...], ...] = ((4096, 8192, 16384, 32768, 65536), (512, 1024, 2048, 4096), (4, 8, 16))

    @property
    def is_late(self) -> bool:
        """Whether the time is up."""
        return time.monotonic() > self.ends


# What an interpreter of kernels can do in a minute. No figure of it says anything about a device.
TOY = {
    "parameters": 2000,
    "large": 2,
    "tensors": 10,
    "elements": 10,
    "layers": 1,
    "width": 8,
    "tokens": 20,
    "repeats": 1,
    "row": 2,
    "checked": (1, 1000),
    "tuned": ((512,), (256, 512), (4,)),
}
