"""A rule as text: its formula as written, its program, or the source that a backend makes of it."""

from __future__ import annotations

import importlib
import inspect
import textwrap
from collections.abc import Callable
from typing import Any

from thalweg.compile.trace import trace
from thalweg.formula import Rule

FORMS = ("formula", "program", "numpy", "numba", "triton", "javascript", "latex")


def shown(rule: Rule, form: str) -> str:
    """The rule in one of `FORMS`.

    Args:
        rule: The rule.
        form: `"formula"` for the author's own text, `"program"` for its straight-line form, else a backend's name.

    Raises:
        FormulaError: If the rule cannot be traced.

    Example:
        >>> from thalweg.rules import RULES
        >>> print(shown(RULES["sgd"], "formula"))
        @rule("Robbins & Monro 1951, equation 6", facts=("identity_at_zero_gradient", "idle_at_zero_gradient"))
        def sgd(x, g, t, *, lr=0.01):
            return x - lr * g
    """
    program = trace(rule)
    if form == "formula":
        texts = list(dict.fromkeys(textwrap.dedent(inspect.getsource(f)).rstrip() for f in formulas(rule)))
        return "\n\n".join(text for text in texts if not any(text in other for other in texts if other != text))
    if form == "program":
        return program.text
    return importlib.import_module(f"thalweg.compile.{form}").source(program)


def formulas(rule: Rule) -> list[Callable[..., Any]]:
    """The functions that a rule is made of: its own, and what these call: a rule, or a function of their package."""
    found = _own(rule)
    for f in found:  # which grows meanwhile
        used = [value for part in inspect.getclosurevars(f)[:2] for value in part.values()]
        beside = [v for v in used if inspect.isfunction(v) and _package(v) == _package(f)]
        called = [*beside, *(each for value in used if isinstance(value, Rule) for each in _own(value))]
        found += [each for each in dict.fromkeys(called) if each not in found]
    return found


def _package(function: Callable[..., Any]) -> str:
    return function.__module__.rpartition(".")[0]


def _own(rule: Rule) -> list[Callable[..., Any]]:
    return [f for f in (rule.formula, rule.point, rule.evaluation) if f]


def first_sentence(rule: Rule) -> str:
    """What a rule does, in the first line of its file."""
    documentation = inspect.getdoc(inspect.getmodule(rule.formula)) or ""
    return documentation.partition("\n")[0]
