"""Adam on one large tensor: Thalweg's step against torch's fused one, in alternating pairs.

    python benchmarks/adam_step.py [--elements 10000000] [--pairs 15] [--own-threads] [--json]

A ratio above 1 means that Thalweg is faster. Each pair runs both, one after the other, and the ratio is taken pair by
pair: a shared machine drifts, and the drift then falls on both.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import time
from collections.abc import Callable

import torch

import thalweg.torch
from thalweg.frameworks.torch import step
from thalweg.sweep.threads import own_threads


def seconds(call: Callable[[], object]) -> float:
    """How long one call takes."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def stepper(optimizer: type, elements: int, **options: bool) -> Callable[[], object]:
    """The step of an optimizer over one float32 tensor, after it has been warmed up."""
    torch.manual_seed(0)
    x = torch.randn(elements, requires_grad=True)
    x.grad = torch.randn(elements)
    take_step = optimizer([x], lr=1e-3, **options).step
    for _ in range(3):
        take_step()
    return take_step


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Adam on one large tensor, Thalweg against torch")
    parser.add_argument("--elements", type=int, default=10_000_000)
    parser.add_argument("--pairs", type=int, default=15)
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.add_argument("--own-threads", action="store_true", help="run our steps on a pool beside torch's threads")
    options = parser.parse_args()
    if options.own_threads:
        step.team = lambda: own_threads
    ours = stepper(thalweg.torch.Adam, options.elements)
    peers = {
        "torch fused=True": stepper(torch.optim.Adam, options.elements, fused=True),
        "torch foreach=True": stepper(torch.optim.Adam, options.elements, foreach=True),
        "torch default": stepper(torch.optim.Adam, options.elements),
    }
    rows = []
    for name, theirs in peers.items():
        pairs = [(seconds(ours), seconds(theirs)) for _ in range(options.pairs)]
        mine, peer = (statistics.median(side) for side in zip(*pairs, strict=True))
        ratio = statistics.median(b / a for a, b in pairs)
        rows.append({"against": name, "time_ours_ms": mine * 1e3, "time_peer_ms": peer * 1e3, "time_ratio": ratio})
    machine = f"{platform.machine()}, {torch.get_num_threads()} threads, torch {torch.__version__}"
    if options.json:
        print(json.dumps({"elements": options.elements, "pairs": options.pairs, "machine": machine, "rows": rows}))
        return
    print(f"Adam, {options.elements:,} float32 elements, median of {options.pairs} pairs; {machine}")
    print(f"{'against':<20}{'ours, ms':>10}{'peer, ms':>10}{'ours faster by':>16}")
    for row in rows:
        times = f"{row['time_ours_ms']:>10.2f}{row['time_peer_ms']:>10.2f}"
        print(f"{row['against']:<20}{times}{row['time_ratio']:>15.2f}x")


if __name__ == "__main__":
    main()
