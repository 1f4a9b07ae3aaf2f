"""The NumPy evaluator: the reference, by which every other backend is judged. And programs as NumPy source."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from thalweg.compile.evaluate import evaluate, scalars
from thalweg.compile.program import Program
from thalweg.compile.source import INFIX, block, render


def _maximum(a: Any, b: Any) -> Any:
    return np.where(a > b, a, np.where(a == a, b, a))


def _minimum(a: Any, b: Any) -> Any:
    return np.where(a < b, a, np.where(a == a, b, a))


OPERATIONS: dict[str, Callable] = {
    "add": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "div": np.divide,
    "neg": np.negative,
    "gt": np.greater,
    "lt": np.less,
    "ge": np.greater_equal,
    "le": np.less_equal,
    "eq": np.equal,
    "ne": np.not_equal,
    "sqrt": np.sqrt,
    "abs": np.abs,
    "sign": np.sign,
    "maximum": _maximum,
    "minimum": _minimum,
    "where": np.where,
}


def step(
    program: Program,
    arrays: Mapping[str, np.ndarray],
    t: float,
    hyper: Mapping[str, float],
    flush: bool = True,
) -> tuple[np.ndarray, ...]:
    """One step of a program: the new x, then the new state.

    Args:
        program: A traced rule.
        arrays: For each of `program.inputs` an array, all of one shape and one float dtype.
        t: The step number, from 1.
        hyper: A number for each hyperparameter.
        flush: Whether subnormal numbers in the new state become zero.

    Returns:
        New arrays, in the order of `program.targets`, of the same shape and dtype; the arguments are left as they are.

    Example:
        >>> from thalweg.compile.trace import trace
        >>> from thalweg.rules import RULES
        >>> momentum = RULES["momentum"]
        >>> one = np.ones(2)
        >>> step(trace(momentum), {"x": one, "g": one, "v": one}, 1, momentum.hyper)
        (array([0.981, 0.981]), array([1.9, 1.9]))
    """
    dtype = arrays["x"].dtype
    with np.errstate(all="ignore"):
        values: dict[str, Any] = {k: dtype.type(v) for k, v in scalars(program, t, hyper).items()}
        new = evaluate(program, OPERATIONS, values | dict(arrays), dtype.type)
        new = tuple(np.broadcast_to(np.asarray(a, dtype), arrays["x"].shape) for a in new)
        return (new[0], *(flushed(a) if flush else a for a in new[1:]))


def flushed(state: np.ndarray) -> np.ndarray:
    """The array with zero in place of every subnormal number (the frame does this to state that it stores)."""
    return np.where(np.abs(state) < np.finfo(state.dtype).smallest_normal, state.dtype.type(0), state)


SPELLING = INFIX | {
    "pow": "{} ** {}",
    "sqrt": "np.sqrt({})",
    "exp": "np.exp({})",
    "log": "np.log({})",
    "sin": "np.sin({})",
    "cos": "np.cos({})",
    "abs": "np.abs({})",
    "sign": "np.sign({})",
    "maximum": "np.where({0} > {1}, {0}, np.where({0} == {0}, {1}, {0}))",
    "minimum": "np.where({0} < {1}, {0}, np.where({0} == {0}, {1}, {0}))",
    "where": "np.where({}, {}, {})",
}


def source(program: Program) -> str:
    """The program as a NumPy function that can be pasted anywhere.

    Example:
        >>> from thalweg.compile.trace import trace
        >>> from thalweg.rules import RULES
        >>> print(source(trace(RULES["sgd"])))
        import numpy as np
        <BLANKLINE>
        <BLANKLINE>
        def sgd(x, g, t, *, lr):
            # once per element
            a1 = lr * g
            x_new = x - a1
            return x_new
        <BLANKLINE>
    """
    arguments = ", ".join((*program.inputs[:2], "t", *program.inputs[2:], *(("*",) if program.hyper else ())))
    head = f"def {program.identifier}({', '.join((arguments, *program.hyper))}):"
    body = []
    if program.scalars:
        body += ["# once per step", *block(program.scalars, SPELLING, "numpy", program.name)]
    body += ["# once per element", *block(program.body, SPELLING, "numpy", program.name)]
    body += [f"return {', '.join(map(render, program.outputs))}"]
    return "import numpy as np\n\n\n" + head + "\n" + "".join(f"    {line}\n" for line in body)
