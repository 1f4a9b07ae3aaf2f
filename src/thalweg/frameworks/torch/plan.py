"""What a parameter group asks for, in the words of floors 0 to 2: a program, its numbers, and where its state lives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from thalweg.compile.program import Program
from thalweg.compile.trace import trace
from thalweg.rules.peers import Match, defaults, flag_values, match
from thalweg.rules.setting import starts

# Classes that keep no step number: torch's SGD needs to know the first step only, the one without a buffer.
UNCOUNTED = ("SGD",)


@dataclass(frozen=True)
class Plan:
    """How to step the parameters of one group, now.

    Attributes:
        program: What to compute.
        hyper: A number (or a tensor with one) for each hyperparameter.
        keys: For each state of the program its key in torch's `state`.
        initial: What each state starts at.
        counted: Whether torch's state has a "step".
        densify: Whether sparse gradients are taken, as dense ones.
        name: For messages.
    """

    program: Program
    hyper: Mapping[str, Any]
    keys: Mapping[str, str]
    initial: Mapping[str, float]
    counted: bool
    densify: bool
    name: str


def plan_of_class(name: str, group: Mapping[str, Any]) -> Plan:
    """The plan of a group of one of torch's classes: its flags choose the rule, its arguments are the numbers.

    Args:
        name: The class in `torch.optim`.
        group: An entry of `param_groups`.

    Raises:
        InputError: If no rule is this class with these flags.
    """
    found, keys = _found(name, group)
    hyper = found.hyper(group)
    return Plan(
        program=trace(found.rule),
        hyper=hyper,
        keys=keys,
        initial=starts(dict.fromkeys(found.rule.state, 0.0) | dict(found.rule.initial) | found.initial(group), hyper),
        counted=name not in UNCOUNTED,
        densify=name in ("SGD", "Adagrad"),
        name=name,
    )


_matches: dict[tuple, tuple[Match, dict[str, str]]] = {}


def _found(name: str, group: Mapping[str, Any]) -> tuple[Match, dict[str, str]]:
    """The match of a group, remembered by what can change it: a step has no time to search the catalogue."""
    flags = (group.get(flag) == value for flag, value in flag_values("torch", name))
    key = (name, bool(group["weight_decay"]) if "weight_decay" in group else None, group["maximize"], *flags)
    if key not in _matches:
        found = match("torch", name, defaults("torch", name) | dict(group))
        _matches[key] = found, {letter: state for state, letter in found.peer.state.items()}
    return _matches[key]
