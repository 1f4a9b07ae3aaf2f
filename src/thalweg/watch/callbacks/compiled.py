"""Gradients of a step that was compiled as a whole, found again from what it did to a state that is linear in them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from thalweg.compile.numpy import step
from thalweg.compile.trace import trace
from thalweg.errors import InputError
from thalweg.formula import Rule
from thalweg.watch.behaviour import behaviour


def linear_state(rule: Rule | None, decays: bool) -> str:
    """The state of a rule, or the weights themselves (`"x"`), to which a gradient is added with a factor.

    Args:
        rule: The rule.
        decays: Whether weights are decayed besides.

    Raises:
        InputError: If there is none, so that no gradient can be found.

    Example:
        >>> from thalweg.rules import RULES
        >>> linear_state(RULES["adam"], decays=True), linear_state(RULES["sgd"], decays=False)
        ('m', 'x')
    """
    if rule is not None:
        first = behaviour(rule).first
        if first is not None and not rule.scalars:
            return first
        if not rule.state and not decays:
            return "x"
    name = "an optimizer that the catalogue does not have" if rule is None else f"the rule {rule.name}"
    raise InputError(
        f"expected an optimizer with an average of gradients, from which these can be found where a backend compiles "
        f"the training step as a whole, got {name}: set KERAS_BACKEND=torch to watch it"
    )


def gradient(
    rule: Rule,
    state: str,
    t: float,
    hyper: Mapping[str, float],
    before: Mapping[str, np.ndarray],
    after: np.ndarray,
) -> np.ndarray:
    """The gradient with which a rule came to a state.

    Args:
        rule: The rule.
        state: The state, as `linear_state` gives it.
        t: The number of the step.
        hyper: A number for each hyperparameter.
        before: Float64 arrays of the weights, `"x"`, and of all states before the step.
        after: The state after it.

    Example:
        >>> from thalweg.rules import RULES
        >>> m = np.array([0.5])
        >>> before = {"x": m, "m": m, "v": m}
        >>> hyper = RULES["adam"].hyper
        >>> gradient(RULES["adam"], "m", 3, hyper, before, 0.9 * m + 0.1 * 7.0).round(9)
        array([7.])
    """
    program = trace(rule)
    place = program.targets.index(state)

    def reached(size: float) -> np.ndarray:
        g = np.full_like(before["x"], size)
        return step(program, {**before, "g": g}, t, hyper, flush=False)[place]

    start = reached(0.0)
    return (after - start) / (reached(1.0) - start)
