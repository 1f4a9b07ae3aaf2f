"""What the tests of pitfalls share: what a rule's text says of them, which tests quote it, and ways to run a rule."""

import inspect
import itertools

import numpy as np

from catalogue import first_state
from thalweg.compile.numpy import step
from thalweg.compile.trace import trace, trace_evaluation, trace_point
from thalweg.formula import Rule
from thalweg.rules import RULES

SAID: list[tuple[str, str]] = []


def pitfalls(name: str) -> str:
    """What a rule's file says of them, on one line; nothing if it says nothing."""
    text = inspect.getdoc(inspect.getmodule(RULES[name].formula)) or ""
    return " ".join(text.partition("\n\nPitfalls: ")[2].partition("\n\n")[0].split())


def says(name: str, *phrases: str):
    """Marks a test as that of phrases in a rule's pitfalls."""
    SAID.extend((name, phrase) for phrase in phrases)
    return lambda test: test


def floats(rule: Rule, x: float = 0.0, lr: float | None = None) -> list[float]:
    """The weight and the state before the first step."""
    state = {**first_state(rule, np.array([x])), **({"eta": lr} if lr is not None and "eta" in rule.state else {})}
    return [x, *(float(np.ravel(state[s])[0]) for s in rule.state)]


def lengths(rule: Rule | str, stream, **hyper: float) -> np.ndarray:
    """How far each of these gradients moves a weight down, in units of lr."""
    rule = RULES[rule] if isinstance(rule, str) else rule
    numbers, found = floats(rule), []
    for t, g in enumerate(stream, start=1):
        new = rule(0.0, g, t, *numbers[1:], **{**hyper, "lr": 1.0})
        numbers = list(new) if isinstance(new, tuple) else [new]
        found.append(-numbers[0])
    return np.array(found)


def after(calm: int, *late: float) -> itertools.chain[float]:
    """Gradients of 1, and others after them."""
    return itertools.chain(itertools.repeat(1.0, calm), late)


def down(name: str, lr: float, steps: int, start: float = 1.0, **hyper: float) -> np.ndarray:
    """The way down the parabola x²/2, whose curvature is 1."""
    rule, program = RULES[name], trace_point(RULES[name])
    numbers, path = floats(rule, start, lr), [start]
    for t in range(1, steps + 1):
        x, state = numbers[0], numbers[1:]
        given = {"x": np.array([x]), **{s: np.array([v]) for s, v in zip(rule.state, state, strict=True)}}
        g = x if program is None else step(program, given, t, {**rule.hyper, **hyper})[0].item()
        new = rule(x, g, t, *state, **{**hyper, "lr": lr})
        numbers = list(new) if isinstance(new, tuple) else [new]
        path.append(numbers[0])
    return np.array(path)


def strays(name: str, lr: float) -> tuple[float, float]:
    """How far the weights, and those to evaluate, are from the minimum of x²/2 where gradients have noise of 1."""
    rule, random, x = RULES[name], np.random.default_rng(0), np.zeros(500)
    state, shown, squares = first_state(rule, x), trace_evaluation(rule), []
    for t in range(1, 1501):
        numbers = {**rule.hyper, "lr": lr}
        x, *new = step(trace(rule), {"x": x, "g": x + random.normal(size=500), **state}, t, numbers)
        state = dict(zip(rule.state, new, strict=True))
        evaluated = x if shown is None else step(shown, {"x": x, **state}, t, numbers)[0]
        squares.append([(x**2).mean(), (evaluated**2).mean()])
    weights, evaluation = np.sqrt(np.mean(squares[-500:], axis=0))
    return weights, evaluation
