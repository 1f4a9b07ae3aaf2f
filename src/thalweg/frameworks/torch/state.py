"""A parameter's state as torch keeps it: made when the first gradient arrives, in the parameter's own layout."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from thalweg.compile.storage import KAHAN
from thalweg.formula import AT_THE_WEIGHTS
from thalweg.frameworks.torch.frame import Frame
from thalweg.frameworks.torch.memory import real_view
from thalweg.frameworks.torch.plan import Recipe
from thalweg.rules.hyper import starts


def needs_kahan(x: Tensor, frame: Frame) -> bool:
    """Whether a parameter's rounding errors are kept."""
    return frame.rounding == "kahan" and x.dtype.itemsize == 2


def array_keys(recipe: Recipe, x: Tensor, frame: Frame) -> tuple[str, ...]:
    """The keys of the states that are arrays, in the kernel's order."""
    return (*recipe.array_keys, *((KAHAN,) if needs_kahan(x, frame) else ()))


def missing(recipe: Recipe, x: Tensor, frame: Frame, state: Mapping[str, Any]) -> list[str]:
    """The keys that a parameter's state still lacks."""
    wanted = (*(("step",) if recipe.counted else ()), *array_keys(recipe, x, frame), *recipe.scalar_keys)
    return [key for key in wanted if state.get(key) is None]


def fill(
    recipe: Recipe, x: Tensor, frame: Frame, state: dict[str, Any], lacking: list[str], given: Mapping[str, Any]
) -> None:
    """Give a parameter's state the entries that it lacks.

    Args:
        recipe: How the parameter is stepped.
        x: The parameter.
        frame: Says of which type its state is.
        state: Is filled.
        lacking: What `missing` found.
        given: The group's entries and the rule's hyperparameters, which states may start at.
    """
    if "step" in lacking:
        state["step"] = _no_steps(x, given)
    numbers = _numbers({s: v for s, v in recipe.initial.items() if recipe.keys.get(s) in lacking}, given)
    for letter, key in recipe.keys.items():
        if key not in lacking:
            continue
        if key in recipe.scalar_keys:
            state[key] = torch.as_tensor(numbers[letter], dtype=torch.float64).reshape(()).clone()
        else:
            start = numbers.get(letter, x if given.get("differentiable") else x.detach())
            state[key] = _array(x, frame, start)
    if KAHAN in lacking:
        state[KAHAN] = torch.zeros_like(x, requires_grad=False)


def _numbers(initial: Mapping[str, float | str], given: Mapping[str, Any]) -> dict[str, Any]:
    """What the states start at that do not start at the weights: numbers, or where autograd looks on, tensors."""
    named = {state: start for state, start in initial.items() if start != AT_THE_WEIGHTS}
    tensors = {
        s: given[start] for s, start in named.items() if isinstance(start, str) and isinstance(given[start], Tensor)
    }
    if not given.get("differentiable"):
        tensors = {state: tensor.item() for state, tensor in tensors.items()}
    return {**starts({s: start for s, start in named.items() if s not in tensors}, given), **tensors}


def _array(x: Tensor, frame: Frame, start: float | Tensor) -> Tensor:
    """A state of the parameter's form: every element the same number, or a copy of another tensor of that form."""
    wanted = x.dtype if x.is_complex() else frame.state_type(x.dtype)
    made = torch.empty_like(x, dtype=wanted, requires_grad=False, memory_format=torch.preserve_format)
    if not isinstance(start, Tensor):
        real_view(made).fill_(start)
    elif start.shape == x.shape and start.is_complex() == x.is_complex():
        made.copy_(start)
    else:
        real_view(made).copy_(start.reshape(()))
    return made


def count_in_tensor(state: dict[str, Any]) -> None:
    """Put a step number that somebody wrote as a number into a tensor, as torch did when it was one."""
    if isinstance(state.get("step"), int | float):
        state["step"] = torch.tensor(float(state["step"]), dtype=torch.float32)


def _no_steps(x: Tensor, group: Mapping[str, Any]) -> Tensor:
    """A step counter as torch makes it: float64 where that is the default type, on the device where asked for."""
    wide = torch.get_default_dtype() == torch.float64 and not group.get("fused")
    on_device = group.get("capturable") or group.get("fused")
    # Made from a number, as torch does, so that FakeTensorMode knows what it holds.
    return torch.tensor(0.0, dtype=torch.float64 if wide else torch.float32, device=x.device if on_device else "cpu")


def shared_numbers(states: Sequence[dict[str, Any]], key: str, device: torch.device | str = "cpu") -> Tensor:
    """One tensor for a number of each state, of which the states then hold views.

    A tensor that held such a number becomes the view itself: somebody else who has it sees it move on, as with torch.

    Args:
        states: They.
        key: Of the number.
        device: Where the numbers shall be.
    """
    base = torch.stack([state[key].detach().to(device).reshape(()) for state in states])
    moved: set[int] = set()
    for state, view in zip(states, base.unbind(), strict=True):
        number = state[key]
        if id(number) not in moved and _can_move(number, view):
            number.data = view
            moved.add(id(number))
        else:
            state[key] = view
    return base


def _can_move(number: Tensor, view: Tensor) -> bool:
    """Whether a tensor can go on at another place without anybody noticing."""
    plain = type(number) is Tensor and number.device == view.device and not number.requires_grad
    return plain and number.dtype == view.dtype and number.shape == view.shape and not number.is_inference()
