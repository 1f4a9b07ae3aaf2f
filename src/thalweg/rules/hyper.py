"""Which numbers a hyperparameter may have, by its letter, and which numbers the states then start at."""

import math
from collections.abc import Callable, Mapping
from typing import Any

from thalweg.errors import InputError, did_you_mean
from thalweg.formula import Rule

_FRACTION = ("a number below 1 and not below 0", lambda number: 0 <= number < 1)
_NOT_NEGATIVE = ("a finite number not below 0", lambda number: number >= 0)
_ANY = ("a finite number", lambda number: True)
RANGES: dict[str, tuple[str, Callable[[float], bool]]] = {
    **dict.fromkeys(("beta", "beta1", "beta2", "rho", "mu", "down"), _FRACTION),
    **dict.fromkeys(("lr", "eps", "decay", "lr_decay", "eta_min", "eta_max"), _NOT_NEGATIVE),
    "up": ("a finite number not below 1", lambda number: number >= 1),
}


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


def starts(initial: Mapping[str, float | str], hyper: Mapping[str, Any]) -> dict[str, float]:
    """The number that each state starts at, under these hyperparameters.

    Example:
        >>> starts({"g_old": 0.0, "eta": "lr"}, {"lr": 0.1})
        {'g_old': 0.0, 'eta': 0.1}
    """
    return {state: float(hyper[start]) if isinstance(start, str) else start for state, start in initial.items()}


def _check_number(rule: Rule, name: str, value: Any) -> None:
    expected, inside = RANGES.get(name, _ANY)
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not (math.isfinite(number) and inside(number)):
        raise InputError(f"{name} of rule '{rule.name}' must be {expected}, got {value!r}: give one in that range")
