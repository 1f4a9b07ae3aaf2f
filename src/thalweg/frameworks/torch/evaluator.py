"""The torch evaluator: a program on tensors of any device and dtype, operation by operation."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from thalweg.compile.evaluate import evaluate, walk
from thalweg.compile.program import Program
from thalweg.formula.numbers import NUMBERS


@functools.cache
def operations(dtype: torch.dtype) -> dict[str, Callable]:
    """Every operation, on tensors of a dtype and on numbers; a choice between two numbers has that dtype too."""

    def choose(condition: Any, a: Any, b: Any) -> Any:
        if not isinstance(condition, Tensor):
            return a if condition else b
        sides = (v if isinstance(v, Tensor) else torch.tensor(v, dtype=dtype, device=condition.device) for v in (a, b))
        return torch.where(condition, *sides)

    return NUMBERS | {
        "div": lambda a, b: a / b if isinstance(a, Tensor) or isinstance(b, Tensor) else NUMBERS["div"](a, b),
        "pow": lambda a, b: a**b if isinstance(a, Tensor) else NUMBERS["pow"](a, b),
        "sqrt": _on_tensors("sqrt", torch.sqrt),
        "exp": _on_tensors("exp", torch.exp),
        "log": _on_tensors("log", torch.log),
        "sign": lambda a: choose(a > 0, 1.0, choose(a < 0, -1.0, choose(a == a, 0.0, a))),
        "maximum": lambda a, b: choose(a > b, a, choose(a == a, b, a)),
        "minimum": lambda a, b: choose(a < b, a, choose(a == a, b, a)),
        "where": choose,
    }


def _on_tensors(name: str, function: Callable[[Tensor], Tensor]) -> Callable[[Any], Any]:
    return lambda a: function(a) if isinstance(a, Tensor) else NUMBERS[name](a)


def step(program: Program, arrays: Mapping[str, Tensor], t: float, hyper: Mapping[str, Any]) -> tuple[Tensor, ...]:
    """The new x and state of one tensor, in the type in which its arithmetic is done; subnormal state becomes zero.

    Args:
        program: A traced rule.
        arrays: A tensor for each of `program.inputs`, all of one shape, real.
        t: The step number, from 1.
        hyper: For each hyperparameter a number or a tensor with one, through which gradients flow.
    """
    working = working_dtype(arrays["x"].dtype)
    table = operations(working)
    values: dict[str, Any] = walk(program.scalars, table, {"t": float(t), **hyper})
    values |= {name: array.to(working) for name, array in arrays.items()}
    x, *state = evaluate(program, table, values)
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
