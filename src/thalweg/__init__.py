"""Thalweg: every optimizer written once, as fast as memory, and a lab that says which one to use.

Importing it imports no framework: `thalweg.torch`, `.optax`, `.keras`, `.compare` and the others load when first used.

Example:
    >>> import thalweg
    >>> x, m, v = thalweg.RULES["adam"](1.0, 0.5, 1, 0.0, 0.0)
    >>> round(x, 6)
    0.999
"""

import importlib
from typing import Any

from thalweg.errors import FormulaError, InputError
from thalweg.formula import Rule, rule
from thalweg.rules import RULES
from thalweg.version import __version__

__all__ = ["RULES", "FormulaError", "InputError", "Rule", "__version__", "rule"]

_LAZY = {
    "torch": ("thalweg.torch", None),
    "optax": ("thalweg.optax", None),
    "keras": ("thalweg.keras", None),
    "schedules": ("thalweg.schedules", None),
    "state": ("thalweg.state", None),
    "compare": ("thalweg.notebook", "compare"),
    "find_lr": ("thalweg.lab.rate", "find_lr"),
    "minimize": ("thalweg.frameworks.numpy", "minimize"),
}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module 'thalweg' has no attribute '{name}'")
    module, attribute = _LAZY[name]
    loaded = importlib.import_module(module)
    return getattr(loaded, attribute) if attribute else loaded
