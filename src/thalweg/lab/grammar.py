"""The command line's grammar for optimizers: `adam,sgd:momentum=0.9,l2(rmsprop):lr=cosine(1e-3),adam@5/sgd:lr=0.1`.

Any hyperparameter may be a schedule, written as a call. It counts the optimizer's steps, not epochs: in its first batch
the step number is 1, and it goes on counting through all its epochs. A schedule that takes a number of steps and is
given none lasts as long as the optimizer trains.
"""

from __future__ import annotations

import ast
import contextlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from thalweg.errors import InputError
from thalweg.schedules import SCHEDULES, parse


@dataclass(frozen=True)
class Piece:
    """One optimizer as it was asked for, and the epochs that it trains.

    Attributes:
        first: The epoch that it begins with.
        last: The epoch that it ends with; None for the run's last.
        name: A rule, a class or a file.
        arguments: What stands behind the colon; schedules as the text that they are.
    """

    first: int
    last: int | None
    name: str
    arguments: tuple[str, ...]


def parse_optimizers(text: str) -> list[tuple[str, tuple[Piece, ...]]]:
    """Each optimizer of a list: its text as written, and its pieces: one, or for a switch several.

    Commas separate optimizers; a piece `key=value` without a colon of its own belongs to the optimizer before it;
    commas inside parentheses never split. `adam@5/sgd` is Adam in epochs 1 to 5 and SGD from epoch 6 on.

    Raises:
        InputError: If a piece is empty or no `key=value`, or the epochs of a switch do not rise.

    Example:
        >>> [(text, [piece.name for piece in pieces]) for text, pieces in parse_optimizers("adam,sgd:momentum=0.9")]
        [('adam', ['adam']), ('sgd:momentum=0.9', ['sgd'])]
        >>> [(piece.first, piece.last) for piece in parse_optimizers("adam@5/sgd")[0][1]]
        [(1, 5), (6, None)]
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
    return [(",".join(pieces), _pieces(",".join(pieces))) for pieces in grouped]


def _pieces(text: str) -> tuple[Piece, ...]:
    pieces, first = [], 1
    # A path has slashes too: only one behind `name@epoch` and perhaps arguments makes a switch.
    while switch := re.match(r"(?P<name>[^@:/]+(?:/[^@:/]+)*)@(?P<last>[^:/]*)(?P<rest>:[^/]*)?/(?P<next>.*)$", text):
        last = _epoch(switch["last"], first, text)
        pieces.append(_piece(switch["name"] + (switch["rest"] or ""), first, last))
        first, text = last + 1, switch["next"]
    if re.match(r"[^:]*@", text):
        raise InputError(
            f"expected what follows epoch {text.split('@')[-1]} of '{text}': write for instance adam@5/sgd"
        )
    if re.search(r":.*@\d+/", text):
        raise InputError(
            f"expected '@epoch' behind an optimizer's name, got '{text}': write for instance adam@5:lr=.01/sgd"
        )
    return (*pieces, _piece(text, first, None))


def _epoch(text: str, first: int, whole: str) -> int:
    if not text.isdecimal() or int(text) < first:
        raise InputError(
            f"expected a whole number of at least {first} behind '@', got '{text}' in '{whole}': "
            "name the last epoch of each optimizer, rising, as in adam@5/sgd"
        )
    return int(text)


def _piece(text: str, first: int, last: int | None) -> Piece:
    name, *rest = split_outside(text, ":")
    if not name.strip():
        raise InputError(f"expected the name of an optimizer, got '{text}': write for instance adam:lr=1e-3")
    arguments = tuple(split_outside(":".join(rest), ",")) if rest else ()
    parse_arguments(list(arguments), text, steps=1)  # refused here, before anything is loaded
    return Piece(first, last, name.strip(), arguments)


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


def parse_arguments(pieces: Sequence[str], text: str | None = None, steps: int | None = None) -> dict[str, Any]:
    """Arguments, each written as `key=value`.

    Args:
        pieces: One for each argument.
        text: What they are a part of, for messages.
        steps: How long a schedule lasts that does not say it, in steps of the optimizer; None where nobody knows.

    Raises:
        InputError: If a piece is no `key=value`, a key comes twice, or a call is no schedule.

    Example:
        >>> parse_arguments(["rho=.9", "centered=True", "betas=(.9,.999)"])
        {'rho': 0.9, 'centered': True, 'betas': (0.9, 0.999)}
    """
    whole = " ".join(pieces) if text is None else text
    arguments: dict[str, Any] = {}
    for piece in pieces:
        key, equals, value = piece.partition("=")
        if not equals or not key.strip() or not value.strip():
            usage = "key=value, got" if text is None else "name:key=value,key=value, got"
            example = "lr=1e-3" if text is None else "adam:lr=1e-3"
            raise InputError(f"expected {usage} '{piece}' in '{whole}': write for instance {example}")
        if key.strip() in arguments:
            raise InputError(f"expected every argument once, got '{key.strip()}' twice in '{whole}': remove one")
        arguments[key.strip()] = _value(value.strip(), steps)
    return arguments


def _value(text: str, steps: int | None) -> Any:
    """A tuple of values where it reads as one, else one value."""
    parts = split_outside(text[1:-1], ",") if text[0] + text[-1] == "()" else []
    if len(parts) > 1:
        return tuple(_single(part.strip(), steps) for part in parts if part.strip())
    return _single(text, steps)


def _single(text: str, steps: int | None) -> Any:
    """A number, True or False where it reads as one, a schedule where it is a call, else the text itself."""
    with contextlib.suppress(ValueError, SyntaxError, MemoryError, RecursionError):
        return ast.literal_eval(text)
    if "(" in text or text in SCHEDULES:
        return parse(text, steps)
    with contextlib.suppress(ValueError):
        return float(text)  # nan and inf, which are no literals
    return text
