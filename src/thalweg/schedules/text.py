"""Schedules from text: numbers, calls and names of a catalogue, and nothing else of Python."""

import ast
import math
from collections.abc import Mapping
from typing import Any

from thalweg.errors import InputError, did_you_mean
from thalweg.schedules.constant import constant
from thalweg.schedules.schedule import Family, Schedule


def read(text: str, families: Mapping[str, Family], steps: int | None = None) -> Schedule:
    """The schedule that a text describes, made of families known by these names; nothing in it is executed.

    Args:
        text: The text.
        families: By their names.
        steps: How long it all lasts, for families that take `steps` and were given none; None where nobody knows.

    Raises:
        InputError: If it does not read as a schedule, names an unknown one, or gives it wrong parameters.
    """
    try:
        tree = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        raise InputError(f"expected a schedule such as cosine(1e-3, 1000), got '{text}': check its commas") from None
    value = _value(tree, families, steps)
    return value if isinstance(value, Schedule) else constant(value)


def _value(node: ast.expr, families: Mapping[str, Family], steps: int | None) -> float | Schedule:
    match node:
        case ast.Constant(value=int() | float() as number) if not isinstance(number, bool):
            return _number(number)
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() | float() as number)) if not isinstance(
            number, bool
        ):
            return -_number(number)
        case ast.Call(func=ast.Name(id=name)):
            return _schedule(node, name, families, steps)
        case ast.Name(id=name) if name in families:
            raise InputError(f"expected {name} with its parameters, got its name alone: write {families[name].usage}")
        case ast.Name(id=name):
            raise InputError(f"expected a number or a schedule, got '{name}': {did_you_mean(name, list(families))}")
    raise InputError(
        f"expected only numbers and schedules such as cosine(1e-3, 1000), got '{_shown(node)}': write it without"
    )


def _schedule(node: ast.Call, name: str, families: Mapping[str, Family], steps: int | None) -> Schedule:
    if name not in families:
        raise InputError(f"there is no schedule '{name}': {did_you_mean(name, list(families))}")
    family = families[name]
    # Places beyond the family's have no name; the family itself refuses them.
    by_place = list(zip([*family.kinds, *[None] * len(node.args)], node.args, strict=False))
    lasting = _lasting(family, dict(by_place) | {k.arg: k.value for k in node.keywords}, steps)
    values = [_value(value, families, lasting.get(parameter)) for parameter, value in by_place]
    named: dict[str, float | Schedule] = {}
    for keyword in node.keywords:
        if keyword.arg is None or keyword.arg in named:
            raise InputError(f"{name} takes every parameter once and by its name: write {family.usage}")
        named[keyword.arg] = _value(keyword.value, families, lasting.get(keyword.arg))
    if steps is not None and "steps" in family.kinds and not _follows(family) and "steps" not in named:
        named |= {} if "steps" in dict(by_place) else {"steps": steps}
    return family(*values, **named)


def _follows(family: Family) -> bool:
    """Whether it hands over to another schedule, so that its own `steps` are only a part."""
    return any(kind.schedules == "handed over" for kind in family.kinds.values())


def _lasting(family: Family, nodes: Mapping[Any, ast.expr], steps: int | None) -> dict[Any, int | None]:
    """How long each parameter lasts that is a schedule: those behind `steps` of the family last for what is left."""
    own = nodes.get("steps")
    if steps is None or not _follows(family) or not isinstance(own, ast.Constant) or not isinstance(own.value, int):
        return dict.fromkeys(family.kinds, steps)
    names = list(family.kinds)
    behind = names.index("steps")
    return {n: own.value if place < behind else max(1, steps - own.value) for place, n in enumerate(names)}


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
