"""Descents of a surface in one kernel: blocks of runs, which threads share out among them, and what all runs share."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import count, islice
from typing import Any

import numpy as np

from thalweg.compile.descent import compiled
from thalweg.compile.evaluate import walk
from thalweg.compile.gradient import trace_gradient
from thalweg.compile.noise import run_keys, step_keys
from thalweg.compile.numpy import flushed
from thalweg.compile.plan import BLOCK, RUN_KEY, WORDS, Descent, planned
from thalweg.compile.trace import trace, trace_point
from thalweg.formula.numbers import NUMBERS
from thalweg.formula.surface import Surface
from thalweg.rules.hyper import numbers_at
from thalweg.sweep.runs import Runs
from thalweg.sweep.threads import available_processors, own_threads

STEPS = 4096  # at most this many rows of a table at once
SMALL = 100_000  # steps of runs below which a second thread saves less than it costs
LARGE = 2**27  # steps of runs in one call, for which an interrupt has to wait


def fused(runs: Runs, surface: Surface, path: np.ndarray | None, threads: int | None = None) -> np.ndarray:
    """Take all steps of all runs in native calls.

    Args:
        runs: What to do, at least one run.
        surface: What they descend.
        path: Filled with the points of the steps after the start that are wanted, if some are.
        threads: How many threads to use at most, all that this process may use where nothing is said. The results do
            not depend on them.

    Returns:
        The last points, of the shape of `runs.start`.
    """
    first = runs.first_states()
    plan = _plan(runs, surface, first)
    kernel, memory = compiled(plan), _memory(plan, runs, surface, first)
    total = runs.start.size // 2
    threads = min(threads or available_processors(), len(memory)) if runs.steps * total >= SMALL else 1
    rows, taken, at_once = _table_rows(plan, runs, surface, first), 0, max(1, min(STEPS, LARGE // total))
    while taken < runs.steps:
        table = np.array(list(islice(rows, min(at_once, runs.steps - taken))), np.float64)
        words = {"blocks": len(memory), "memory_at": memory.ctypes.data, "table_at": table.ctypes.data}
        words |= {"path_at": 0 if path is None else path.ctypes.data, "every": runs.every}
        words |= {"steps": len(table), "taken": taken, "runs": total}
        job = np.array([words.get(word, 0) for word in WORDS], np.int64)
        own_threads(kernel, job.ctypes.data, threads)
        taken += len(table)
    last = memory[:, :2].transpose(0, 2, 1).reshape(-1, 2)[:total]
    return last.reshape(runs.start.shape)


def _plan(runs: Runs, surface: Surface, first: Mapping[str, Any]) -> Descent:
    rule = runs.setting.rule
    states = {state for state in rule.scalars if isinstance(first[state], np.ndarray)}
    differ = frozenset(runs.arrays) | states
    return planned(trace(rule), trace_point(rule), trace_gradient(surface), differ, surface.noise > 0)


def _memory(plan: Descent, runs: Runs, surface: Surface, first: Mapping[str, Any]) -> np.ndarray:
    """Every block's rows, filled with what they start at; the last block goes on with copies of the last run."""
    total = runs.start.size // 2
    blocks = -(-total // BLOCK)
    memory = np.zeros((blocks, len(plan.rows), BLOCK))
    given = {**runs.arrays, **{s: first[s] for s in runs.setting.rule.scalars}}
    arrays = {"x": runs.start, **{s: v for s, v in first.items() if s not in given}}
    columns = {f"{name}_h_": np.broadcast_to(value, (*runs.shape, 1))[..., 0] for name, value in given.items()}
    for name, value in arrays.items():
        points = flushed(np.broadcast_to(np.asarray(value, np.float64), runs.start.shape))
        columns |= {f"{name}_1_": points[..., 0], f"{name}_2_": points[..., 1]}
    columns[RUN_KEY] = run_keys(surface.seed, np.arange(total))
    for place, row in enumerate(plan.rows):
        if row in columns:
            numbers = columns[row].reshape(-1)
            padded = np.concatenate([numbers, np.repeat(numbers[-1:], blocks * BLOCK - total)])
            memory[:, place] = padded.reshape(blocks, BLOCK)
    return memory


def _table_rows(plan: Descent, runs: Runs, surface: Surface, first: Mapping[str, Any]) -> Iterator[list[float]]:
    """For one step after the other what all runs read in it."""
    rule, *_ = plan.parts
    hyper = {name: value for name, value in runs.setting.hyper.items() if name not in runs.arrays}
    new = [(state, output) for state, output in rule.program.scalar_stores if state not in rule.given]
    states = {state: first[state] for state, _ in new}
    columns = [part.columns for part in plan.parts]
    for t in count(1):
        given = {"t": float(t), **numbers_at(runs.setting.rule, hyper, t), **states}
        known = [walk(part.shared, NUMBERS, dict(given)) for part in plan.parts]
        noise = [*step_keys(surface.seed, t), surface.noise] if plan.noisy else []
        yield [*(of[name] for of, names in zip(known, columns, strict=True) for name in names), *noise]
        states = {state: known[0][o] if isinstance(o, str) else o for state, o in new}
