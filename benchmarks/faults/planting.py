"""How a fault is planted in a model or in a batch."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from faults.grounds import Ground
from faults.trial import Trial

Batch = tuple[Tensor, ...]
TINY = 1e-6
FAR_BELOW = -100.0  # a bias after which a rectifier gives zero for every sample
MANY = 100.0


# --- in a model: each returns the names of the layers in which the fault is ---


def nowhere(model: nn.Module, trial: Trial, ground: Ground) -> tuple[str, ...]:
    """The model stays as it is."""
    return ()


def small_gradients(model: nn.Module, trial: Trial, ground: Ground) -> tuple[str, ...]:
    """A layer whose gradients come a million times smaller."""
    place = ground.layers[trial.variant % len(ground.layers)]
    names = _within(model, place)
    for name in names:
        model.get_parameter(name).register_hook(lambda gradient: TINY * gradient)
    return names


def dead(model: nn.Module, trial: Trial, ground: Ground) -> tuple[str, ...]:
    """A layer that learns nothing any more, as the ground says: by its biases, by a cut, or by zeros on both sides."""
    how, place = ground.dead[trial.variant % len(ground.dead)]
    return _WAYS[how](model, place)


def _biases(model: nn.Module, place: str) -> tuple[str, ...]:
    with torch.no_grad():
        model.get_parameter(f"{place}.bias").fill_(FAR_BELOW)
    return _within(model, place)


def _cut(model: nn.Module, place: str) -> tuple[str, ...]:
    model.get_submodule(place).register_forward_hook(lambda module, given, output: _detached(output))
    return _within(model, place)


def _zeros(model: nn.Module, place: str) -> tuple[str, ...]:
    names = tuple(place.split("+"))
    with torch.no_grad():
        for name in names:
            model.get_parameter(name).zero_()
    return names


_WAYS: dict[str, Callable[[nn.Module, str], tuple[str, ...]]] = {"bias": _biases, "cut": _cut, "zero": _zeros}


def _detached(output: Any) -> Any:
    return output.detach() if isinstance(output, Tensor) else tuple(_detached(each) for each in output)


def _within(model: nn.Module, place: str) -> tuple[str, ...]:
    """The parameters of a module, or the parameter of that name."""
    return tuple(name for name, _ in model.named_parameters() if name == place or name.startswith(f"{place}."))


# --- in a batch ---


def as_it_is(batch: Batch, trial: Trial) -> Batch:
    """The batch stays as it is."""
    return batch


def spike(batch: Batch, trial: Trial) -> Batch:
    """A batch of garbage: inputs a hundred times too large, or targets that belong to nothing."""
    random = torch.Generator().manual_seed(trial.seed)
    inputs, *targets = batch
    if inputs.dtype == torch.int64:  # numbers of symbols, or of rows and columns, which must stay in their range
        return inputs, *(_wild(target, random) for target in targets)
    if trial.variant % 2 == 0 or not targets:
        return (inputs * MANY).to(inputs.dtype), *targets
    return inputs, *(_wild(target, random) for target in targets)


def _wild(target: Tensor, random: torch.Generator) -> Tensor:
    if not target.is_floating_point():
        return torch.randint(0, int(target.max()) + 1, target.shape, generator=random)
    return 1 - target if bool(((target == 0) | (target == 1)).all()) else MANY * target


def not_a_number(batch: Batch, trial: Trial) -> Batch:
    """A batch with one NaN in its first tensor that can hold one; where none can, see `not_a_loss`."""
    place = next((place for place, tensor in enumerate(batch) if tensor.is_floating_point()), None)
    if place is None:
        return batch
    changed = batch[place].clone()
    changed.view(-1)[0] = math.nan
    return *batch[:place], changed, *batch[place + 1 :]


# --- in a loss ---


def loss_as_it_is(loss: Tensor) -> Tensor:
    """The loss stays as it is."""
    return loss


def not_a_loss(loss: Tensor) -> Tensor:
    """NaN, with NaN as its gradient."""
    return math.nan * loss
