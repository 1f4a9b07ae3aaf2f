"""torch's optimizers under torch's names.

Each class is torch's own, so that arguments, defaults, refusals, parameter groups, hooks and the layout of `state_dict`
are torch's by construction; only the step is Thalweg's: the flags choose a rule, and its fused kernel does the rest.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, ClassVar

import torch

from thalweg.frameworks.torch.centered import with_square_average, with_variance
from thalweg.frameworks.torch.plan import plan_of_class
from thalweg.frameworks.torch.step import loss_of, step_group


@functools.cache
def torch_name(optimizer: type[torch.optim.Optimizer]) -> str:
    """The class of `torch.optim` that a class is or is derived from.

    Example:
        >>> torch_name(Adam)
        'Adam'
    """
    return next(c.__name__ for c in optimizer.__mro__ if c.__module__.startswith("torch.optim."))


def take_step(self: torch.optim.Optimizer, closure: Callable[[], Any] | None = None) -> Any:
    """Step every parameter once.

    Args:
        self: One of the classes below.
        closure: Evaluates the model again and returns the loss; optional.

    Returns:
        The closure's loss, or None.
    """
    loss = loss_of(closure)
    name = torch_name(type(self))
    with torch.set_grad_enabled(bool(self.defaults.get("differentiable"))):
        for group in self.param_groups:
            step_group(self, group, plan_of_class(name, group))
    return loss


class Unscaled:
    """Always False, whatever torch's constructor sets, so that its GradScaler unscales before the step."""

    def __get__(self, instance: Any, owner: type) -> bool:
        return False

    def __set__(self, instance: Any, value: bool) -> None:
        return None


class SGD(torch.optim.SGD):
    """torch's SGD: `sgd`, `momentum`, `momentum_dampened` or `nesterov`, with L2 where asked.

    Example:
        >>> w = torch.ones(2, requires_grad=True)
        >>> optimizer = SGD([w], lr=0.1, momentum=0.9)
        >>> (w**2).sum().backward()
        >>> optimizer.step()
        >>> w.detach()
        tensor([0.8000, 0.8000])
    """

    step = take_step
    _step_supports_amp_scaling: ClassVar = Unscaled()


class Adagrad(torch.optim.Adagrad):
    """torch's Adagrad: `adagrad`, or `adagrad_lr_decay` where asked, with L2 where asked."""

    step = take_step
    _step_supports_amp_scaling: ClassVar = Unscaled()


class Rprop(torch.optim.Rprop):
    """torch's Rprop: `irprop_minus`. Meant for full batches."""

    step = take_step


class RMSprop(torch.optim.RMSprop):
    """torch's RMSprop: `rmsprop`, `rmsprop_momentum`, `rmsprop_centered` or `rmsprop_centered_momentum`.

    Centered, torch subtracts two averages and turns to NaN on nearly constant gradients; here the variance itself is
    kept (`state["variance"]`), which cannot become negative. `state_dict()` holds torch's `square_avg` too.
    """

    step = take_step

    def state_dict(self) -> dict[str, Any]:
        """The state in torch's layout."""
        return with_square_average(super().state_dict())

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Take over a state, of torch's RMSprop or of this one; torch comes by here when it loads or unpickles."""
        super().__setstate__(state)
        for x, entry in self.state.items():
            self.state[x] = with_variance(entry)


class Adadelta(torch.optim.Adadelta):
    """torch's Adadelta: `adadelta`."""

    step = take_step


class Adam(torch.optim.Adam):
    """torch's Adam: `adam` or `amsgrad`, with L2 or decoupled decay where asked."""

    step = take_step
    _step_supports_amp_scaling: ClassVar = Unscaled()


class AdamW(torch.optim.AdamW):
    """torch's AdamW: `adamw`, or `decoupled(amsgrad)` where asked."""

    step = take_step
    _step_supports_amp_scaling: ClassVar = Unscaled()
