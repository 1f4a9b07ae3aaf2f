"""Which numbers a hyperparameter may have, by its letter."""

import math
from collections.abc import Mapping
from typing import Any

from thalweg.errors import InputError, did_you_mean
from thalweg.formula import Rule

_FRACTION = ("beta", "beta1", "beta2", "rho", "mu")
_NOT_NEGATIVE = ("lr", "eps", "decay", "lr_decay", "eta_min", "eta_max")


def checked(rule: Rule, given: Mapping[str, Any]) -> dict[str, float]:
    """The rule's hyperparameters after defaults, every one a finite number in its range.

    Raises:
        InputError: If a name is unknown to the rule or a number lies outside its range.

    Example:
        >>> from thalweg.rules import RULES
        >>> checked(RULES["sgd"], {"lr": 1})
        {'lr': 1.0}
    """
    for name, value in given.items():
        if name not in rule.hyper:
            raise InputError(
                f"rule '{rule.name}' has no hyperparameter '{name}': {did_you_mean(name, list(rule.hyper))}"
            )
        _check_number(rule, name, value)
    return {name: float(given.get(name, default)) for name, default in rule.hyper.items()}


def _check_number(rule: Rule, name: str, value: Any) -> None:
    expected = "a number below 1 and not below 0" if name in _FRACTION else "a finite number"
    expected = "a finite number not below 0" if name in _NOT_NEGATIVE else expected
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise InputError(f"{name} of rule '{rule.name}' must be {expected}, got {value!r}") from None
    outside = (name in _NOT_NEGATIVE and number < 0) or (name in _FRACTION and not 0 <= number < 1)
    if outside or not math.isfinite(number):
        raise InputError(f"{name} of rule '{rule.name}' must be {expected}, got {value!r}: choose one in that range")
