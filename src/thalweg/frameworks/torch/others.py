"""Parameters that no batch can hold: stepped one by one, with torch's operations or by the rows that were touched."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from thalweg.compile.numba import compiled
from thalweg.compile.storage import KAHAN, Storage
from thalweg.frameworks.torch import evaluator
from thalweg.frameworks.torch.batch import Member
from thalweg.frameworks.torch.frame import Frame
from thalweg.frameworks.torch.memory import KERNEL_DTYPES, real_view
from thalweg.frameworks.torch.on_host import Threads
from thalweg.frameworks.torch.plan import Plan, Recipe
from thalweg.frameworks.torch.state import array_keys, needs_kahan
from thalweg.sweep.cpu import keys, step_values, sweep, table_of


def next_step(recipe: Recipe, state: dict[str, Any], fresh: bool) -> float:
    """Count a parameter's step, and give its number."""
    if not recipe.counted:
        return 1.0 if fresh else 2.0
    state["step"] += 1
    return state["step"].item()


def next_values(plan: Plan, state: dict[str, Any], t: float) -> tuple[float, ...]:
    """What a kernel reads once per step, for one parameter; its scalar states become the new ones."""
    recipe = plan.recipe
    values, new = step_values(recipe.program, t, plan.hyper, [state[key].item() for key in recipe.scalar_keys])
    for key, value in zip(recipe.scalar_keys, new, strict=True):
        state[key].fill_(value)
    return values


def evaluate(plan: Plan, frame: Frame, member: Member, gradient: Tensor, t: float, differentiable: bool) -> None:
    """Step one parameter with torch's own operations, on any device and in any layout.

    A differentiable step leaves the old state to autograd and stores a new one.
    """
    recipe, x, state = plan.recipe, member.x, member.state
    numbers = (state[key] if differentiable else state[key].item() for key in recipe.scalar_keys)
    scalars = dict(zip(recipe.program.scalar_state, numbers, strict=True))
    at, g = (None, gradient) if gradient.layout == torch.strided else touched(gradient)
    view, keep = real_view(x), needs_kahan(x, frame)
    held = {name: _take(state[key], at) for name, key in zip(_letters(recipe), recipe.array_keys, strict=True)}
    old = _take(x, at).clone() if differentiable else _take(x, at)  # autograd keeps what it read, and x changes
    full = old.float() + _take(state[KAHAN], at).float() if keep else old
    arrays = {"x": full, "g": real_view(g.resolve_conj().resolve_neg()), **held}
    new_x, *new, new_scalars = evaluator.step(recipe.program, arrays, t, plan.hyper, scalars)
    stored = evaluator.rounded(new_x, view.dtype, frame, member.number, t)
    if keep:
        _put(state[KAHAN], at, new_x - stored.to(new_x.dtype))
    _put(x, at, stored)
    for key, value in zip(recipe.array_keys, new, strict=True):
        if differentiable:
            state[key] = _replaced(state[key], at, value)
        else:
            _put(state[key], at, value)
    for key, value in zip(recipe.scalar_keys, new_scalars, strict=True):
        if differentiable:
            state[key] = torch.as_tensor(value, dtype=torch.float64)
        else:
            state[key].fill_(value)


def _take(tensor: Tensor, at: tuple[Tensor, ...] | None) -> Tensor:
    return real_view(tensor) if at is None else real_view(tensor)[at]


def _put(tensor: Tensor, at: tuple[Tensor, ...] | None, value: Tensor) -> None:
    if at is None:
        real_view(tensor).copy_(value)
    else:
        real_view(tensor)[at] = value.to(real_view(tensor).dtype)


def _replaced(tensor: Tensor, at: tuple[Tensor, ...] | None, value: Tensor) -> Tensor:
    """A new tensor with these values, which autograd follows; where only rows were stepped, the others are the old."""
    old = real_view(tensor)
    value = value.to(old.dtype) if at is None else old.index_put(at, value.to(old.dtype))
    return torch.view_as_complex(value) if tensor.is_complex() else value


