"""Runs per minute of the engines: one process of one thread, one of two threads, two processes of one thread.

    python benchmarks/engines.py [--engine local] [--repeats 3] [--runs 4] [--json]

Each cell trains as many runs of one epoch, on workers that have begun before; the median of the repeats is printed, and
cells take turns, so that what drifts on a shared machine falls on all of them. The last column is the speed-up of two
processes against one after the other.
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
from thalweg.lab.engines.engine import Engine
from thalweg.lab.files import find_problem
from thalweg.lab.problem import Data, Problem
from thalweg.lab.run import Run
from thalweg.lab.spec import RunSpec
from thalweg.lab.study import Request, final_specs, plan

CELLS = ((1, 1), (1, 2), (2, 1))  # runs at a time, threads of each


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


def specs_of(problem: Problem, runs: int, threads: int) -> list[RunSpec]:
    """Runs of one epoch of Adam."""
    study = plan(Request(problem.name, "adam", seeds=runs, epochs=1, threads=threads), problem)
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


def measured(problem: Problem, options: argparse.Namespace) -> dict[tuple[int, int], float]:
    """Runs per minute of every cell."""
    specs = {threads: specs_of(problem, options.runs, threads) for threads in {threads for _, threads in CELLS}}
    opened: dict[tuple[int, int], Engine] = {}
    seconds: dict[tuple[int, int], list[float]] = {cell: [] for cell in CELLS}
    try:
        for cell in CELLS:
            packed = cloudpickle.dumps(problem)
            opened[cell] = engines.open(options.engine, cell[0], threads=cell[1], packed=packed)
            train(opened[cell], specs[cell[1]][: cell[0]])
        for _ in range(options.repeats):
            for cell in CELLS:
                seconds[cell].append(train(opened[cell], specs[cell[1]]))
    finally:
        for engine in opened.values():
            engine.close()
    return {cell: 60 * options.runs / statistics.median(times) for cell, times in seconds.items()}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Runs per minute of the engines")
    parser.add_argument("--engine", choices=engines.NAMES, default="local")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--runs", type=int, default=4, help="per repeat; an even number is fair to two processes")
    parser.add_argument("--samples", type=int, default=2000, help="of the digits, to train on")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    options = parser.parse_args()
    rows = [(problem.name, measured(problem, options)) for problem in problems(options.samples)]
    if options.json:
        cells = [{"problem": n, **{f"{j}x{t}": rate for (j, t), rate in rates.items()}} for n, rates in rows]
        print(json.dumps({"engine": options.engine, "processors": os.cpu_count(), "rows": cells}))
        return
    print(f"runs per minute, engine {options.engine}, {os.cpu_count()} processors, median of {options.repeats}")
    names = [f"{jobs} x {threads}" for jobs, threads in CELLS]
    print(f"{'processes x threads':<24}{''.join(f'{name:>9}' for name in names)}{'speed-up':>10}")
    for name, rates in rows:
        speed_up = rates[2, 1] / rates[1, 1]
        print(f"{name:<24}{''.join(f'{rates[cell]:>9.1f}' for cell in CELLS)}{speed_up:>9.2f}x")


if __name__ == "__main__":
    main()
