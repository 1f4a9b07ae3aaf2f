"""A million trajectories on the saddle, every rule at many rates from many starts, against a NumPy loop as in articles.

    python benchmarks/trajectories.py [--rates 176] [--starts 100] [--steps 1000] [--repeats 3] \
        [--loops 200] [--check] [--json]

Every rule of the catalogue takes its runs in one call of `thalweg.minimize`, with `record="last"`; the median of the
repeats counts. Compiling a kernel, or loading it from the cache, is timed apart. The loop is what one finds in
articles: one run after the other, a Python loop over the steps, arrays of two numbers. It is timed on some runs, spread
over the seven classic rules, and scaled to all. `--check` only compares where the loops' runs and Thalweg's end.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from thalweg import RULES, minimize
from thalweg.rules.setting import setting
from thalweg.surfaces import SURFACES
from thalweg.sweep.descend import fused
from thalweg.sweep.runs import runs_of

SADDLE = SURFACES["saddle"]
NEAR = 1e-9


def gradient(p: np.ndarray) -> np.ndarray:
    """Of x**2 - y**2."""
    return np.array([2 * p[0], -2 * p[1]])


def sgd(p: np.ndarray, lr: float, steps: int) -> np.ndarray:
    """Gradient descent."""
    for _ in range(steps):
        p = p - lr * gradient(p)
    return p


def momentum(p: np.ndarray, lr: float, steps: int) -> np.ndarray:
    """Polyak's, as in torch."""
    v = np.zeros(2)
    for _ in range(steps):
        v = 0.9 * v + gradient(p)
        p = p - lr * v
    return p


def nesterov(p: np.ndarray, lr: float, steps: int) -> np.ndarray:
    """Nesterov's, as in torch."""
    v = np.zeros(2)
    for _ in range(steps):
        g = gradient(p)
        v = 0.9 * v + g
        p = p - lr * (g + 0.9 * v)
    return p


def adagrad(p: np.ndarray, lr: float, steps: int) -> np.ndarray:
    """AdaGrad."""
    s = np.zeros(2)
    for _ in range(steps):
        g = gradient(p)
        s = s + g**2
        p = p - lr * g / (np.sqrt(s) + 1e-10)
    return p


def rmsprop(p: np.ndarray, lr: float, steps: int) -> np.ndarray:
    """RMSprop."""
    v = np.zeros(2)
    for _ in range(steps):
        g = gradient(p)
        v = 0.99 * v + (1 - 0.99) * g**2
        p = p - lr * g / (np.sqrt(v) + 1e-8)
    return p


def adadelta(p: np.ndarray, lr: float, steps: int) -> np.ndarray:
    """Adadelta."""
    v, u = np.zeros(2), np.zeros(2)
    for _ in range(steps):
        g = gradient(p)
        v = 0.9 * v + (1 - 0.9) * g**2
        d = np.sqrt(u + 1e-6) / np.sqrt(v + 1e-6) * g
        u = 0.9 * u + (1 - 0.9) * d**2
        p = p - lr * d
    return p


def adam(p: np.ndarray, lr: float, steps: int) -> np.ndarray:
    """Adam."""
    m, v = np.zeros(2), np.zeros(2)
    for t in range(1, steps + 1):
        g = gradient(p)
        m = 0.9 * m + (1 - 0.9) * g
        v = 0.999 * v + (1 - 0.999) * g**2
        m_hat = m / (1 - 0.9**t)
        v_hat = v / (1 - 0.999**t)
        p = p - lr * m_hat / (np.sqrt(v_hat) + 1e-8)
    return p


CLASSIC = (sgd, momentum, nesterov, adagrad, rmsprop, adadelta, adam)


def seconds(call: Callable[[], object]) -> float:
    """How long one call takes."""
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def grid(rates: int, starts: int) -> tuple[np.ndarray, np.ndarray]:
    """Rates of shape `(rates, 1)`, and starts of shape `(starts, 2)` in the saddle's window."""
    low, high = np.array(SADDLE.window).T
    return np.geomspace(1e-4, 1.0, rates)[:, None], np.random.default_rng(0).uniform(low, high, (starts, 2))


def prepare(rule: str) -> None:
    """Compile the kernel of a rule on the saddle, or load it."""
    fused(runs_of(setting(RULES[rule]), (1.0, 1.0), 1, "last", {"lr": [0.1, 0.2]}, SADDLE), SADDLE, None)