def _letters(recipe: Recipe) -> tuple[str, ...]:
    return recipe.program.inputs[2:]


def touched(gradient: Tensor) -> tuple[tuple[Tensor, ...], Tensor]:
    """The places that a sparse gradient names, each once, and its values there."""
    summed = (gradient if gradient.layout == torch.sparse_coo else gradient.to_sparse()).coalesce()
    return tuple(summed.indices().unbind()), summed.values()


def sweep_rows(plan: Plan, frame: Frame, member: Member, gradient: Tensor, t: float, threads: Threads) -> None:
    """Step the rows of a contiguous parameter that its sparse gradient names, in one native call, and no others."""
    x, state = member.x, member.state
    places, gradients = touched(gradient)
    gradients = gradients.contiguous()
    depth = len(places)
    rows = np.ravel_multi_index([place.numpy() for place in places], x.shape[:depth]) if len(gradients) else []
    rows = np.asarray(rows, np.int64)
    held = [x, gradients, *(state[key] for key in array_keys(plan.recipe, x, frame))]
    types = tuple(KERNEL_DTYPES[part.dtype] for part in held[: len(plan.recipe.program.inputs)])
    rounding = frame.rounding if x.dtype.itemsize == 2 else "nearest"
    kernel = compiled(plan.recipe.program, Storage(types, rounding))
    length = x.shape[depth:].numel()
    order = np.arange(len(rows))
    addresses = [
        part.data_ptr() + (order if part is gradients else rows) * length * part.element_size() for part in held
    ]
    table = table_of(kernel, np.stack(addresses, axis=1), [length] * len(rows))
    if rounding == "stochastic":
        table.draw(keys(frame.seed, (rows << 32) ^ member.number, np.full(len(rows), int(t))))
    sweep(table, np.array(next_values(plan, state, t)), threads=threads.count, launch=threads.launch)
    torch.autograd.graph.increment_version([x])


def squared_norm(gradient: Tensor) -> tuple[float, int]:
    """The sum of the squares of a gradient, and how many infinities and NaNs it has, with torch's own operations."""
    values = gradient if gradient.layout == torch.strided else touched(gradient)[1]
    wide = real_view(values.resolve_conj().resolve_neg()).double()
    return wide.square().sum().item(), int((~wide.isfinite()).sum().item())


class Seen(NamedTuple):
    """What a parameter was before a step that no table makes: what is needed to say afterwards how far it went.

    Attributes:
        places: Those that a sparse gradient names; None stands for all.
        before: The weights there.
        gradient: The gradient there.
        square: The sum of the squares of all weights.
    """

    places: tuple[Tensor, ...] | None
    before: Tensor
    gradient: Tensor
    square: Tensor


@torch.no_grad()
def seen(x: Tensor, gradient: Tensor) -> Seen:
    """Keep what `moved` needs, before a step."""
    places, values = (None, gradient) if gradient.layout == torch.strided else touched(gradient)
    wide = real_view(values.detach().resolve_conj().resolve_neg()).double()
    before = _take(x.detach(), places).to(torch.float64, copy=True)
    return Seen(places, before, wide, _square(x.detach()))


@torch.no_grad()
def moved(x: Tensor, kept: Seen) -> list[float]:
    """The numbers of `thalweg.compile.measured.SUMS` for one parameter, after its step, with torch's operations."""
    change = _take(x.detach(), kept.places).double() - kept.before
    sums = (_square(kept.gradient), kept.square, _square(change), (change * kept.gradient).sum())
    return torch.stack(sums).tolist()


def _square(x: Tensor) -> Tensor:
    return real_view(x).double().square().sum()


def sparse_rows(x: Tensor, gradient: Tensor) -> bool:
    """Whether a sparse gradient can be stepped row by row through a kernel."""
    plain = x.device.type == "cpu" and x.is_contiguous() and not x.is_complex()
    return gradient.layout == torch.sparse_coo and plain
