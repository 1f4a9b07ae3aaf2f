"""A small search over the constants of `thalweg.sweep.gpu`, for whoever has a device to choose them for."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager

from gpu_parts.device import Device, Tell
from gpu_parts.items import Item, Tuned
from gpu_parts.options import Options
from gpu_parts.sweeps import copying, swept
from thalweg.sweep import gpu

TITLE = "constants of the sweep, float32; the fastest of each rule comes first"
RULES = ("adam", "sgd")


def tune(device: Device, options: Options, tell: Tell) -> Iterator[Item]:
    """A line for each choice, sorted by rule and share."""
    copy = copying(device, options.parameters)
    choices = list(itertools.product(*options.tuned))
    yield f"the constants are ROW {gpu.ROW}, BLOCK {gpu.BLOCK}, WARPS {gpu.WARPS} now"
    for rule in RULES:
        found = []
        for number, (row, block, warps) in enumerate(choices, 1):
            tell(f"{rule}, {number} of {len(choices)} choices")
            with _set(row, block, warps):
                line = swept(rule, copy, device, options)
            found.append(Tuned(rule, row, block, warps, line.ms, line.share))
            device.free()
        yield from sorted(found, key=lambda choice: -choice.share)


@contextmanager
def _set(row: int, block: int, warps: int) -> Iterator[None]:
    """The constants as they are to be tried; rows have the length that is asked for, however many that are."""
    before = gpu.ROW, gpu.MOST_ROWS, gpu.BLOCK, gpu.WARPS
    _put(row, 2**40, block, warps)
    try:
        yield
    finally:
        _put(*before)


def _put(row: int, most_rows: int, block: int, warps: int) -> None:
    gpu.ROW, gpu.MOST_ROWS, gpu.BLOCK, gpu.WARPS = row, most_rows, block, warps
    gpu.launch.__kwdefaults__["warps"] = warps  # which was read when the function was made
