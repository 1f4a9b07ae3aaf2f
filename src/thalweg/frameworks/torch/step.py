"""One step of the parameters of one group: through the fused kernel where memory allows, else through the evaluator."""

from __future__ import annotations

import functools
import os
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.optim.optimizer import _device_dtype_check_for_fused

from thalweg.compile import numba
from thalweg.frameworks.torch import evaluator
from thalweg.frameworks.torch.memory import KERNEL_DTYPES, aligned, real_view, same_order, walkable
from thalweg.frameworks.torch.plan import Plan
from thalweg.rules.hyper import starts
from thalweg.sweep.cpu import sweep
from thalweg.sweep.threads import Launch, openmp_team, own_threads

PROCESS = os.getpid()  # in which torch's OpenMP threads live; a child made by fork has another number


def step_group(optimizer: torch.optim.Optimizer, group: dict[str, Any], plan: Plan) -> None:
    """Step every parameter of a group that has a gradient.

    Raises:
        RuntimeError: If a gradient is sparse and the rule's class takes none, or a parameter is of a kind that torch
            refuses too; nothing has been changed then.
    """
    differentiable = bool(group.get("differentiable"))
    ready = [(x, gradient_of(x, x.grad, plan, group)) for x in group["params"] if x.grad is not None]
    fused: dict[tuple[torch.dtype, float], list[tuple[Tensor, ...]]] = defaultdict(list)
    written = []
    for x, gradient in ready:
        state, t = state_and_step(optimizer, x, plan, group)
        view = real_view(x)
        if differentiable or not walkable(view):
            _evaluate(plan, view, gradient, state, t, differentiable)
            continue
        own = (_aligned_state(state, key, x) for key in plan.recipe.keys.values())
        fused[view.dtype, t].append((view, aligned(gradient, view), *own))
        written.append(x)
    for (dtype, t), tensors in fused.items():
        _sweep(plan, dtype, t, tensors)
    if written:
        torch.autograd.graph.increment_version(written)


def loss_of(closure: Callable[[], Any] | None) -> Any:
    """What a closure returns, evaluated with gradients on; None without one."""
    if closure is None:
        return None
    with torch.enable_grad():
        return closure()


def gradient_of(x: Tensor, gradient: Tensor, plan: Plan, group: dict[str, Any]) -> Tensor:
    """A parameter's gradient as real numbers; dense where it is sparse and torch's class takes sparse ones too.

    Raises:
        RuntimeError: If no step can be right for the parameter, or the gradient is sparse and may not be.
    """
    if not (x.is_floating_point() or x.is_complex()):
        raise RuntimeError(f"expected parameters that are floating point or complex, got {x.dtype}: leave them out")
    if group.get("fused") and x.device.type != "cpu":
        _device_dtype_check_for_fused(x)
    if gradient.layout == torch.strided:
        return real_view(gradient.resolve_conj().resolve_neg())
    recipe = plan.recipe
    if not recipe.densify or group.get("fused"):
        name = f"{recipe.name} with fused=True" if recipe.densify else recipe.name
        raise RuntimeError(f"{name} does not support sparse gradients: use SGD or Adagrad, or a dense gradient")
    if recipe.name == "Adagrad" and "decay" in plan.hyper:
        raise RuntimeError("weight_decay option is not compatible with sparse gradients: set weight_decay to 0")
    return real_view(gradient.to_dense())


def state_and_step(
    optimizer: torch.optim.Optimizer, x: Tensor, plan: Plan, group: dict[str, Any]
) -> tuple[dict[str, Any], float]:
    """The parameter's state, with every entry that the rule needs, and the number of the step being taken, from 1."""
    recipe = plan.recipe
    if not recipe.keys and not recipe.counted:
        return {}, 1.0
    state = optimizer.state[x]
    if recipe.counted:
        if "step" not in state:
            state["step"] = _no_steps(x, group)
        state["step"] += 1
    missing = [letter for letter, key in recipe.keys.items() if state.get(key) is None]
    if missing:
        numbers = starts(recipe.initial, {**group, **plan.hyper})
        state |= {recipe.keys[letter]: _filled(x, numbers[letter]) for letter in missing}
    if recipe.counted:
        return state, state["step"].item()
    return state, 1.0 if missing else 2.0


def _filled(x: Tensor, number: float) -> Tensor:
    """A state of the parameter's form, every element the same."""
    state = torch.empty_like(x, requires_grad=False, memory_format=torch.preserve_format)
    real_view(state).fill_(number)
    return state


def _no_steps(x: Tensor, group: dict[str, Any]) -> Tensor:
    """A step counter as torch makes it: float64 where that is the default type, on the device where asked for."""
    wide = torch.get_default_dtype() == torch.float64 and not group.get("fused")
    on_device = group.get("capturable") or group.get("fused")
    return torch.zeros((), dtype=torch.float64 if wide else torch.float32, device=x.device if on_device else "cpu")


def _aligned_state(state: dict[str, Any], key: str, x: Tensor) -> Tensor:
    """A state in the parameter's order and type; one that was loaded in another order is laid anew, once."""
    if not same_order(state[key], x):
        state[key] = aligned(state[key], x)
    return real_view(state[key])


def _sweep(plan: Plan, dtype: torch.dtype, t: float, tensors: list[tuple[Tensor, ...]]) -> None:
    kernel = numba.compiled(plan.recipe.program, KERNEL_DTYPES[dtype])
    addresses = [tuple([part.data_ptr() for part in parts]) for parts in tensors]
    counts = [parts[0].numel() for parts in tensors]
    hyper = {name: float(value) for name, value in plan.hyper.items()}
    sweep(kernel, addresses, counts, t, hyper, threads=torch.get_num_threads(), launch=team())


def _evaluate(plan: Plan, x: Tensor, gradient: Tensor, state: dict[str, Any], t: float, differentiable: bool) -> None:
    """Compute with torch's own operations; differentiable steps leave the old state to autograd and store a new one."""
    arrays = {letter: real_view(state[key]) for letter, key in plan.recipe.keys.items()}
    hyper = plan.hyper if differentiable else {name: float(value) for name, value in plan.hyper.items()}
    old = x.clone() if differentiable else x  # autograd keeps what it was computed from, and x is about to change
    new_x, *new_state = evaluator.step(plan.recipe.program, {"x": old, "g": gradient, **arrays}, t, hyper)
    x.copy_(new_x)
    for (letter, key), value in zip(plan.recipe.keys.items(), new_state, strict=True):
        if differentiable:
            state[key] = torch.view_as_complex(value) if state[key].is_complex() else value
        else:
            arrays[letter].copy_(value)


@functools.cache
def team() -> Launch:
    """Torch's own OpenMP threads where it brings GNU's library, else threads of our own."""
    libraries = sorted((Path(torch.__file__).parent / "lib").glob("libgomp*.so*"))
    return openmp_team(libraries[0], PROCESS) if libraries else own_threads
