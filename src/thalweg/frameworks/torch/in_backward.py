"""Optimizer in backward: each parameter is stepped when its gradient has arrived, and the gradient is freed.

So at no time are all gradients in memory. What a step costs per parameter does not depend on how many others there are.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Self

import torch
from torch import Tensor
from torch._compile import _disable_dynamo
from torch.utils.hooks import RemovableHandle

from thalweg.errors import InputError
from thalweg.formula import Rule
from thalweg.frameworks.torch import scheduled
from thalweg.frameworks.torch.arrivals import Part, Passage, Place, part_of
from thalweg.frameworks.torch.framed import Framed
from thalweg.frameworks.torch.optimizer import Optimizer
from thalweg.frameworks.torch.possible import check_averaged, check_possible
from thalweg.frameworks.torch.rehearsal import is_rehearsal, rehearse
from thalweg.frameworks.torch.step import loss_of, warn_if_lost


class InBackward(Framed):
    """The base of optimizers that step in backward; `in_backward` makes them."""

    _hooks: dict[Tensor, RemovableHandle] | None = None

    @property
    def _passage(self) -> Passage:
        return vars(self).setdefault("_present", Passage())

    @property
    def _parts(self) -> dict[Tensor, Part]:
        return vars(self).setdefault("_made", {})

    @property
    def _step_supports_amp_scaling(self) -> bool:
        """What torch's GradScaler asks before it steps an optimizer."""
        if self._hooks:
            raise InputError(
                "expected no GradScaler, got one: in backward, weights have been stepped with scaled gradients "
                "before it can unscale them; train in bfloat16, or step after backward"
            )
        return self._folds_scale

    @_step_supports_amp_scaling.setter
    def _step_supports_amp_scaling(self, fused: bool) -> None:
        """Torch's constructors set it where `fused=True` was asked for."""

    def attach(self) -> None:
        """Step in backward from here on; `in_backward` does this.

        Raises:
            InputError: If something is asked for that needs all gradients at once, or a parameter cannot be stepped so.
        """
        if self._observer is not None:
            raise InputError(
                "expected an optimizer that nobody watches, got a watched one: in backward no step is seen as a whole, "
                "so close the watcher first"
            )
        check_possible(self.frame, self.param_groups)
        parameters = [x for group in self.param_groups for x in group["params"]]
        for x in parameters:
            _check_free(x)
            check_averaged(x)
        self._hooks = dict(_hooked(parameters, _Arrival(self)))

    @property
    def is_attached(self) -> bool:
        """Whether gradients are used in backward, and gone afterwards."""
        return self._hooks is not None

    def remove(self) -> None:
        """Take the hooks away: gradients stay, and this is an ordinary optimizer that goes on with the same state."""
        with self._turn:
            for handle in (self._hooks or {}).values():
                handle.remove()
            self._hooks = None
            self._parts.clear()
            self._passage.finish()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.remove()

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add a group, whose parameters are stepped in backward too."""
        super().add_param_group(param_group)
        if self._hooks is not None:
            added = self.param_groups[-1]
            try:
                check_possible(self.frame, [added])
                for x in added["params"]:
                    _check_free(x)
                    check_averaged(x)
            except InputError:
                self.param_groups.pop()
                self.schedules.pop()
                raise
            self._hooks |= _hooked(added["params"], _Arrival(self))

    def _arrive(self, x: Tensor) -> None:
        """Step a parameter whose gradient is complete, and free the gradient."""
        with self._turn:
            if x.grad is None or self._hooks is None:
                return
            if self._swapped:
                raise InputError(
                    "expected a backward outside of averaged(), got one within, whose steps would be lost: leave that "
                    "first"
                )
            passage = self._passage
            check_averaged(x)
            if passage.enter(x, self._end):
                scheduled.advance(self)
                passage.begin(self.param_groups, self.plans())
            place = passage.places.get(x)
            if place is not None:  # else it was taken out of its group
                passage.arrived.add(x)
                self._step_one(x, place, passage)
                x.grad = None

    def _step_one(self, x: Tensor, place: Place, passage: Passage) -> None:
        parts = self._parts
        part = parts.get(x)
        if part is None or part.number != place.number:
            part = parts[x] = part_of(self.frame, place.number)
        moved, lost = part.step(x, place, dict.get(self.state, x))
        if x in part.state:
            dict.__setitem__(self.state, x, part.state[x])
        passage.moved += moved
        passage.lost += lost
        self._opt_called = True  # torch's schedulers ask whether a step came before theirs

    def _end(self, task: int) -> None:
        """What happens when a backward() is over."""
        passage = self._passage
        if task != passage.task:
            return
        passage.over = True
        moved, lost, passage.moved, passage.lost = passage.moved, passage.lost, 0, 0
        warn_if_lost(self, moved, lost)

    def _step(self, closure: Callable[[], Any] | None) -> Any:
        if self._hooks is None:
            return super()._step(closure)
        loss = loss_of(closure)
        with self._turn:
            waiting = [x for group in self.param_groups for x in group["params"] if x.grad is not None]
            if is_rehearsal(self):
                rehearse(self)
                return loss
            for x in waiting:
                self._arrive(x)
            self._end(self._passage.task)
            self._passage.finish()
        return loss

    def look(self) -> int:
        """Not possible in backward, where gradients are gone when anybody could look at them."""
        return super().look() if self._hooks is None else int(self._step_supports_amp_scaling)

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), "attached": self._hooks is not None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        attached = state.get("attached", False)  # absent when torch calls this to take over a state dict
        super().__setstate__({name: value for name, value in state.items() if name != "attached"})
        if attached:
            self.attach()

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[type], dict[str, Any]]:
        base = next(c for c in type(self).__mro__ if not issubclass(c, InBackward))
        return _blank, (base,), self.__getstate__()


class _Arrival:
    """The hook: what torch calls with a parameter whose gradient is complete."""

    def __init__(self, optimizer: InBackward) -> None:
        self.optimizer = optimizer

    def __call__(self, x: Tensor) -> None:
        arrive = _arrive_uncompiled if "torch._dynamo" in sys.modules else InBackward._arrive
        arrive(self.optimizer, x)


_arrive_uncompiled = _disable_dynamo(InBackward._arrive)


@functools.cache
def derived(base: type[Framed]) -> type[InBackward]:
    """The class of optimizers like `base` that step in backward.

    Example:
        >>> derived(Optimizer).__name__
        'OptimizerInBackward'
    """
    return type(f"{base.__name__}InBackward", (InBackward, base), {"__doc__": base.__doc__})


def _blank(base: type[Framed]) -> InBackward:
    """An optimizer that is about to be unpickled."""
    cls = derived(base)
    return cls.__new__(cls)


def in_backward(
    parameters: torch.nn.Module | Iterable[Any], optimizer: type[Framed] | str | Rule, **arguments: Any
) -> InBackward:
    """An optimizer that steps each parameter within `backward()`, when its gradient has arrived, and frees that.

    Weights, state and checkpoints are to the last bit those of the ordinary optimizer that steps after `backward()`,
    and a checkpoint of one may be loaded by the other. Every `backward()` is a step: a loop needs no `step()` and no
    `zero_grad()`, and schedulers are stepped as always. `step()` steps only what still has a gradient, which after a
    `backward()` is nothing; it does no harm. A weight that is used several times in a model is stepped once, when all
    its parts have come together. Gradients cannot be accumulated over several `backward()`, and weights move before
    anybody could look at the gradients of all of them: arguments that need that are refused, and so is a GradScaler.
    Step hooks run where `step()` is called.

    Args:
        parameters: A module, of which the names are kept too, or what any torch optimizer takes.
        optimizer: A class of `thalweg.torch`, or a rule as `thalweg.torch.Optimizer` takes it.
        arguments: Of that class.

    Returns:
        A `torch.optim.Optimizer`. Its `remove()`, or the end of a `with` block, takes the hooks away: from there on it
        is an ordinary optimizer with the same state.

    Raises:
        InputError: If an argument needs all gradients at once (`clip_norm`, `nonfinite`), a parameter is stepped in
            backward already, or it is not sharded while several processes train together; within `backward()`, if it
            runs within `averaged()`.

    Example:
        >>> from thalweg.torch import SGD
        >>> layer = torch.nn.Linear(1, 1, bias=False)
        >>> _ = torch.nn.init.ones_(layer.weight)
        >>> with in_backward(layer, SGD, lr=0.25) as optimizer:
        ...     layer(torch.ones(1)).sum().backward()
        >>> layer.weight.item(), layer.weight.grad
        (0.75, None)
    """
    given = parameters.named_parameters() if isinstance(parameters, torch.nn.Module) else parameters
    if isinstance(optimizer, type):
        if not issubclass(optimizer, Framed):
            raise InputError(
                f"expected a class of thalweg.torch or the name of a rule, got {optimizer.__module__}."
                f"{optimizer.__name__}: take thalweg.torch's class of that name"
            )
        made = derived(optimizer)(given, **arguments)
    else:
        made = derived(Optimizer)(given, rule=optimizer, **arguments)
    made.attach()
    return made


def _check_free(x: Tensor) -> None:
    """Refuse a parameter that gets no gradient of its own, or whose gradient somebody else frees."""
    if not x.is_leaf:
        raise InputError(
            "expected parameters that are leaves, got a computed tensor: detach it, or step after backward"
        )
    if any(isinstance(hook, _Arrival) for hook in (getattr(x, "_post_accumulate_grad_hooks", None) or {}).values()):
        raise InputError(
            "expected parameters that no other optimizer steps in backward, got one of shape "
            f"{tuple(x.shape)}: call that optimizer's remove() first"
        )


def _hooked(parameters: Iterable[Tensor], hook: Callable[[Tensor], None]) -> Iterator[tuple[Tensor, RemovableHandle]]:
    """Hook parameters; frozen ones too, for they may be thawed later."""
    for x in parameters:
        if not (x.is_floating_point() or x.is_complex()):
            continue
        frozen = not x.requires_grad
        handle = x.requires_grad_().register_post_accumulate_grad_hook(hook)
        yield x, handle
        if frozen:
            x.requires_grad_(False)
