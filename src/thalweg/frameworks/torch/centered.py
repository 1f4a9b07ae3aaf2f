"""Centered RMSprop's checkpoints: torch keeps the mean of squares, Thalweg the variance; each reads the other's."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from thalweg.frameworks.torch.memory import real_view


def with_square_average(state_dict: dict[str, Any]) -> dict[str, Any]:
    """A new state dict, whose centered entries hold torch's `square_avg` beside the variance."""
    return state_dict | {"state": {k: _exported(v) for k, v in state_dict["state"].items()}}


def _exported(state: Any) -> Any:
    if not isinstance(state, dict) or "variance" not in state:  # users may keep something of their own in there
        return state
    return state | {"square_avg": _mean_of_squares(state["variance"], state["grad_avg"])}


def with_variance(state: Any) -> Any:
    """A parameter's state that holds the variance instead of torch's `square_avg`; any other state as it is."""
    if not isinstance(state, dict) or not isinstance(state.get("grad_avg"), Tensor) or "square_avg" not in state:
        return state
    square, mean = state["square_avg"], state["grad_avg"]
    variance = _variance(square, mean)
    if "variance" in state:
        # An exact variance from our own checkpoint, unless torch has trained on since and moved the averages.
        current = _mean_of_squares(state["variance"], mean) == square
        variance = torch.where(current, state["variance"], variance)
    return {k: v for k, v in state.items() if k != "square_avg"} | {"variance": variance}


def _mean_of_squares(variance: Tensor, mean: Tensor) -> Tensor:
    """Per real component, as torch treats complex parameters."""
    return _like(variance, real_view(variance) + real_view(mean) ** 2)


def _variance(square: Tensor, mean: Tensor) -> Tensor:
    return _like(square, (real_view(square) - real_view(mean) ** 2).clamp(min=0))


def _like(original: Tensor, real: Tensor) -> Tensor:
    return torch.view_as_complex(real) if original.is_complex() else real
