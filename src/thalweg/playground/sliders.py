"""Which slider suits a hyperparameter: told by its letter and by the range that the letter has."""

from __future__ import annotations

import math

from thalweg.rules.hyper import RANGES

Slider = tuple[str, float, float]

# Letters whose meaning says more than their range does.
LETTERS: dict[str, Slider] = {
    "lr": ("log", 1e-5, 10.0),
    "down": ("linear", 0.05, 0.95),
    "up": ("linear", 1.0, 3.0),
    "threshold": ("linear", 4.0, 20.0),
    "power": ("linear", 0.0, 4.0),
    "optimism": ("linear", 0.0, 3.0),
    "dampening": ("linear", 0.0, 1.0),
    "alpha": ("linear", 0.0, 10.0),
    "warmup_steps": ("whole", 0.0, 100.0),
    "t0": ("whole", 0.0, 1e6),
    "decay": ("log0", 1e-5, 1.0),
}


def slider(name: str, default: float) -> Slider:
    """The kind of a hyperparameter's slider, and its ends.

    Kinds are `"log"`; `"log0"`, which is logarithmic and has 0 at its lower end; `"fraction"`, which is logarithmic in
    the distance from 1; `"linear"`; and `"whole"`, for whole numbers. A default outside the ends moves them.

    Args:
        name: The hyperparameter's letter.
        default: What it is where nobody moves it.

    Example:
        >>> slider("lr", 0.001), slider("beta2", 0.999), slider("eps", 1e-8), slider("l1", 0.0)
        (('log', 1e-05, 10.0), ('fraction', 0.0, 0.9999), ('log', 1e-12, 1.0), ('log0', 1e-06, 1.0))
    """
    kind, low, high = LETTERS.get(name) or _by_range(name, default)
    lowest = low if kind == "log0" and default == 0 else min(low, default)
    return kind, lowest, max(high, default)


def _by_range(name: str, default: float) -> Slider:
    inside = RANGES[name][1] if name in RANGES else lambda number: True
    if not inside(1.0) and inside(0.5):
        return "fraction", 0.0, 0.9999
    if inside(-1.0):
        return ("linear", -abs(default) * 2, abs(default) * 2) if default else ("linear", -1.0, 1.0)
    if default == 0:
        return "log0", 1e-6, 1.0
    decade = math.floor(math.log10(default))
    return "log", 10.0 ** (decade - 4), 10.0 ** max(min(decade + 8, 0), decade + 2)
