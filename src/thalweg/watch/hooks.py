"""How the steps of an optimizer are seen: Thalweg's tell of them, and torch has hooks around everybody's.

A hook holds the watch, and the watch holds the optimizer by a weak reference only: neither keeps the other alive.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any, Protocol

import torch
from torch._compile import _disable_dynamo

from thalweg.frameworks.torch.framed import Framed
from thalweg.frameworks.torch.memory import overseen
from thalweg.frameworks.torch.observer import Observer, observe

Base = torch.optim.Optimizer


class Watching(Observer, Protocol):
    """An observer who says in advance what it does not want to know."""

    def idle(self) -> int:
        """How many steps may pass of which nothing is to be read."""
        ...

    def passed(self) -> None:
        """One of them has."""
        ...


class Steps:
    """An optimizer's steps, told to an observer by hooks around them.

    Attributes:
        observer: Who is told.
        is_ended: Whether nobody is to be told any more.
    """

    def __init__(self, observer: Watching, optimizer: type) -> None:
        self.observer = observer
        self._may_nest = sum("step" in vars(each) for each in optimizer.__mro__ if each is not Base) > 1
        self._open = self._begun = self.is_ended = False
        self._idle = 0  # steps to come of which the observer need not be asked: what it costs to ask adds up
        self._handles: tuple[Any, ...] = ()

    def hook(self, optimizer: Any) -> None:
        """Be called around its steps from now on."""
        self._handles = (
            optimizer.register_step_pre_hook(self.enter),
            optimizer.register_step_post_hook(self.leave),
        )

    def end(self) -> None:
        """Be called no more; torch goes through its hooks within a step, and none may go then."""
        self.is_ended, self._idle = True, 0
        if not self._open:
            for handle in self._handles:
                handle.remove()

    def enter(self, optimizer: Any, arguments: tuple, named: dict[str, Any]) -> tuple[tuple, dict[str, Any]] | None:
        """Before a step; where that has a closure, which makes the gradients, after its first call."""
        if torch.compiler.is_compiling():
            return _enter_uncompiled(self, optimizer, arguments, named)
        if self._idle and len(arguments) == 1 and not named:
            self._open = self._begun = True
            return None
        self._idle = 0
        if self.is_ended or (self._may_nest and _is_within_step(optimizer)):
            return None
        self._open, self._begun = not overseen(), False
        if not self._open:
            return None
        closure = closure_of(arguments, named)
        if closure is None:
            self._begin()
            return None
        return with_closure(arguments, named, self._first(closure))

    def leave(self, optimizer: Any, arguments: tuple, named: dict[str, Any]) -> None:
        """After a step."""
        if torch.compiler.is_compiling():
            _leave_uncompiled(self, optimizer, arguments, named)
        elif self._idle:
            self._open, self._idle = False, self._idle - 1
            self.observer.passed()
        elif self._begun and not (self._may_nest and _is_within_step(optimizer)):
            self._begun = False
            self.observer.after(None)
            self._open, self._idle = False, 0 if self._may_nest else self.observer.idle()
            if self.is_ended:  # within this step, in which torch is still going through the hooks behind it
                self._handles[0].remove()

    def _first(self, closure: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(closure)
        def called(*arguments: Any, **named: Any) -> Any:
            loss = closure(*arguments, **named)
            if self._open and not self._begun:
                self.observer.evaluated(loss)
                self._begin()
            return loss

        return called

    def _begin(self) -> None:
        self._begun = True
        self.observer.before()


# What torch's compiler cannot trace it leaves out of its graph, and goes on behind it.
_enter_uncompiled = _disable_dynamo(Steps.enter)
_leave_uncompiled = _disable_dynamo(Steps.leave)


def follow(optimizer: Any, observer: Watching) -> Callable[[], None]:
    """Tell an observer of an optimizer's steps.

    Args:
        optimizer: Not wrapped.
        observer: Who is told.

    Returns:
        What ends it.

    Raises:
        InputError: If somebody watches the optimizer already, or its steps cannot be seen.
    """
    if isinstance(optimizer, Framed):
        return observe(optimizer, observer)
    steps = Steps(observer, type(optimizer))
    steps.hook(optimizer)
    return steps.end


def closure_of(arguments: tuple, named: dict[str, Any]) -> Callable[[], Any] | None:
    """The closure among the arguments of a step, of which the first is the optimizer."""
    given = arguments[1] if len(arguments) > 1 else named.get("closure")
    return given if callable(given) else None


def with_closure(arguments: tuple, named: dict[str, Any], closure: Callable[[], Any]) -> tuple[tuple, dict[str, Any]]:
    """The same arguments with another closure."""
    if len(arguments) > 1:
        return (arguments[0], closure, *arguments[2:]), named
    return arguments, {**named, "closure": closure}


def is_followed(optimizer: Any) -> bool:
    """Whether somebody is told of an optimizer's steps."""
    if isinstance(optimizer, Framed):
        return optimizer._observer is not None
    hooks = optimizer._optimizer_step_pre_hooks.values()
    owners = (getattr(hook, "__self__", None) for hook in hooks)
    return any(isinstance(owner, Steps) and not owner.is_ended for owner in owners)


def _is_within_step(optimizer: Any) -> bool:
    """Whether this hook belongs to a step that a subclass's step calls: torch has hooks around both."""
    hooked = sum(hasattr(vars(each).get("step"), "hooked") for each in type(optimizer).__mro__)
    if hooked < 2:
        return False
    frame: FrameType | None = sys._getframe(2)  # the hook's caller is the step that it belongs to
    found = 0
    while frame is not None:
        found += frame.f_code.co_name == "wrapper" and frame.f_locals.get("self") is optimizer
        frame = frame.f_back
    return found > 1
