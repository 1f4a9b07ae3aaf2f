"""Bounds on a GPU's fast arithmetic: a device as rough as it may be stays within them, with every rule."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from thalweg.compile.deviation import bounds, deviations, unsure_values
from thalweg.compile.evaluate import evaluate, new_scalar_state, scalars
from thalweg.compile.numpy import OPERATIONS
from thalweg.compile.trace import trace
from thalweg.formula import AT_THE_WEIGHTS, Rule
from thalweg.rules import RULES
from thalweg.rules.hyper import starts

REAL, SIZE, STEPS = np.float32, 500, 6
EVERY_RULE = pytest.mark.parametrize("rule", RULES.values(), ids=lambda r: r.name)


class Product(NamedTuple):
    """A product that the next sum may merge with, and what it is otherwise."""

    whole: Any
    rounded: Any


def plain(value: Any) -> Any:
    return value.rounded if isinstance(value, Product) else value


def on_plain(apply: Callable) -> Callable:
    return lambda *given: apply(*map(plain, given))


def rough(rng: np.random.Generator) -> dict[str, Callable]:
    """Operations of a device that merges some sums, and errs in quotients and roots as far as it may."""

    def merged(sign: float) -> Callable:
        def add(a: Any, b: Any) -> Any:
            merges = [isinstance(side, Product) for side in (a, b)]
            k = int(rng.integers(0, 2)) if all(merges) else int(merges[1])
            wide = [np.asarray(plain(side), np.float64) for side in (a, b)]
            if any(merges) and rng.random() < 0.8:
                wide[k] = (a, b)[k].whole
            return (wide[0] + sign * wide[1]).astype(REAL)

        return add

    def unsure(most: float, number: Any) -> Any:
        return (number + rng.uniform(-most, most, np.shape(number)) * np.spacing(np.abs(number))).astype(REAL)

    return {op: on_plain(apply) for op, apply in OPERATIONS.items()} | {
        "mul": lambda a, b: Product(np.float64(plain(a)) * np.float64(plain(b)), plain(a) * plain(b)),
        "add": merged(1.0),
        "sub": merged(-1.0),
        "div": lambda a, b: unsure(1.4, plain(a) / plain(b)),
        "sqrt": lambda a: unsure(0.4, np.sqrt(plain(a))),
    }


def start(rule: Rule) -> tuple[dict[str, np.ndarray], dict[str, float]]:
    program, rng = trace(rule), np.random.default_rng(1)
    numbers = {s: v for s, v in rule.every_start.items() if v != AT_THE_WEIGHTS}
    first = starts(numbers, rule.hyper)
    arrays = {name: np.full(SIZE, first.get(name, 0.0), REAL) for name in program.inputs}
    arrays["x"] = (1e-2 * rng.standard_normal(SIZE)).astype(REAL)
    arrays |= {s: arrays["x"].copy() for s in program.inputs if s in rule.every_start and s not in numbers}
    return arrays, {name: first[name] for name in program.scalar_state}


@EVERY_RULE
def test_no_rough_device_leaves_the_bounds(rule: Rule) -> None:
    program, rng = trace(rule), np.random.default_rng(0)
    held, numbers = start(rule)
    for t in range(1, STEPS + 1):
        held["g"] = rng.standard_normal(SIZE).astype(REAL)
        once = scalars(program, t, rule.hyper, numbers)
        bounded = deviations(program, held, once, unsure_values(program))
        for _ in range(3):
            values = {name: REAL(value) for name, value in once.items()} | held
            with np.errstate(all="ignore"):
                found = evaluate(program, rough(rng), values, REAL)
            for name, value in zip(program.targets, found, strict=True):
                if name in bounded:
                    off = np.abs(np.float64(plain(value)) - bounded[name].number)
                    assert (off <= bounded[name].apart * (1 + 1e-9)).all(), f"{name}, step {t}"
        held |= {name: near.number for name, near in bounded.items()}
        numbers = new_scalar_state(program, once)


@EVERY_RULE
def test_numbers_are_numpys_and_bounds_are_small(rule: Rule) -> None:
    """Of no rule more than some hundred units of the largest step: fast arithmetic is not another optimizer."""
    numbers = {s: v for s, v in rule.every_start.items() if v != AT_THE_WEIGHTS}
    found = bounds(trace(rule), rule.hyper, starts(numbers, rule.hyper))
    assert 0 < found["x"] < 256 and all(np.isfinite(list(found.values())))


def test_the_page_shows_the_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parents[1] / "benchmarks"))
    import gpu_page

    page = gpu_page.PAGE.read_text(encoding="utf-8")
    for name, part in gpu_page.parts().items():
        assert f"<!-- measured: {name} -->\n\n{part}\n\n<!-- end -->" in page
