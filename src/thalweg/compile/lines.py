"""Expressions → lines: what a formula did, numbered in the author's order, with common subexpressions shared."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from types import FrameType
from typing import Any

from thalweg.compile.program import COMPARISONS, Argument, Line
from thalweg.errors import FormulaError
from thalweg.formula import Expr

Symbols = dict[str, Expr]


_NOT_AUTHORS = ("thalweg.formula", "thalweg.compile", "thalweg.surfaces.parsed")


def named_values(formula: Callable[[Symbols], Any], symbols: Symbols) -> tuple[Any, dict[int, str]]:
    """A formula's values; and, by identity, the local names that it gave to expressions, as its functions return."""
    previous = sys.getprofile()
    if previous is not None and not callable(previous):  # cProfile, or torch's: Python could not switch it on again
        with ThreadPoolExecutor(1) as apart:
            return apart.submit(named_values, formula, symbols).result()
    names: dict[int, str] = {}
    alive: list[Expr] = []  # an identity is taken again once its object is gone

    def on_event(frame: FrameType, event: str, _: Any) -> None:
        if event == "return" and not frame.f_globals.get("__name__", "").startswith(_NOT_AUTHORS):
            for name, value in frame.f_locals.items():
                if isinstance(value, Expr) and value.op != "const" and value.args:
                    names.setdefault(id(value), name.rstrip("_"))
                    alive.append(value)

    sys.setprofile(on_event)
    try:
        return formula(symbols), names
    finally:
        sys.setprofile(previous)


def check_result(owner: str, target: str, value: Any) -> None:
    """Refuse what is no formula: a comparison, or a value of another kind."""
    condition = isinstance(value, Expr) and value.op in COMPARISONS
    if condition or not isinstance(value, (Expr, int, float)):
        kind = "comparison" if condition else type(value).__name__
        raise FormulaError(
            f"{owner} must return a formula for {target}, got a {kind}: return an expression or a number"
        )


def _reachable(results: tuple[Any, ...]) -> list[Expr]:
    """Every expression that the results need, in the author's order."""
    found: dict[int, Expr] = {}
    pending = [e for e in results if isinstance(e, Expr)]
    while pending:
        expr = pending.pop()
        if id(expr) not in found:
            found[id(expr)] = expr
            pending += [a for a in expr.args if isinstance(a, Expr)]
    return sorted(found.values(), key=lambda e: e.serial)


def _value_numbers(ordered: list[Expr]) -> dict[int, str | int]:
    """For each expression, by identity, a key that is the same exactly for those that compute the same."""
    keys: dict[int, str | int] = {}
    table: dict[tuple, int] = {}
    for expr in ordered:
        if expr.op == "const":
            keys[id(expr)] = repr(expr.args[0])  # as text, since 0.0 == -0.0
        elif not expr.args:
            keys[id(expr)] = expr.op
        else:
            keys[id(expr)] = table.setdefault((expr.op, *(keys[id(a)] for a in expr.args)), len(table))
    return keys


def numbered(
    owner: str, results: tuple[Any, ...], names: dict[int, str], taken: set[str], allowed: tuple[str, ...]
) -> tuple[tuple[Line, ...], tuple[Line, ...], dict[int, Argument]]:
    """The lines once per step, the lines once per element, and what each reachable expression is called.

    Args:
        owner: Whose formula it is, for errors.
        results: What the formula returned.
        names: By identity of an expression the name that its author gave it.
        taken: Names that no line may have; extended in place.
        allowed: The operations that may run once per element.

    Raises:
        FormulaError: If another one does, or a comparison stands elsewhere than in `where`.
    """
    ordered = _reachable(results)
    keys = _value_numbers(ordered)
    given = {keys[id(e)]: names[id(e)] for e in reversed(ordered) if id(e) in names}
    labels: dict[str | int, Argument] = {}
    blocks: dict[bool, list[Line]] = {False: [], True: []}
    free = {prefix: map(f"{prefix}{{}}".format, itertools.count(1)) for prefix in "as"}
    for expr in ordered:
        key = keys[id(expr)]
        if key in labels:
            continue
        if expr.op == "const" or not expr.args:
            labels[key] = expr.args[0] if expr.op == "const" else expr.op
            continue
        _check_line(owner, expr, allowed)
        labels[key] = _fresh(given.get(key), free["a" if expr.varies else "s"], taken)
        arguments = tuple(labels[keys[id(a)]] for a in expr.args)
        blocks[expr.varies].append(Line(str(labels[key]), expr.op, arguments))
    return tuple(blocks[False]), tuple(blocks[True]), {i: labels[k] for i, k in keys.items()}


def _fresh(given: str | None, free: Iterable[str], used: set[str]) -> str:
    """A name not used before: the author's, the author's with `_new` for a reassigned one, or the next one free."""
    if given:
        free = itertools.chain((given, f"{given}_new"), (f"{given}_new{number}" for number in itertools.count(2)))
    name = next(candidate for candidate in free if candidate not in used)
    used.add(name)
    return name


def _check_line(owner: str, expr: Expr, allowed: tuple[str, ...]) -> None:
    if expr.varies and expr.op not in allowed:
        raise FormulaError(
            f"{owner} uses '{expr.op}' once per element, which backends round differently: "
            f"use only {', '.join(allowed)} on arrays (a whole power up to 4 is repeated multiplication)"
        )
    conditions = [isinstance(a, Expr) and a.op in COMPARISONS for a in expr.args]
    expected = [expr.op == "where" and position == 0 for position in range(len(conditions))]
    if conditions != expected:
        raise FormulaError(
            f"{owner} must use comparisons as the condition of where(condition, a, b) and nowhere else, "
            f"got one in '{expr.op}': choose the value with where"
        )
