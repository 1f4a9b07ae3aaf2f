"""`Optimizer`: any rule of the catalogue, or a rule of one's own, as a torch optimizer."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from thalweg.compile.trace import trace
from thalweg.errors import InputError
from thalweg.formula import Rule
from thalweg.frameworks.torch import scheduled
from thalweg.frameworks.torch.flags import check_flags
from thalweg.frameworks.torch.frame import NAMES, frame_of
from thalweg.frameworks.torch.framed import Framed
from thalweg.frameworks.torch.plan import Plan, Recipe, numbers_of
from thalweg.frameworks.torch.watched import Watched
from thalweg.rules import RULES
from thalweg.rules.decay import ascent
from thalweg.rules.hyper import checked
from thalweg.rules.peers import classes, defaults
from thalweg.rules.setting import Setting, find_rule, in_catalogue, resolve, setting


class Optimizer(Framed):
    """Any rule as a `torch.optim.Optimizer`.

    Hyperparameters carry the rule's letters and live in `param_groups`, where schedulers find them; the state of a
    parameter holds `step` and the rule's state letters.

    Args:
        params: Parameters or parameter groups, as for any torch optimizer; a group may set hyperparameters of its own.
        rule: A name of the catalogue, wrappers included (`"decoupled(rmsprop)"`), a lower-case torch class whose
            flags are given (`"sgd", momentum=0.9`), or a `Rule`.
        initial: What states start at, where that is not what the rule says: `{"s": 0.1}`.
        maximize: Whether to climb: the rule becomes `ascent(rule)`, and is saved under that name.
        differentiable: Whether gradients flow through `step` to the weights before, the gradients, the state and those
            hyperparameters that are given as tensors.
        foreach: As in torch, where it chooses among implementations; here all are one.
        capturable: As in torch: whether step numbers live on the parameters' device. Where Triton steps them on a GPU
            they do in any case.
        fused: As in torch, where it chooses among implementations; sparse gradients are refused with it.
        hyper: The rule's hyperparameters, numbers, schedules or tensors with one number; those not given have the
            rule's defaults. And the arguments of `Frame`.

    Raises:
        InputError: If the rule or an argument is unknown, a number outside its range, or two arguments contradict each
            other.
        FormulaError: If a rule of one's own breaks the formula language.

    Example:
        >>> w = torch.ones(2, requires_grad=True)
        >>> optimizer = Optimizer([w], rule="nesterov", lr=0.1, mu=0.5)
        >>> (w**2).sum().backward()
        >>> optimizer.step()
        >>> w.detach()
        tensor([0.7000, 0.7000])
    """

    _recipe: Recipe | None = None  # made when first needed, and not pickled

    def __init__(
        self,
        params: Any,
        rule: str | Rule = "adam",
        *,
        initial: Mapping[str, float] | None = None,
        maximize: bool = False,
        differentiable: bool = False,
        foreach: bool | None = None,
        capturable: bool = False,
        fused: bool | None = None,
        **hyper: Any,
    ) -> None:
        self.frame = frame_of({name: hyper.pop(name) for name in NAMES if name in hyper})
        flags = {"foreach": foreach, "capturable": capturable, "differentiable": differentiable, "fused": fused}
        check_flags(self.frame, flags | {"maximize": maximize})
        chosen = _with_tensors(rule, hyper, initial or {})
        if maximize:
            chosen = replace(chosen, rule=ascent(chosen.rule))
        self._defaults, numbers = scheduled.split(chosen.hyper)
        self.schedules = []
        if chosen.rule.point is not None:
            raise InputError(
                f"rule '{chosen.rule.name}' wants its gradient at another point than the parameters, which torch does "
                "not give: use 'nesterov', the same method in other variables"
            )
        if "step" in chosen.rule.state:
            raise InputError(
                f"rule '{chosen.rule.name}' has a state 'step', where torch counts steps: choose another letter"
            )
        self.rule, self.initial = chosen.rule, chosen.initial
        torch.optim.Optimizer.__init__(self, params, {"rule": chosen.rule.name, **numbers, **flags})
        self.state = Watched(dict, self.state)

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add a group; its own hyperparameters are checked as the constructor's are, a user's own entries are kept."""
        _, numbers = scheduled.split(param_group) if isinstance(param_group, dict) else ({}, {})
        own = {k: v for k, v in numbers.items() if k in self.rule.hyper or k in hyper_names()}
        checked(self.rule, {k: plain(v) for k, v in own.items()})
        super().add_param_group(param_group)

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over a state of the same rule.

        Raises:
            InputError: If the state is another rule's.
        """
        for group in state_dict["param_groups"]:
            if group.get("rule") != self.rule.name:
                raise InputError(
                    f"expected the state of rule '{self.rule.name}', got that of {group.get('rule')!r}: "
                    "make the optimizer with the rule that the state was saved with"
                )
        super().load_state_dict(state_dict)

    def plan(self, group: dict[str, Any]) -> Plan:
        """The rule with a group's numbers."""
        if self._recipe is None:
            letters = {letter: letter for letter in self.rule.state}
            self._recipe = Recipe(self.rule, letters, self.initial, True, f"rule '{self.rule.name}'")
        return Plan(self._recipe, numbers_of({name: group[name] for name in self.rule.hyper}, group))

    def __getstate__(self) -> dict[str, Any]:
        rule = self.rule.name if in_catalogue(self.rule) else self.rule
        return {**super().__getstate__(), "rule": rule, "initial": dict(self.initial)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        if isinstance(state.get("rule"), str):  # absent when torch calls this to take over a state dict
            state = {**state, "rule": find_rule(state["rule"])}
        super().__setstate__(state)


@functools.cache
def hyper_names() -> frozenset[str]:
    """Every name that means a hyperparameter somewhere: in a group of a rule without it, it is a mistake.

    Example:
        >>> {"beta1", "momentum"} <= hyper_names(), "name" in hyper_names()
        (True, False)
    """
    letters = {letter for rule in RULES.values() for letter in rule.hyper}
    return frozenset(letters | {name for cls in classes("torch").values() for name in defaults("torch", cls)})


class Held:
    """A tensor with one number, as a hyperparameter that the catalogue leaves as it is: in every step that number."""

    def __init__(self, tensor: Tensor) -> None:
        self.tensor = tensor

    def __call__(self, t: int) -> float:
        """The number in the tensor."""
        return plain(self.tensor)


def plain(value: Any) -> Any:
    """The number in a tensor; anything else as it is.

    Raises:
        InputError: If the tensor holds more than one.

    Example:
        >>> plain(torch.tensor(0.5)), plain(0.1)
        (0.5, 0.1)
    """
    if isinstance(value, (tuple, list)):
        return type(value)(map(plain, value))
    if not isinstance(value, Tensor):
        return value
    if value.numel() != 1:
        raise InputError(
            f"expected a hyperparameter to be one number, got a tensor of shape {tuple(value.shape)}: give a tensor "
            "with one element, and parameters that want another number in a group of their own"
        )
    return value.item()


def _with_tensors(rule: str | Rule, hyper: Mapping[str, Any], initial: Mapping[str, float]) -> Setting:
    """The setting that was asked for, in which the hyperparameters that were given as tensors are these tensors."""
    chosen = _chosen(rule, {name: plain(value) for name, value in hyper.items()}, initial)
    if all(plain(value) is value for value in hyper.values()):
        return chosen
    held = _chosen(rule, {name: _held(value) for name, value in hyper.items()}, initial)
    return replace(held, hyper={k: v.tensor if isinstance(v, Held) else v for k, v in held.hyper.items()})


def _held(value: Any) -> Any:
    if isinstance(value, (tuple, list)):
        return type(value)(map(_held, value))
    return Held(value) if isinstance(value, Tensor) else value


def _chosen(rule: str | Rule, hyper: Mapping[str, Any], initial: Mapping[str, float]) -> Setting:
    if isinstance(rule, Rule):
        trace(rule)  # a rule of one's own is refused here, not in the first step
        return setting(rule, hyper, initial)
    found = resolve(rule, hyper)
    return setting(found.rule, found.hyper, {**found.initial, **initial})
