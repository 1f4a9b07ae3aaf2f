"""What watching costs: training steps with a watched optimizer against the same ones with nobody watching.

    python benchmarks/watch_overhead.py [--pairs 40] [--models mlp,tiny,many] [--every 1,64] [--json FILE]

Of each optimizer there are two trainings, alike but for the watcher, which take turns, a block of steps each. The ratio
is taken block by block, so that the drift of a shared machine falls on both, and its median is printed with the
quartiles. Even two trainings that nobody watches differ by a percent, by where their memory lies; so there are two such
pairs, in one of which the watched training is made first. A block is as long as two blocks of the watcher's own, so
that each holds the same work. One thread.
"""

from __future__ import annotations

import argparse
import itertools
import json
import platform
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

import thalweg.torch
import thalweg.watch
from thalweg.watch.raised import TURNS
from thalweg.watch.working import AT_FIRST, block_length

BATCH, LEAST = 128, 64
MODELS: dict[str, tuple[str, Callable[[], torch.nn.Module], int]] = {
    "mlp": ("MLP 784-256-10", lambda: mlp(784, 256, 10), 784),
    "tiny": ("MLP 8-16-2", lambda: mlp(8, 16, 2), 8),
    "many": ("100 layers of 32", lambda: torch.nn.Sequential(*(torch.nn.Linear(32, 32) for _ in range(100))), 32),
}
OPTIMIZERS: dict[str, Callable[[Any], Any]] = {
    "thalweg.torch.Adam": thalweg.torch.Adam,
    "torch.optim.Adam": torch.optim.Adam,
    "torch.optim.Adam, fused": lambda parameters: torch.optim.Adam(parameters, fused=True),
}


def mlp(*sizes: int) -> torch.nn.Module:
    """Linear layers with rectifiers between them."""
    layers = [torch.nn.Linear(a, b) for a, b in itertools.pairwise(sizes)]
    between = [part for layer in layers for part in (layer, torch.nn.ReLU())]
    return torch.nn.Sequential(*between[:-1])


def training(model: str, optimizer: str, every: int | None) -> Callable[[], object]:
    """One step of a training on random data; watched if `every` is a number."""
    torch.manual_seed(0)
    _, make, width = MODELS[model]
    network = make()
    inputs, labels = torch.randn(BATCH, width), torch.randint(0, 2, (BATCH,))
    stepped = OPTIMIZERS[optimizer](network.parameters())
    if every is not None:
        thalweg.watch.attach(stepped, every=every, model=network, to=())

    def step() -> None:
        loss = torch.nn.functional.cross_entropy(network(inputs), labels)
        stepped.zero_grad()
        loss.backward()
        stepped.step()

    return step


def seconds(step: Callable[[], object], steps: int, clock: Callable[[], float]) -> float:
    """How long some steps take."""
    start = clock()
    for _ in range(steps):
        step()
    return clock() - start


def compared(model: str, optimizer: str, every: int, pairs: int, clock: Callable[[], float]) -> dict[str, Any]:
    """The row of one optimizer."""
    made = [training(model, optimizer, each) for each in (None, every, every, None)]
    block = max(LEAST, TURNS * every * block_length(every))
    for step in made:
        seconds(step, AT_FIRST * block, clock)
    ratios, base, more = [], [], []
    for number in range(pairs):
        plain, watched = made[:2] if number % 2 else made[:1:-1]
        before, with_watch, after = (seconds(step, block, clock) for step in (plain, watched, plain))
        base.append((before + after) / 2)
        ratios.append(with_watch / base[-1])
        more.append(with_watch - base[-1])
    low, middle, high = statistics.quantiles(ratios, n=4)
    return {
        "model": MODELS[model][0],
        "optimizer": optimizer,
        "every": every,
        "ratio": middle,
        "quartiles": [low, high],
        "step_us": 1e6 * statistics.median(base) / block,
        "watching_us": 1e6 * statistics.median(more) / block,
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="What watching an optimizer costs")
    parser.add_argument("--pairs", type=int, default=40)
    parser.add_argument("--models", default="mlp")
    parser.add_argument("--optimizers", default=";".join(OPTIMIZERS))
    parser.add_argument("--every", default="1,64")
    parser.add_argument("--json", type=Path, help="also write a file")
    parser.add_argument("--processor-time", action="store_true", help="count what the thread runs, not what it waits")
    options = parser.parse_args()
    clock = time.thread_time if options.processor_time else time.perf_counter
    torch.set_num_threads(1)
    rows = [
        compared(model, optimizer, int(every), options.pairs, clock)
        for model in options.models.split(",")
        for optimizer in options.optimizers.split(";")
        for every in options.every.split(",")
    ]
    if options.json:
        about = {"torch": torch.__version__, "machine": platform.machine(), "pairs": options.pairs}
        options.json.write_text(json.dumps({**about, "rows": rows}, indent=1) + "\n", encoding="utf-8")
    print(f"{'model':18} {'optimizer':24} {'every':>5} {'step':>9} {'watching':>10} {'ratio':>6}  quartiles")
    for row in rows:
        low, high = row["quartiles"]
        print(
            f"{row['model']:18} {row['optimizer']:24} {row['every']:5d} {row['step_us']:6.0f} us "
            f"{row['watching_us']:7.0f} us {row['ratio']:6.3f}  {low:.3f}-{high:.3f}"
        )


if __name__ == "__main__":
    main()
