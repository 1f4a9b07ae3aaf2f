"""What a parameter group asks for, in the words of floors 0 to 2: a program, its numbers, and where its state lives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from thalweg.compile.program import Program
from thalweg.compile.trace import trace
from thalweg.rules.peers import Match, defaults, flag_values, match

# Classes that keep no step number: torch's SGD needs to know the first step only, the one without a buffer.
UNCOUNTED = ("SGD",)


@dataclass(frozen=True)
class Recipe:
    """What stays the same as long as a group's flags do.

    Attributes:
        program: What to compute.
        keys: For each state of the program its key in torch's `state`.
        initial: What each state starts at: a number, or the hyperparameter or the group's entry that says it.
        counted: Whether torch's state has a "step".
        densify: Whether sparse gradients are taken, as dense ones.
        name: For messages.
    """

    program: Program
    keys: Mapping[str, str]
    initial: Mapping[str, float | str]
    counted: bool
    densify: bool
    name: str


class Plan(NamedTuple):
    """How to step the parameters of one group, now: a recipe, and a number (or a tensor) for each hyperparameter."""

    recipe: Recipe
    hyper: Mapping[str, Any]


def plan_of_class(name: str, group: Mapping[str, Any]) -> Plan:
    """The plan of a group of one of torch's classes: its flags choose the rule, its arguments are the numbers.

    Args:
        name: The class in `torch.optim`.
        group: An entry of `param_groups`.

    Raises:
        InputError: If no rule is this class with these flags.
    """
    flags = (group.get(flag) == value for flag, value in flag_values("torch", name))
    key = (name, bool(group.get("weight_decay")), group.get("maximize"), *flags)
    if key not in _recipes:
        _recipes[key] = _recipe(name, defaults("torch", name) | dict(group))
    found, recipe = _recipes[key]
    return Plan(recipe, found.hyper(group))


# By everything that can change the match: a step has no time to search the catalogue.
_recipes: dict[tuple, tuple[Match, Recipe]] = {}


def _recipe(name: str, arguments: Mapping[str, Any]) -> tuple[Match, Recipe]:
    found = match("torch", name, arguments)
    recipe = Recipe(
        program=trace(found.rule),
        keys={letter: state for state, letter in found.peer.state.items()},
        initial={**found.rule.every_start, **found.peer.initial},
        counted=name not in UNCOUNTED,
        densify=name in ("SGD", "Adagrad"),
        name=name,
    )
    return found, recipe
