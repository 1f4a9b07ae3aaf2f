"""The catalogue: every declared claim, in the order of the numbers."""

from __future__ import annotations

import functools
import pkgutil
from collections.abc import Iterable
from importlib import import_module

from thalweg.claims import declared
from thalweg.claims.claim import Claim
from thalweg.errors import InputError


@functools.cache
def catalogue() -> tuple[Claim, ...]:
    """All claims: each file of `declared/` defines one."""
    names = (found.name for found in pkgutil.iter_modules(declared.__path__))
    modules = (import_module(f"{declared.__name__}.{name}") for name in sorted(names))
    return tuple(sorted((module.CLAIM for module in modules), key=lambda claim: claim.number))


def chosen(numbers: Iterable[int] | None) -> tuple[Claim, ...]:
    """The claims with these numbers, each once and in order; all where none is named.

    Raises:
        InputError: If there is no claim of a number.
    """
    known = {claim.number: claim for claim in catalogue()}
    wanted = sorted(set(numbers or known))
    for number in wanted:
        if number not in known:
            raise InputError(
                f"there is no claim {number}: expected numbers from {min(known)} to {max(known)}; "
                "'thalweg claims --plan' lists them"
            )
    return tuple(known[number] for number in wanted)
