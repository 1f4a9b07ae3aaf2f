"""The NumPy evaluator: the reference, by which every other backend is judged. And programs as NumPy source.

Flushing means that there are no subnormal numbers: one that is read counts as the zero of its sign, and an operation
whose result would be subnormal gives the zero of its sign. A result counts as subnormal if it would still be smaller
than the smallest normal number when rounded to the type's precision with an exponent of any size, which is how x86
processors judge it: a product just below that number may round up to it, or be flushed.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from thalweg.compile.evaluate import evaluate, new_scalar_state, scalars
from thalweg.compile.program import Program
from thalweg.compile.source import INFIX, block, render
from thalweg.formula.numbers import NUMBERS


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

# Surfaces use these too; NumPy's, Python's and a browser's may differ in the last bit.
ELEMENTARY = OPERATIONS | {"pow": np.power, "exp": np.exp, "log": np.log, "sin": np.sin, "cos": np.cos}

SCALE = 2.0**64  # lifts what is about to be flushed out of the subnormal numbers, exactly


def _zero_where(tiny: Any, numbers: Any) -> Any:
    return np.where(tiny, np.copysign(numbers.dtype.type(0), numbers), numbers)


def _is_tiny(lifted: Any) -> Any:
    """Whether numbers, given times `SCALE`, are below the smallest normal one."""
    return np.abs(lifted) < np.finfo(lifted.dtype).smallest_normal * lifted.dtype.type(SCALE)


def flushed(numbers: Any) -> Any:
    """The array with the zero of its sign in place of every subnormal number.

    Example:
        >>> flushed(np.array([-1e-310, 1e-300, 2.0]))
        array([-0.e+000,  1.e-300,  2.e+000])
    """
    return _zero_where(np.abs(numbers) < np.finfo(numbers.dtype).smallest_normal, numbers)


def converted(numbers: Any, dtype: Any, flush: bool = True) -> Any:
    """The numbers in another float type, rounded to the nearest.

    Args:
        numbers: An array, or one float64.
        dtype: The type wanted.
        flush: Whether subnormal numbers become zero, before and after.
    """
    given, dtype = np.asarray(numbers), np.dtype(dtype)
    if not flush:
        return given.astype(dtype)
    if dtype.itemsize >= given.itemsize:
        return flushed(given).astype(dtype)
    return _zero_where(_is_tiny((given * given.dtype.type(SCALE)).astype(dtype)), given.astype(dtype))


def _flushing_product(a: Any, b: Any) -> Any:
    return _zero_where(_is_tiny(a * a.dtype.type(SCALE) * b), a * b)


def _flushing_quotient(a: Any, b: Any) -> Any:
    return _zero_where(_is_tiny(a * a.dtype.type(SCALE) / b), a / b)


# On normal numbers and zeros. The other operations give no subnormal number then; a sum that is one is exact.
FLUSHING: dict[str, Callable] = OPERATIONS | {
    "add": lambda a, b: flushed(a + b),
    "sub": lambda a, b: flushed(a - b),
    "mul": _flushing_product,
    "div": _flushing_quotient,
}


def _then_flushed(function: Callable) -> Callable:
    return lambda *given: flushed(function(*given))


FLUSHING_ELEMENTARY = FLUSHING | {op: _then_flushed(ELEMENTARY[op]) for op in ("pow", "exp", "log", "sin", "cos")}


# On arrays too what `NUMBERS` computes: these functions must not be NumPy's, which differ in the last bit.
_NUMBER_BY_NUMBER = {
    op: (lambda apply: lambda *given: np.asarray(apply(*given), np.float64))(np.frompyfunc(NUMBERS[op], arity, 1))
    for op, arity in (("pow", 2), ("exp", 1), ("log", 1), ("sin", 1), ("cos", 1))
}


def _per_run(op: str) -> Callable:
    """An operation of the lines once per step, on numbers, or on arrays with a number for each run."""
    on_numbers, on_arrays = NUMBERS[op], (OPERATIONS | _NUMBER_BY_NUMBER)[op]
    return lambda *given: (on_arrays if any(isinstance(a, np.ndarray) for a in given) else on_numbers)(*given)


PER_RUN: dict[str, Callable] = {op: _per_run(op) for op in NUMBERS}


def step(
    program: Program,
    arrays: Mapping[str, Any],
    t: float,
    hyper: Mapping[str, Any],
    flush: bool = True,
) -> tuple[Any, ...]:
    """One step of a program: the new x, then the new state.

    Args:
        program: A traced rule.
        arrays: For each of `program.inputs` an array, all of one shape and one float dtype; for each scalar state a
            number, or an array as in `hyper`.
        t: The step number, from 1.
        hyper: A number for each hyperparameter, or a float64 array of numbers that broadcasts against the arrays: each
            element then gets what it would get alone.
        flush: Whether subnormal numbers are zero in what is read, in every operation on arrays and in the results.

    Returns:
        In the order of `program.targets` new arrays of the same shape and dtype, and for a scalar state a float (an
        array where hyperparameters are), which is neither rounded to that dtype nor flushed; the arguments are left as
        they are.

    Example:
        >>> from thalweg.compile.trace import trace
        >>> from thalweg.rules import RULES
        >>> momentum = RULES["momentum"]
        >>> one = np.ones(2)
        >>> step(trace(momentum), {"x": one, "g": one, "v": one}, 1, momentum.hyper)
        (array([0.981, 0.981]), array([1.9, 1.9]))
    """
    dtype, operations = arrays["x"].dtype, FLUSHING if flush else OPERATIONS
    with np.errstate(all="ignore"):
        state = {s: _number_or_array(arrays[s]) for s in program.scalar_state}
        differ = any(isinstance(value, np.ndarray) for value in (*hyper.values(), *state.values()))
        once = scalars(program, t, hyper, state, PER_RUN if differ else NUMBERS)
        values: dict[str, Any] = {n: converted(_number_or_array(v), dtype, flush) for n, v in once.items()}
        values |= {name: converted(arrays[name], dtype, flush) for name in program.inputs}
        constant = (lambda number: flushed(dtype.type(number))) if flush else dtype.type
        new = dict(zip(program.targets, evaluate(program, operations, values, constant), strict=True))
        new |= {name: np.broadcast_to(np.asarray(new[name], dtype), arrays["x"].shape) for name, _ in program.stores}
        return tuple((new | new_scalar_state(program, once)).values())


def _number_or_array(value: Any) -> Any:
    return value.astype(np.float64, copy=False) if isinstance(value, np.ndarray) else float(value)


def values(program: Program, x: Any, y: Any, flush: bool = False) -> tuple[Any, ...]:
    """What a program of a surface gives at points.

    Args:
        program: A traced surface, or its gradient.
        x: Coordinates, an array of any shape, float64.
        y: The other ones, of the same shape.
        flush: Whether subnormal numbers are zero, as in `step`.

    Returns:
        For each of the program's targets an array of that shape.

    Example:
        >>> from thalweg.compile.gradient import trace_gradient
        >>> from thalweg.surfaces import SURFACES
        >>> values(trace_gradient(SURFACES["saddle"]), np.array([1.0, 2.0]), np.array([0.0, 1.0]))
        (array([1., 3.]), array([2., 4.]), array([-0., -2.]))
    """
    with np.errstate(all="ignore"):
        if flush:
            x, y = flushed(np.asarray(x, np.float64)), flushed(np.asarray(y, np.float64))
            constant: Callable = lambda number: flushed(np.float64(number))  # noqa: E731
            found = evaluate(program, FLUSHING_ELEMENTARY, {"x": x, "y": y}, constant)
        else:
            found = evaluate(program, ELEMENTARY, {"x": x, "y": y}, np.float64)
    return tuple(np.broadcast_to(np.asarray(each, np.float64), np.shape(x)) for each in found)


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
    arguments = ", ".join((*program.inputs[:2], "t", *program.targets[1:], *(("*",) if program.hyper else ())))
    head = f"def {program.identifier}({', '.join((arguments, *program.hyper))}):"
    body = []
    if program.scalars:
        body += ["# once per step", *block(program.scalars, SPELLING, "numpy", program.name)]
    body += ["# once per element", *block(program.body, SPELLING, "numpy", program.name)]
    body += [f"return {', '.join(map(render, program.outputs))}"]
    return "import numpy as np\n\n\n" + head + "\n" + "".join(f"    {line}\n" for line in body)
