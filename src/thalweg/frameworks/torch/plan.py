"""What a parameter group asks for, in the words of floors 0 to 2: a program, its numbers, and where its state lives."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from torch import Tensor

from thalweg.compile.program import Program
from thalweg.compile.trace import trace
from thalweg.formula import Rule
from thalweg.frameworks.torch.frame import Frame
from thalweg.rules.peers import Match, defaults, flag_values, match
from thalweg.sweep.gpu import is_on_gpu

# Classes that keep no step number: torch's SGD needs to know the first step only, the one without a buffer.
UNCOUNTED = ("SGD",)
# Types of what stands in almost every group. Asking for them all at once is faster than asking each for a tensor.
ORDINARY = frozenset((float, int, bool, str, list, tuple, type(None)))


@dataclass(frozen=True, eq=False)
class Recipe:
    """What stays the same as long as a group's flags do.

    Attributes:
        rule: What to compute, decay included, without the frame.
        keys: For each state of the rule its key in torch's `state`.
        initial: What each state starts at: a number, or the hyperparameter or the group's entry that says it.
        counted: Whether torch's state has a "step".
        name: For messages.
    """

    rule: Rule
    keys: Mapping[str, str]
    initial: Mapping[str, float | str]
    counted: bool
    name: str

    def framed(self, frame: Frame, with_scale: bool) -> Recipe:
        """The recipe with a frame's formulas around its rule, always the same one for the same formulas."""
        stochastic = frame.rounding == "stochastic"
        key = (with_scale, frame.clip_value is not None, frame.ema is not None, stochastic)
        if key not in self._framed:
            self._framed[key] = self._around(frame, with_scale)
        return self._framed[key]

    @functools.cached_property
    def _framed(self) -> dict[tuple[bool, ...], Recipe]:
        return {}

    def _around(self, frame: Frame, with_scale: bool) -> Recipe:
        rule = frame.around(self.rule, with_scale)
        added = {state: state for state in rule.state if state not in self.rule.state}
        initial = {**self.initial, **{state: rule.initial[state] for state in added}}
        counted = self.counted or frame.rounding == "stochastic"  # whose random bits depend on the step
        return Recipe(rule, {**self.keys, **added}, initial, counted, self.name)

    @functools.cached_property
    def program(self) -> Program:
        """The traced rule."""
        return trace(self.rule)

    @functools.cached_property
    def array_keys(self) -> tuple[str, ...]:
        """The keys of the states that are arrays, in the program's order."""
        return tuple(self.keys[state] for state in self.program.inputs[2:])

    @functools.cached_property
    def scalar_keys(self) -> tuple[str, ...]:
        """The keys of the states that are one number, in the program's order."""
        return tuple(self.keys[state] for state in self.program.scalar_state)


class Plan(NamedTuple):
    """How to step the parameters of one group, now: a recipe, and a number (or a tensor) for each hyperparameter."""

    recipe: Recipe
    hyper: dict[str, Any]


def plan_of_class(name: str, group: Mapping[str, Any]) -> Plan:
    """The plan of a group of one of torch's classes: its flags choose the rule, its arguments are the numbers.

    Args:
        name: The class in `torch.optim`.
        group: An entry of `param_groups`.

    Raises:
        InputError: If no rule is this class with these flags.
    """
    flat = group if ORDINARY.issuperset(map(type, group.values())) else _with_choices(group)
    flags = [flat.get(flag) == value for flag, value in flag_values("torch", name)]
    key = (name, bool(flat.get("weight_decay")), flat.get("maximize"), *flags)
    known = _recipes.get(key)
    if known is None:
        known = _recipes[key] = _recipe(name, defaults("torch", name) | dict(flat))
    found, recipe = known
    return Plan(recipe, numbers_of(found.hyper(group), group))


def _with_choices(group: Mapping[str, Any]) -> dict[str, Any]:
    """A group in which a tensor is the number that chooses."""
    return {name: _chooses(value) if isinstance(value, Tensor) else value for name, value in group.items()}


def _chooses(tensor: Tensor) -> float:
    """The number in a tensor as it chooses among rules; a zero whose gradient is wanted does not switch decay off.

    Nor does one on a GPU, for which everybody would have to wait.
    """
    if is_on_gpu(tensor):
        return math.nan
    number = tensor.item()
    return math.nan if tensor.requires_grad and number == 0 else number


def numbers_of(hyper: dict[str, Any], group: Mapping[str, Any]) -> dict[str, Any]:
    """The numbers in a group's hyperparameters; in a differentiable group, and on a GPU, tensors stay what they are."""
    if ORDINARY.issuperset(map(type, hyper.values())) or group.get("differentiable"):
        return hyper
    return {name: _number(value) for name, value in hyper.items()}


def _number(value: Any) -> Any:
    return value.item() if isinstance(value, Tensor) and not is_on_gpu(value) else value


# By everything that can change the match: a step has no time to search the catalogue.
_recipes: dict[tuple, tuple[Match, Recipe]] = {}


def _recipe(name: str, arguments: Mapping[str, Any]) -> tuple[Match, Recipe]:
    found = match("torch", name, arguments)
    recipe = Recipe(
        rule=found.rule,
        keys={letter: state for state, letter in found.peer.state.items()},
        initial={**found.rule.every_start, **found.peer.initial},
        counted=name not in UNCOUNTED,
        name=name,
    )
    return found, recipe
