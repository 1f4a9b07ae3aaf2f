"""The formula language as text, `x**2 + 10*sin(y)`: its words, and what is no formula.

Everything that is no formula of x and y is refused here, each fault with a sentence and its column, before any parser
sees the text. The browser page reads the same language and says the same sentences (`playground/own.js`).
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NoReturn

from thalweg.errors import InputError
from thalweg.formula.expr import apply
from thalweg.formula.functions import absolute, cos, exp, log, maximum, minimum, sign, sin, sqrt

LONGEST, DEEPEST = 1_000, 50  # characters; parentheses inside each other
EXAMPLE = "x**2 + 10*sin(y)"
CONSTANTS = {"pi": math.pi, "e": math.e}


def _tanh(a: Any) -> Any:
    return 1.0 - 2.0 / (exp(2.0 * minimum(a, 350.0)) + 1.0)  # from 20 on it is 1; exp overflows beyond 700


def _where(condition: Any, a: Any, b: Any) -> Any:
    if isinstance(condition, bool):  # a comparison of two numbers
        return a if condition else b
    return apply("where", condition, a, b)


def _folded(function: Callable[[Any, Any], Any]) -> Callable[..., Any]:
    def of_all(first: Any, *others: Any) -> Any:
        for other in others:
            first = function(first, other)
        return first

    return of_all


# By name: the function, and how many arguments it takes, at least and at most.
FUNCTIONS: dict[str, tuple[Callable[..., Any], int, int]] = {
    "abs": (absolute, 1, 1),
    "cos": (cos, 1, 1),
    "cosh": (lambda a: (exp(a) + exp(-a)) / 2.0, 1, 1),
    "exp": (exp, 1, 1),
    "ln": (log, 1, 1),
    "log": (log, 1, 1),
    "log10": (lambda a: log(a) / math.log(10), 1, 1),
    "log2": (lambda a: log(a) / math.log(2), 1, 1),
    "max": (_folded(maximum), 2, LONGEST),
    "maximum": (_folded(maximum), 2, LONGEST),
    "min": (_folded(minimum), 2, LONGEST),
    "minimum": (_folded(minimum), 2, LONGEST),
    "sign": (sign, 1, 1),
    "sin": (sin, 1, 1),
    "sinh": (lambda a: (exp(a) - exp(-a)) / 2.0, 1, 1),
    "sqrt": (sqrt, 1, 1),
    "tan": (lambda a: apply("div", sin(a), cos(a)), 1, 1),
    "tanh": (_tanh, 1, 1),
    "where": (_where, 3, 3),
}
NAMES = ("x", "y", *CONSTANTS)
COMPARISONS = ("<", ">", "<=", ">=", "==", "!=")
BLANK = " \t\r\n\u00a0"
NUMBER = r"(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?"
TOKEN = re.compile(NUMBER + r"|[A-Za-z_][A-Za-z_0-9]*|\*\*|[<>=!]=|[-+*/^(),<>]")


@dataclass
class _Inside:
    """What is known inside a parenthesis that is still open.

    Attributes:
        column: Where it opened; 0 for the whole text.
        function: Whose arguments stand in it; empty for a parenthesis around a part of a formula.
        whole: Whether it opened at the beginning of an argument, so that a comparison in it may be all of that.
        commas: How many were read.
        compared: The column of the comparison in the current argument, or 0.
        closed: Whether that comparison stands in parentheses of its own, after which the argument must end.
    """

    column: int = 0
    function: str = ""
    whole: bool = True
    commas: int = 0
    compared: int = 0
    closed: bool = False


def read(text: str) -> str:
    """The formula as Python writes it, once nothing is left to refuse.

    Raises:
        InputError: If it is no formula of x and y; the sentence names a fault and its column, from 1.

    Example:
        >>> read("2*x^2")
        '2 * x ** 2'
    """
    if len(text) > LONGEST:
        _refuse(f"expected a function of at most {LONGEST} characters, got {len(text)}: write a shorter one")
    tokens = _tokens(text)
    if not tokens:
        _refuse(f"expected a function of x and y, got nothing: write for instance {EXAMPLE}")
    inside, wants = [_Inside()], True
    for (before, _), (token, column) in pairwise([("", 0), *tokens]):
        _check_place(before, token, column, wants)
        _note(inside, before, token, column)
        wants = not (token == ")" or token in NAMES or _is_number(token))
    _check_end(inside, tokens[-1][0], len(text.rstrip(BLANK)) + 1, wants)
    return " ".join("**" if token == "^" else str(int(token)) if token.isdigit() else token for token, _ in tokens)


def _refuse(sentence: str) -> NoReturn:
    raise InputError(sentence)


def _is_number(token: str) -> bool:
    return token[0] in ".0123456789"


def _tokens(text: str) -> list[tuple[str, int]]:
    """Numbers, names and signs, each with its column."""
    found, place = [], 0
    while place < len(text):
        match = TOKEN.match(text, place)
        if match:
            _check_word(match[0], place + 1)
            found.append((match[0], place + 1))
        elif text[place] not in BLANK:
            shown = f"'{text[place]}'" if text[place].isprintable() else f"U+{ord(text[place]):04X}"
            _refuse(f"expected numbers, names and + - * / ** ( ) , < > only, got {shown} at column {place + 1}")
        place = match.end() if match else place + 1
    return found


def _check_word(token: str, column: int) -> None:
    """Refuse a number that is too large and a name that there is not."""
    if _is_number(token):
        if float(token) == math.inf:
            _refuse(f"expected a number below 1.8e308 at column {column}, got '{token[:20]}'")
    elif (token[0].isalpha() or token[0] == "_") and token not in (*NAMES, *FUNCTIONS):
        known = ", ".join(FUNCTIONS)
        _refuse(f"expected x, y, pi, e or a function at column {column}, got '{token[:20]}': the functions are {known}")


def _check_place(before: str, token: str, column: int, wants: bool) -> None:
    """Refuse a token that cannot stand behind the one before it, where a value is wanted or not."""
    if before in FUNCTIONS and token != "(":
        _refuse(f"expected '(' after '{before}' at column {column}, got '{token}': write {before}(...)")
    begins = token == "(" or token in NAMES or token in FUNCTIONS or _is_number(token)
    if begins and not wants:
        _refuse(f"expected an operator between '{before}' and '{token}' at column {column}: write {before}*{token}")
    if wants and not begins and token not in ("+", "-"):
        _refuse(f"expected a number, x, y, a function or '(' at column {column}, got '{token}'")


def _note(inside: list[_Inside], before: str, token: str, column: int) -> None:
    """Open and close parentheses, and refuse a comparison out of place."""
    current = inside[-1]
    if token == "(":
        inside.append(_Inside(column, before if before in FUNCTIONS else "", before in ("", "(", ",")))
        if len(inside) > DEEPEST + 1:
            _refuse(f"expected at most {DEEPEST} parentheses inside each other, got more at column {column}")
    elif token in (",", ")"):
        _end_argument(current, token, column)
        if token == ")":
            _close(*inside[-2:])
            inside.pop()
    elif current.closed or (token in COMPARISONS and current.compared):
        _misplaced(current.compared)
    elif token in COMPARISONS:
        current.compared = column


def _misplaced(column: int) -> NoReturn:
    _refuse(f"expected a comparison as the first argument of where(condition, a, b) only, got one at column {column}")


def _end_argument(current: _Inside, token: str, column: int) -> None:
    if token == ")" and not current.column:
        _refuse(f"expected no ')' at column {column}: no '(' is open")
    if token == "," and not current.function:
        _refuse(f"expected no ',' at column {column}: commas separate a function's arguments, and 1.5 has a point")
    is_condition = current.function == "where" and current.commas == 0
    if current.function and current.compared and not is_condition:
        _misplaced(current.compared)
    if is_condition and not current.compared:
        _refuse(f"expected a comparison such as x > 0 before column {column}: write where(condition, a, b)")
    if token == ",":
        current.commas, current.compared, current.closed = current.commas + 1, 0, False


def _close(outer: _Inside, closing: _Inside) -> None:
    """Check a call's number of arguments; hand a comparison in parentheses on to where they stand."""
    if closing.function:
        _, least, most = FUNCTIONS[closing.function]
        if not least <= closing.commas + 1 <= most:
            wanted = f"{least} argument{'s' if least > 1 else ''}{' or more' if most > least else ''}"
            count, name = closing.commas + 1, closing.function
            _refuse(f"expected {wanted} of '{name}' in the parentheses at column {closing.column}, got {count}")
    elif closing.compared:
        if not closing.whole:
            _misplaced(closing.compared)
        outer.compared, outer.closed = closing.compared, True


def _check_end(inside: list[_Inside], last: str, column: int, wants: bool) -> None:
    if last in FUNCTIONS:
        _refuse(f"expected '(' after '{last}' at column {column}, got the end: write {last}(...)")
    if wants:
        _refuse(f"expected a number, x, y, a function or '(' at column {column}, got the end")
    if len(inside) > 1:
        _refuse(f"expected ')' at column {column}, got the end: the '(' at column {inside[-1].column} is still open")
    if inside[0].compared:
        _misplaced(inside[0].compared)
