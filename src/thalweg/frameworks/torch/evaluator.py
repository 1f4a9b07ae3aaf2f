"""The torch evaluator: a program on tensors of any device and dtype, operation by operation."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from thalweg.compile.evaluate import evaluate, walk
from thalweg.compile.program import Program
from thalweg.formula.numbers import NUMBERS


def _choose(condition: Any, a: Any, b: Any) -> Any:
    if not isinstance(condition, Tensor):
        return a if condition else b
    like = next((v for v in (a, b) if isinstance(v, Tensor) and v.is_floating_point()), None)
    dtype = torch.get_default_dtype() if like is None else like.dtype
    a, b = (v if isinstance(v, Tensor) else torch.tensor(v, dtype=dtype, device=condition.device) for v in (a, b))
    return torch.where(condition, a, b)


def _sign(a: Any) -> Any:
    return _choose(a > 0, 1.0, _choose(a < 0, -1.0, _choose(a == a, 0.0, a)))


def _maximum(a: Any, b: Any) -> Any:
    return _choose(a > b, a, _choose(a == a, b, a))


def _minimum(a: Any, b: Any) -> Any:
    return _choose(a < b, a, _choose(a == a, b, a))


def _on_tensors(name: str, function: Callable[[Tensor], Tensor]) -> Callable[[Any], Any]:
    return lambda a: function(a) if isinstance(a, Tensor) else NUMBERS[name](a)


OPERATIONS: dict[str, Callable] = NUMBERS | {
    "div": lambda a, b: a / b if isinstance(a, Tensor) or isinstance(b, Tensor) else NUMBERS["div"](a, b),
    "pow": lambda a, b: operator.pow(a, b) if isinstance(a, Tensor) else NUMBERS["pow"](a, b),
    "sqrt": _on_tensors("sqrt", torch.sqrt),
    "exp": _on_tensors("exp", torch.exp),
    "log": _on_tensors("log", torch.log),
    "sign": _sign,
    "maximum": _maximum,
    "minimum": _minimum,
    "where": _choose,
}


def step(program: Program, arrays: Mapping[str, Tensor], t: float, hyper: Mapping[str, Any]) -> tuple[Tensor, ...]:
    """The new x and state of one tensor, in the type in which its arithmetic is done; subnormal state becomes zero.

    Args:
        program: A traced rule.
        arrays: A tensor for each of `program.inputs`, all of one shape, real.
        t: The step number, from 1.
        hyper: For each hyperparameter a number or a tensor with one, through which gradients flow.
    """
    working = working_dtype(arrays["x"].dtype)
    values: dict[str, Any] = walk(program.scalars, OPERATIONS, {"t": float(t), **hyper})
    values |= {name: array.to(working) for name, array in arrays.items()}
    x, *state = evaluate(program, OPERATIONS, values)
    tiny = torch.finfo(working).smallest_normal
    full = [s if isinstance(s, Tensor) else torch.full_like(values["x"], s) for s in state]
    return (x, *(torch.where(s.abs() < tiny, torch.zeros_like(s), s) for s in full))


def working_dtype(dtype: torch.dtype) -> torch.dtype:
    """The type in which arithmetic on tensors of `dtype` is done: float32 for everything narrower.

    Example:
        >>> working_dtype(torch.bfloat16)
        torch.float32
    """
    return dtype if dtype in (torch.float32, torch.float64) else torch.float32
