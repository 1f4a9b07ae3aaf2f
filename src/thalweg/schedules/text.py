"""Schedules from text: numbers, calls and names of a catalogue, and nothing else of Python."""

import ast
import math
from collections.abc import Mapping

from thalweg.errors import InputError, did_you_mean
from thalweg.schedules.constant import constant
from thalweg.schedules.schedule import Family, Schedule


def read(text: str, families: Mapping[str, Family]) -> Schedule:
    """The schedule that a text describes, made of families known by these names; nothing in it is executed.

    Raises:
        InputError: If it does not read as a schedule, names an unknown one, or gives it wrong parameters.
    """
    try:
        tree = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        raise InputError(f"expected a schedule such as cosine(1e-3, 1000), got '{text}': check its commas") from None
    value = _value(tree, families)
    return value if isinstance(value, Schedule) else constant(value)


def _value(node: ast.expr, families: Mapping[str, Family]) -> float | Schedule:
    match node:
        case ast.Constant(value=int() | float() as number) if not isinstance(number, bool):
            return _number(number)
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() | float() as number)) if not isinstance(
            number, bool
        ):
            return -_number(number)
        case ast.Call(func=ast.Name(id=name), args=values, keywords=keywords):
            return _schedule(name, values, keywords, families)
        case ast.Name(id=name) if name in families:
            raise InputError(f"expected {name} with its parameters, got its name alone: write {families[name].usage}")
        case ast.Name(id=name):
            raise InputError(f"expected a number or a schedule, got '{name}': {did_you_mean(name, list(families))}")
    raise InputError(
        f"expected only numbers and schedules such as cosine(1e-3, 1000), got '{_shown(node)}': write it without"
    )


def _schedule(
    name: str, values: list[ast.expr], keywords: list[ast.keyword], families: Mapping[str, Family]
) -> Schedule:
    if name not in families:
        raise InputError(f"there is no schedule '{name}': {did_you_mean(name, list(families))}")
    named: dict[str, float | Schedule] = {}
    for keyword in keywords:
        if keyword.arg is None or keyword.arg in named:
            raise InputError(f"{name} takes every parameter once and by its name: write {families[name].usage}")
        named[keyword.arg] = _value(keyword.value, families)
    return families[name](*(_value(value, families) for value in values), **named)


def _number(number: float) -> float:
    try:
        return float(number)
    except OverflowError:  # a whole number of hundreds of digits: no parameter takes an infinity
        return math.inf


def _shown(node: ast.expr) -> str:
    """The text of a node, or what it is where that nests too deep to be written."""
    try:
        return ast.unparse(node)
    except RecursionError:
        return type(node).__name__
