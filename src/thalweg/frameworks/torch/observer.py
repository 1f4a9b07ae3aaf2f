"""Who watches an optimizer's steps: what it is asked and told, and how it is attached to one of Thalweg's."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np

from thalweg.errors import InputError
from thalweg.frameworks.torch.decision import scaler_of
from thalweg.frameworks.torch.framed import Framed
from thalweg.frameworks.torch.in_backward import InBackward


class Observer(Protocol):
    """What an optimizer calls in each step, while no other thread steps it.

    An observer may read everything, must change nothing, and leaves nothing for autograd to record. A step that torch
    rehearses (its checkpoints do, to have the state made), and one within `make_fx` or a dispatch mode such as
    `FakeTensorMode`, is not told of.
    """

    def evaluated(self, loss: Any) -> None:
        """The closure of the step that begins has returned, before anything else; not called where there is none."""
        ...

    def before(self) -> bool:
        """The step will be taken: closure and schedules are done, gradients final, and no weight has been touched.

        Under `thalweg.torch.GradScaler` the gradients in `x.grad` are still scaled: see `inverse_scale`.

        Returns:
            Whether `after` wants the sums of this step.
        """
        ...

    def after(self, sums: np.ndarray | None) -> None:
        """The step has been taken; gradients are what they were, or zero if the optimizer was made with `zero_grad`.

        Args:
            sums: For each parameter, in the order of the groups, a row of four float64: the sums over its elements of
                the squared gradient, the squared weight before the step, the squared change of the weight as it is
                stored, and the product of change and gradient. The gradient is what came, before any clipping, decay
                or `maximize`, and without a GradScaler's scale. Complex numbers count as two elements. NaN in a row
                whose parameter was not stepped. Of a DTensor the sums are over the part that this process has. None if
                `before` wanted none.
        """
        ...

    def skipped(self) -> None:
        """The step is left out because of infinite or NaN gradients, which are still as they came.

        With `nonfinite="raise"` the error follows. Where torch's own GradScaler leaves a step out it calls nobody.
        """
        ...


def framed_of(optimizer: Any) -> Framed | None:
    """Thalweg's optimizer that an optimizer is or, as Lightning's and Accelerate's, stands for; None if there is none.

    Example:
        >>> import torch
        >>> from thalweg.torch import SGD
        >>> ours = SGD([torch.zeros(1, requires_grad=True)])
        >>> framed_of(ours) is ours, framed_of(torch.optim.SGD(ours.param_groups))
        (True, None)
    """
    while optimizer is not None and not (isinstance(optimizer, Framed) and "frame" in vars(optimizer)):
        optimizer = getattr(optimizer, "optimizer", None)
    return optimizer


def observe(optimizer: Framed, observer: Observer) -> Callable[[], None]:
    """Have an observer called in each step of an optimizer, from the next one on.

    It is not saved, and neither copies of the optimizer nor loaded ones have it.

    Args:
        optimizer: As `framed_of` gives it.
        observer: Who watches.

    Returns:
        What ends it; calling that twice does no harm.

    Raises:
        InputError: If somebody watches the optimizer already, or it steps in backward.

    Example:
        >>> import torch
        >>> from thalweg.torch import SGD
        >>> class Printing:
        ...     def before(self):
        ...         return True
        ...     def after(self, sums):
        ...         print(sums.tolist())
        ...     def skipped(self):
        ...         print("skipped")
        >>> w = torch.full((3,), 2.0, requires_grad=True)
        >>> optimizer = SGD([w], lr=0.5)
        >>> end = observe(optimizer, Printing())
        >>> w.sum().backward()
        >>> optimizer.step()
        [[3.0, 12.0, 0.75, -1.5]]
        >>> end()
    """
    if isinstance(optimizer, InBackward) and optimizer.is_attached:
        raise InputError(
            "expected an optimizer that steps after backward, got one that steps in backward, where no step is seen as "
            "a whole: make it without in_backward to watch it, or call its remove()"
        )
    if optimizer._observer is not None:
        raise InputError("expected an optimizer that nobody watches yet, got a watched one: close that watcher first")
    optimizer._observer = observer
    reference = weakref.ref(optimizer)  # what ends it keeps no optimizer alive

    def end() -> None:
        watched = reference()
        if watched is not None and watched._observer is observer:
            watched._observer = None

    return end


def inverse_scale(optimizer: Framed) -> float:
    """What the gradients in `x.grad` are to be multiplied by within a step to be the loss's own; 1 without a scaler."""
    scale = scaler_of(optimizer).scale
    return 1.0 if scale is None else scale
