"""`Watched`: an optimizer's state that remembers whether anybody has looked into it.

A kernel writes through addresses, so each step must know that every state tensor is where it was. Asking all of them
costs as much as the rest of a small model's step. Nobody can have moved a tensor of a state that nobody has seen.
"""

from __future__ import annotations

import functools
from collections import defaultdict
from collections.abc import Callable
from typing import Any


class Watched(defaultdict):
    """A `defaultdict` with a mark that every way to its contents sets, and that nothing takes back.

    Attributes:
        seen: Whether somebody may hold a part of it. Thalweg itself looks past the mark, with `dict`'s own methods.

    Example:
        >>> state = Watched(dict)
        >>> state.seen, len(state), state["x"], state.seen
        (False, 0, {}, True)
    """

    seen: bool = False


def _marking(name: str) -> Callable[..., Any]:
    plain = getattr(defaultdict, name)

    @functools.wraps(plain)
    def method(self: Watched, *arguments: Any, **named: Any) -> Any:
        self.seen = True
        return plain(self, *arguments, **named)

    return method


WAYS_IN = (
    *(
        "__getitem__",
        "__setitem__",
        "__delitem__",
        "__iter__",
        "__reversed__",
        "__or__",
        "__ror__",
        "__ior__",
        "__eq__",
    ),
    *("__reduce__", "__copy__", "__repr__", "get", "items", "keys", "values", "copy", "pop", "popitem", "setdefault"),
    *("__eq__", "update", "clear"),
)
for _name in WAYS_IN:
    setattr(Watched, _name, _marking(_name))
