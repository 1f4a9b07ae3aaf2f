"""`Mirror`: a Keras optimizer as torch's, so that one watch serves both."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import torch
from torch import Tensor

from thalweg.errors import InputError
from thalweg.formula import Rule
from thalweg.frameworks.keras.centered import VARIANCE
from thalweg.frameworks.keras.stepped import Stepped
from thalweg.frameworks.torch.plan import Plan, Recipe
from thalweg.rules.peers import classes, defaults, match
from thalweg.watch.callbacks.compiled import gradient

LR = "lr"
_OWN = {"learning_rate": 0.0, "weight_decay": 0.0}  # Keras' own business, as thalweg.frameworks.keras.classes has it


@dataclass(frozen=True)
class Followed:
    """What a Keras optimizer does, in the catalogue's words.

    Attributes:
        recipe: The rule, whose states are called by their letters.
        hyper: Its hyperparameters.
        arrays: For each array state the variables that hold it, in the order of the trained ones.
        scalars: For each scalar state its variable.
    """

    recipe: Recipe
    hyper: Mapping[str, Any]
    arrays: Mapping[str, list[Any]]
    scalars: Mapping[str, Any]


def followed(optimizer: Any) -> Followed | None:
    """What an optimizer does; None where the catalogue has no such rule."""
    try:
        rule, hyper, held = _stated(optimizer)
        recipe = Recipe(rule, {letter: letter for letter in rule.state}, rule.every_start, True, rule.name)
        numbers = {name: float(value) for name, value in hyper.items()}
        return Followed(recipe, numbers, {s: held[s] for s in rule.arrays}, {s: held[s] for s in rule.scalars})
    except (InputError, KeyError, AttributeError, TypeError):
        return None


def _stated(optimizer: Any) -> tuple[Rule, Mapping[str, Any], Mapping[str, Any]]:
    """The rule, its numbers, and the variables of its states."""
    if isinstance(optimizer, Stepped):
        plan = optimizer.plan()
        return plan.rule, plan.hyper, {letter: optimizer.state_variables(key) for letter, key in plan.keys.items()}
    name, module = type(optimizer).__name__, type(optimizer).__module__
    if not module.startswith("keras.src.") or name not in classes("keras").values():
        raise KeyError(name)
    arguments = {n: _OWN[n] if n in _OWN else getattr(optimizer, n) for n in defaults("keras", name)}
    found = match("keras", name, arguments)
    if VARIANCE in found.peer.state:  # of which Keras keeps the mean of squares instead
        raise KeyError(name)
    held = {letter: _slots(optimizer, key) for key, letter in found.peer.state.items()}
    return found.rule, {**found.rule.hyper, **found.hyper(arguments)}, held


def _slots(optimizer: Any, key: str) -> list[Any]:
    """The variables of one of Keras' own states, by the names that it gives them."""
    by_path = {variable.path: variable for variable in optimizer.variables}
    paths = [f"{optimizer.name}/{v.path.replace('/', '_')}_{key}" for v in optimizer._trainable_variables]
    if len(set(paths)) < len(paths):
        raise KeyError("two variables of one name")
    return [by_path[path] for path in paths]


