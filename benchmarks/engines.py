"""Runs per minute of the engines, one after the other and several at a time.

    python benchmarks/engines.py [--engine local] [--device cpu] [--at-once 1,2] [--repeats 3] [--runs 4] [--json]

On the CPU: one process of one thread, one of two threads, two processes of one thread. On a GPU (`--device cuda`):
1, 2, 4 and 8 processes that share it; `--at-once` says how many instead. Each cell trains as many runs of one epoch, on
workers that have begun before; the median of the repeats is printed, and cells take turns, so that what drifts on a
shared machine falls on all of them. The last column is what the best cell of one thread per process gives against the
first.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import statistics
import time
from collections.abc import Sequence

import cloudpickle
import numpy as np
from torch import nn

from thalweg.lab import engines
from thalweg.lab.batches import of_arrays
from thalweg.lab.device import accelerator
from thalweg.lab.engines.engine import Engine
from thalweg.lab.files import find_problem
from thalweg.lab.problem import Data, Problem
from thalweg.lab.run import Run
from thalweg.lab.spec import RunSpec
from thalweg.lab.study import Request, final_specs, plan

Cell = tuple[int, int]  # runs at a time, threads of each
CELLS: tuple[Cell, ...] = ((1, 1), (1, 2), (2, 1))
AT_ONCE = "1,2,4,8"  # on a GPU


def wide(seed: int) -> nn.Sequential:
    """A network of 4 million weights, whose matrix products are worth dividing among threads."""
    return nn.Sequential(
        nn.Flatten(), nn.Linear(784, 1536), nn.ReLU(), nn.Linear(1536, 1536), nn.ReLU(), nn.Linear(1536, 10)
    )


def fewer(problem: Problem, samples: int) -> Problem:
    """The same problem on the first of its samples."""

    def load(source: str | None, seed: int) -> Data:
        data = problem.load(source, seed)
        train, test = (tuple(np.ascontiguousarray(a[:samples]) for a in part) for part in (data.train, data.test))
        return of_arrays(data.name, train, test)

    return dataclasses.replace(problem, load=load)


def problems(samples: int) -> list[Problem]:
    """A small network and a larger one, on the same digits."""
    small = fewer(find_problem("mnist-cnn"), samples)
    return [small, dataclasses.replace(small, name="wide MLP, batch 256", model=wide, batch_size=256)]


def specs_of(problem: Problem, runs: int, threads: int, device: str) -> list[RunSpec]:
    """Runs of one epoch of Adam."""
    study = plan(Request(problem.name, "adam", seeds=runs, epochs=1, threads=threads, device=device), problem)
    return list(final_specs(study, study.contenders[0]))


def train(engine: Engine, specs: Sequence[RunSpec]) -> float:
    """How many seconds some runs take."""
    waiting, busy, start = [*specs], 0, time.perf_counter()
    while waiting or busy:
        while waiting and busy < engine.slots:
            engine.submit(waiting.pop())
            busy += 1
        ended = [event for event in engine.wait(1) if isinstance(event, Run)]
        if failed := [run.message for run in ended if run.status != "finished"]:
            raise RuntimeError(failed[0])
        busy -= len(ended)
    return time.perf_counter() - start


def cells_of(device: str, at_once: str | None) -> tuple[Cell, ...]:
    """What is measured: what was asked for with one thread each, or what is usual for the device."""
    if at_once is None and device == "cpu":
        return CELLS
    return tuple((int(jobs), 1) for jobs in (at_once or AT_ONCE).split(","))


def measured(problem: Problem, cells: Sequence[Cell], options: argparse.Namespace) -> dict[Cell, float]:
    """Runs per minute of every cell."""
    counts = {threads for _, threads in cells}
    specs = {threads: specs_of(problem, options.runs, threads, options.device) for threads in counts}
    gpus = 1 / max(jobs for jobs, _ in cells) if options.engine == "ray" and options.device != "cpu" else 0.0
    opened: dict[Cell, Engine] = {}
    seconds: dict[Cell, list[float]] = {cell: [] for cell in cells}
    try:
        for cell in cells:
            packed = cloudpickle.dumps(problem)
            opened[cell] = engines.open(options.engine, cell[0], gpus=gpus, threads=cell[1], packed=packed)
            train(opened[cell], specs[cell[1]][: cell[0]])
        for _ in range(options.repeats):
            for cell in cells:
                seconds[cell].append(train(opened[cell], specs[cell[1]]))
    finally:
        for engine in opened.values():
            engine.close()
    return {cell: 60 * options.runs / statistics.median(times) for cell, times in seconds.items()}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Runs per minute of the engines")
    parser.add_argument("--engine", choices=engines.NAMES, default="local")
    parser.add_argument("--device", default="cpu", help="cpu, cuda or cuda:NUMBER")
    parser.add_argument("--at-once", help=f"how many processes, as 1,2; on a GPU usually {AT_ONCE}")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--runs", type=int, help="per repeat; a multiple of every number of processes is fair to all")
    parser.add_argument("--samples", type=int, default=2000, help="of the digits, to train on")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    options = parser.parse_args()
    cells = cells_of(options.device, options.at_once)
    options.runs = options.runs or max(4, *(jobs for jobs, _ in cells))
    rows = [(problem.name, measured(problem, cells, options)) for problem in problems(options.samples)]
    where = accelerator(options.device) or f"{os.cpu_count()} processors"
    if options.json:
        found = [{"problem": n, **{f"{j}x{t}": rate for (j, t), rate in rates.items()}} for n, rates in rows]
        print(json.dumps({"engine": options.engine, "device": where, "processors": os.cpu_count(), "rows": found}))
        return
    print(f"runs per minute, engine {options.engine}, {where}, median of {options.repeats}")
    names = [f"{jobs} x {threads}" for jobs, threads in cells]
    print(f"{'processes x threads':<24}{''.join(f'{name:>9}' for name in names)}{'speed-up':>10}")
    for name, rates in rows:
        speed_up = max(rate for (_, threads), rate in rates.items() if threads == 1) / rates[cells[0]]
        print(f"{name:<24}{''.join(f'{rates[cell]:>9.1f}' for cell in cells)}{speed_up:>9.2f}x")


if __name__ == "__main__":
    main()
