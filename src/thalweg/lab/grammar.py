"""The command line's grammar for optimizers: `adam,sgd:momentum=0.9,nesterov=True,l2(rmsprop):lr=1e-3`."""

from __future__ import annotations

import ast
from typing import Any

from thalweg.errors import InputError


def parse_optimizers(text: str) -> list[tuple[str, str, dict[str, Any]]]:
    """Each optimizer of a list: its text as written, its name, and its arguments.

    Commas separate optimizers; a piece `key=value` without a colon of its own belongs to the optimizer before it;
    commas inside parentheses never split.

    Raises:
        InputError: If a piece is empty or no `key=value`.

    Example:
        >>> parse_optimizers("adam,sgd:momentum=0.9,nesterov=True")
        [('adam', 'adam', {}), ('sgd:momentum=0.9,nesterov=True', 'sgd', {'momentum': 0.9, 'nesterov': True})]
    """
    grouped: list[list[str]] = []
    for piece in split_outside(text, ","):
        head = split_outside(piece, ":")[0]
        if not piece.strip():
            raise InputError(f"expected optimizers separated by commas, got an empty one in '{text}': remove a comma")
        if "=" in head and grouped:
            grouped[-1].append(piece.strip())
        else:
            grouped.append([piece.strip()])
    return [_parse_one(",".join(pieces)) for pieces in grouped]


def split_outside(text: str, separator: str) -> list[str]:
    """Split at a separator wherever it stands outside parentheses and brackets.

    Example:
        >>> split_outside("a:lr=cosine(1,2),b", ",")
        ['a:lr=cosine(1,2)', 'b']
    """
    parts, depth = [""], 0
    for character in text:
        depth += (character in "([") - (character in ")]")
        if character == separator and depth == 0:
            parts.append("")
        else:
            parts[-1] += character
    return parts


def _parse_one(text: str) -> tuple[str, str, dict[str, Any]]:
    name, *rest = split_outside(text, ":")
    arguments: dict[str, Any] = {}
    for piece in split_outside(":".join(rest), ",") if rest else []:
        key, equals, value = piece.partition("=")
        if not equals or not key.strip() or not value.strip():
            raise InputError(
                f"expected name:key=value,key=value, got '{piece}' in '{text}': write for instance adam:lr=1e-3"
            )
        if key.strip() in arguments:
            raise InputError(f"expected every hyperparameter once, got '{key.strip()}' twice in '{text}': remove one")
        arguments[key.strip()] = _value(value.strip())
    return text, name.strip(), arguments


def _value(text: str) -> Any:
    """A number, True, False or a tuple where it reads as one, else the text itself."""
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        pass
    try:
        return float(text)  # nan and inf, which are no literals
    except ValueError:
        return text
