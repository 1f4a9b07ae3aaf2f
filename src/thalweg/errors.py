"""The one error that a user's input can raise: a sentence that says what was expected and what to do."""

from difflib import get_close_matches

MOST_NAMES = 10  # more than these make no sentence


class InputError(ValueError):
    """Bad input, refused before any work starts; the command line prints it and exits with code 2.

    Example:
        >>> raise InputError("expected a positive lr, got -1: choose a number above 0")
        Traceback (most recent call last):
        thalweg.errors.InputError: expected a positive lr, got -1: choose a number above 0
    """


class FormulaError(InputError):
    """A rule's formula breaks a promise of the formula language, for instance by branching on a symbol."""


def in_short(error: BaseException) -> str:
    r"""Somebody else's error within a sentence of ours: its type, and the first line of what it says.

    Example:
        >>> in_short(RuntimeError("shapes differ\n  (3,) and (4,)")), in_short(KeyError())
        ('RuntimeError: shapes differ', 'KeyError')
    """
    said = next((line.strip() for line in str(error).splitlines() if line.strip()), "")
    return f"{type(error).__name__}: {said}" if said else type(error).__name__


def did_you_mean(name: str, known: list[str]) -> str:
    """The end of a sentence about an unknown name: a near match when there is one, and the known names.

    Example:
        >>> did_you_mean("adm", ["adam", "sgd"])
        "did you mean 'adam'? known: adam, sgd"
    """
    near = get_close_matches(name, known, n=1)
    hint = f"did you mean '{near[0]}'? " if near else ""
    shown = ", ".join(known) if len(known) <= MOST_NAMES else f"{', '.join(known[:MOST_NAMES])} ..."
    return f"{hint}known: {shown}"