class Mirror(torch.optim.Optimizer):
    """A Keras optimizer in torch's words: its weights, gradients and states are torch's tensors.

    Args:
        optimizer: The Keras optimizer, built, and not the one that only scales the loss.
        tensor: From a variable to its tensor.
    """

    def __init__(self, optimizer: Any, tensor: Callable[[Any], Tensor]) -> None:
        self._keras, self._tensor = optimizer, tensor
        self._followed = followed(optimizer)
        self._take: Callable[[], None] = lambda: None
        self.variables = list(optimizer._trainable_variables)
        self.tensors = [tensor(variable) for variable in self.variables]
        named = [(variable.path, x) for variable, x in zip(self.variables, self.tensors, strict=True)]
        super().__init__(named, {**_numbers(optimizer), LR: rate_of(optimizer)})
        for place, x in enumerate(self.tensors):
            self.state[x] = {letter: tensor(variable) for letter, variable in self._held(place).items()}
        self.count(*self.reading())

    def _held(self, place: int) -> dict[str, Any]:
        """The variables of one layer's states."""
        if self._followed is None:
            return {}
        arrays = {letter: variables[place] for letter, variables in self._followed.arrays.items()}
        return {letter: held for letter, held in {**arrays, **self._followed.scalars}.items() if held is not None}

    def reading(self) -> tuple[float, float]:
        """The number of steps so far, and the learning rate of the next one."""
        return float(numbers_of(self._keras.iterations)), rate_of(self._keras)

    def count(self, steps: float, rate: float) -> None:
        """Take over such a reading, before the step."""
        self.param_groups[0][LR] = rate
        for entry in self.state.values():
            entry["step"] = steps

    def refresh(self) -> None:
        """Copy all variables once more, where tensors do not share their memory."""
        with torch.no_grad():
            for place, x in enumerate(self.tensors):
                x.copy_(self._tensor(self.variables[place]))
                for letter, variable in self._held(place).items():
                    self.state[x][letter].copy_(self._tensor(variable))

    @property
    def rule(self) -> Rule | None:
        """The rule; None where the catalogue has none."""
        return None if self._followed is None else self._followed.recipe.rule

    def now(self, place: int, name: str) -> np.ndarray:
        """What a layer's weights, `"x"`, or one of its states are in the Keras optimizer now."""
        variable = self.variables[place] if name == "x" else self._held(place)[name]
        return self._tensor(variable).to(torch.float64).numpy()

    def watched_plan(self) -> Plan | None:
        """The rule and its numbers now, for the watch."""
        if self._followed is None:
            return None
        recipe = self._followed.recipe
        rate = {LR: self.param_groups[0][LR]} if LR in recipe.rule.hyper else {}
        return Plan(recipe, {**self._followed.hyper, **rate})

    def take(self, step: Callable[[], None]) -> None:
        """Have the Keras optimizer step, seen by whoever watches.

        Args:
            step: What steps it.
        """
        self._take = step
        self.step()

    def step(self, closure: Any = None) -> None:
        """Step; the steps before it are counted."""
        self._take()
        for entry in self.state.values():
            entry["step"] += 1.0


def mirror_of(optimizer: Any, tensor: Callable[[Any], Tensor]) -> Mirror:
    """A mirror whose class has the optimizer's name, for those who read it."""
    return type(type(optimizer).__name__, (Mirror,), {})(optimizer, tensor)


def found_gradients(mirror: Mirror, state: str) -> None:
    """Give a mirror's tensors, which are copies, the gradients of the step that was taken since.

    Args:
        mirror: The mirror.
        state: The state that shows them.
    """
    plan = mirror.watched_plan()
    if plan is None:
        return
    for place, x in enumerate(mirror.tensors):
        entry = mirror.state[x]
        before = {letter: entry[letter].to(torch.float64).numpy() for letter in plan.recipe.rule.arrays}
        before["x"] = x.to(torch.float64).numpy()
        found = gradient(plan.recipe.rule, state, entry["step"] + 1, plan.hyper, before, mirror.now(place, state))
        x.grad = torch.from_numpy(found).to(x.dtype)


def rate_of(optimizer: Any) -> float:
    """The learning rate that an optimizer has now."""
    return float(numbers_of(optimizer.learning_rate))


def numbers_of(value: Any) -> np.ndarray:
    """A variable's or a tensor's numbers."""
    plain: Any = getattr(value, "value", value)  # Keras' variables do not know what NumPy 2 hands to `__array__`
    if isinstance(plain, Tensor):
        return plain.detach().cpu().numpy()
    return np.asarray(keras.ops.convert_to_numpy(keras.ops.stop_gradient(plain)))


def _numbers(optimizer: Any) -> dict[str, float]:
    """The numbers among an optimizer's arguments."""
    try:
        with warnings.catch_warnings():  # Keras' variables do not know what NumPy 2 hands to `__array__`
            warnings.simplefilter("ignore", DeprecationWarning)
            config = optimizer.get_config()
    except (InputError, NotImplementedError):  # of a rule of one's own
        return {}
    plain = {n: v for n, v in config.items() if isinstance(v, (int, float)) and not isinstance(v, bool)}
    return {name: float(value) for name, value in plain.items() if name != "learning_rate"}
