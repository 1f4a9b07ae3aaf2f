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
from thalweg.formula import Rule, Surface, rule, surface
from thalweg.rules import RULES
from thalweg.surfaces import SURFACES
from thalweg.version import __version__

__all__ = ["RULES", "SURFACES", "FormulaError", "InputError", "Rule", "Surface", "__version__", "rule", "surface"]

# By its name: where it is, what it is there (None for the module itself), and the extra that it needs.
_LAZY = {
    "torch": ("thalweg.torch", None, "torch"),
    "optax": ("thalweg.optax", None, "jax"),
    "keras": ("thalweg.keras", None, "keras"),
    "watch": ("thalweg.watch", None, "torch"),
    "schedules": ("thalweg.schedules", None, ""),
    "state": ("thalweg.state", None, "state"),
    "compare": ("thalweg.notebook", "compare", "lab"),
    "find_lr": ("thalweg.lab.rate", "find_lr", "lab"),
    "minimize": ("thalweg.frameworks.numpy", "minimize", ""),
}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module 'thalweg' has no attribute '{name}'")
    module, attribute, extra = _LAZY[name]
    try:
        loaded = importlib.import_module(module)
    except ModuleNotFoundError as error:
        package = (error.name or "thalweg").partition(".")[0]
        if not extra or package == "thalweg":
            raise
        needed = f"needs the package '{package}', which is not installed: pip install 'thalweg[{extra}]'"
        raise ModuleNotFoundError(f"thalweg.{name} {needed}", name=error.name) from error
    return getattr(loaded, attribute) if attribute else loaded
