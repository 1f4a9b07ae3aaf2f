"""What problems read: text that comes with Python, and what all of them say of a source that they do not have."""

from __future__ import annotations

from thalweg.errors import InputError


def only_own(source: str | None, problem: str) -> None:
    """Refuse a `--data` argument for a problem that has one source of data, its own.

    Args:
        source: The `--data` argument.
        problem: The problem's name.

    Raises:
        InputError: If there is a source.

    Example:
        >>> only_own(None, "text-lstm")
    """
    if source is not None:
        raise InputError(
            f"expected no source of data for the problem '{problem}', which has its own, got {source!r}: "
            "leave --data out, or write a problem of your own"
        )