def measured(rule: str, options: argparse.Namespace) -> dict[str, Any]:
    """How long a rule takes for its runs."""
    lr, start = grid(options.rates, options.starts)
    first = seconds(lambda: prepare(rule))
    busy = time.process_time()
    taken = [
        seconds(lambda: minimize(rule, SADDLE, start, steps=options.steps, record="last", lr=lr))
        for _ in range(options.repeats)
    ]
    times = {"time": statistics.median(taken), "time_busy": (time.process_time() - busy) / options.repeats}
    return {"rule": rule, "runs": lr.size * len(start), "time_first": first, **times}


def loops(options: argparse.Namespace) -> tuple[float, float, int]:
    """Seconds that the loops take, the largest distance between their ends and ours, and how many runs they are.

    Two ends that are both infinite or NaN are at no distance.
    """
    each = -(-options.loops // len(CLASSIC))
    lr, start = grid(each, each)
    total, worst = 0.0, 0.0
    for loop in CLASSIC:
        began = time.perf_counter()
        with np.errstate(all="ignore"):
            theirs = np.array([loop(p, rate, options.steps) for p, rate in zip(start, lr[:, 0].tolist(), strict=True)])
        total += time.perf_counter() - began
        runs = runs_of(setting(RULES[loop.__name__]), start, options.steps, "last", {"lr": lr[:, 0]}, SADDLE)
        worst = max(worst, distance(theirs, fused(runs, SADDLE, None)))
    return total, worst, each * len(CLASSIC)


def distance(theirs: np.ndarray, ours: np.ndarray) -> float:
    """The largest distance between two arrays, relative where numbers are above 1."""
    with np.errstate(all="ignore"):
        apart = np.abs(theirs - ours) / np.maximum(np.abs(theirs), 1.0)
    alike = (theirs == ours) | ~(np.isfinite(theirs) | np.isfinite(ours))
    return float(np.where(alike, 0.0, np.where(np.isnan(apart), np.inf, apart)).max())


def show(rows: list[dict[str, Any]], loop: tuple[float, float, int], options: argparse.Namespace) -> None:
    """Print the table and the ratio."""
    print(f"{'rule':36} {'first':>8} {'seconds':>9} {'million steps/s':>16}")
    for row in rows:
        speed = row["runs"] * options.steps / row["time"] / 1e6
        print(f"{row['rule']:36} {row['time_first']:8.2f} {row['time']:9.4f} {speed:16,.0f}")
    runs, ours = sum(row["runs"] for row in rows), sum(row["time"] for row in rows)
    taken, worst, count = loop
    scaled = taken / count * runs
    print(f"\n{runs:,} trajectories of {options.steps:,} steps on the saddle: {ours:.2f} s,")
    print(f"in which the processor's cores were busy for {sum(row['time_busy'] for row in rows):.2f} s in all")
    print(f"compiling or loading {len(rows)} kernels: {sum(row['time_first'] for row in rows):.1f} s")
    print(f"NumPy loop, {count} runs of the seven classic rules: {taken:.2f} s,")
    print(f"scaled to all {runs:,}: {scaled:,.0f} s, {scaled / ours:,.0f} times as long")
    print(f"largest distance between their ends and ours: {worst:.1e}")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="A million trajectories on the saddle")
    parser.add_argument("--rates", type=int, default=176, help="learning rates of every rule, from 1e-4 to 1")
    parser.add_argument("--starts", type=int, default=100)
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--loops", type=int, default=200, help="runs of the NumPy loops")
    parser.add_argument("--check", action="store_true", help="only compare where the loops end with where we do")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    options = parser.parse_args()
    rows = [] if options.check else [measured(rule, options) for rule in RULES]
    loop = loops(options)
    if loop[1] > NEAR:
        raise SystemExit(
            f"the loops and Thalweg end {loop[1]:.1e} apart, more than {NEAR}: they are not the same rules"
        )
    if options.check:
        print(f"{loop[2]} runs of the seven classic rules, {options.steps:,} steps: at most {loop[1]:.1e} apart")
    elif options.json:
        numbers = {"time_loops": loop[0], "distance": loop[1], "loops": loop[2]}
        print(json.dumps({"rows": rows, **numbers, "steps": options.steps, "machine": platform.machine()}))
    else:
        show(rows, loop, options)


if __name__ == "__main__":
    main()
