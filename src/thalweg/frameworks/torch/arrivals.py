"""Gradients that arrive one by one: which step each belongs to, and how one parameter is stepped by itself."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import torch
from torch import Tensor

from thalweg.frameworks.torch.book import Book
from thalweg.frameworks.torch.frame import Frame
from thalweg.frameworks.torch.plan import Plan
from thalweg.frameworks.torch.step import step_model

WEYL = 0x9E3779B97F4A7C15  # what SplitMix64 adds to a seed
NEVER = -2  # older than every backward(); torch says -1 outside of one


class Place(NamedTuple):
    """Where a parameter stands in its optimizer: its position, its group, and how that is stepped now."""

    number: int
    group: dict[str, Any]
    plan: Plan


@dataclass
class Part:
    """One parameter as an optimizer of its own, in whose place it is stepped."""

    number: int
    frame: Frame
    param_groups: list[dict[str, Any]] = field(default_factory=list)
    state: dict[Tensor, dict[str, Any]] = field(default_factory=dict)
    skipped: int = 0
    _book: Book | None = None
    _looked: None = None

    def step(self, x: Tensor, place: Place, known: dict[str, Any] | None) -> tuple[int, int]:
        """Step the parameter.

        Args:
            x: It.
            place: Where it stands.
            known: Its state in the optimizer; None before its first step. Afterwards it is in `state`.

        Returns:
            How many 16-bit weights should have moved, and how many of them rounding kept where they were.
        """
        self.param_groups = [{**place.group, "params": [x]}]
        if known is None:
            self.state.clear()
        elif self.state.get(x) is not known:
            self.state[x] = known
        with torch.no_grad():
            stepped = step_model(self, [place.plan])
        return (stepped.moved, stepped.lost) if stepped else (0, 0)


def part_of(frame: Frame, number: int) -> Part:
    """A parameter at a position of an optimizer with this frame; its gradient is freed, so it need not be zeroed."""
    return Part(number, replace(frame, zero_grad=False, seed=seed_of(frame.seed, number)))


@dataclass
class Passage:
    """How far the present step has come.

    Attributes:
        places: Where each parameter stood when the step began.
        arrived: The parameters that have been stepped.
        over: Whether the step's backward() has ended.
        task: torch's number of the outermost backward() of this step; checkpoints may run others within.
        newest: The highest number of them so far.
        moved: How many 16-bit weights should have moved, and
        lost: how many of those rounding kept where they were.
    """

    places: dict[Tensor, Place] = field(default_factory=dict)
    arrived: set[Tensor] = field(default_factory=set)
    over: bool = True
    task: int = NEVER
    newest: int = NEVER
    moved: int = 0
    lost: int = 0

    def enter(self, x: Tensor, end: Callable[[int], None]) -> bool:
        """Note the arrival of a gradient.

        Args:
            x: Its parameter.
            end: Is called with the number of a backward() when that is over.

        Returns:
            Whether a step begins with it.
        """
        task = torch._C._current_graph_task_id()
        begins = x in self.arrived or (self.over and task > self.newest)
        if task > self.newest and task >= 0:
            torch.autograd.Variable._execution_engine.queue_callback(functools.partial(end, task))
        self.task = task if begins or self.over else min(task, self.task)
        self.newest, self.over = max(self.newest, task), False
        return begins

    def begin(self, groups: list[dict[str, Any]], plans: list[Plan]) -> None:
        """Note where the parameters stand as a step begins."""
        self.arrived.clear()
        flat = ((x, group, plan) for group, plan in zip(groups, plans, strict=True) for x in group["params"])
        self.places = {x: Place(number, group, plan) for number, (x, group, plan) in enumerate(flat)}

    def finish(self) -> None:
        """End the step: the next gradient begins another."""
        self.over, self.newest = True, NEVER


def seed_of(seed: int, number: int) -> int:
    """The seed with which an optimizer's only parameter draws what parameter `number` draws with `seed`.

    Example:
        >>> import numpy as np
        >>> from thalweg.sweep.cpu import keys
        >>> keys(seed_of(3, 7), np.array([0]), np.array([5])) == keys(3, np.array([7]), np.array([5]))
        array([ True])
    """
    return (((seed + WEYL) ^ number) - WEYL) % 2**64
