"""Lists that pages ask for by a comment: the schedules, each from its own file, and the classes of a framework."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator

import docstrings

from thalweg.rules import PEERS, RULES
from thalweg.rules.peers import classes
from thalweg.schedules import SCHEDULES

_ASKED = re.compile(r"^<!-- made: (?P<what>.+?) -->$", re.MULTILINE)


def filled(markdown: str) -> str:
    """A page with the lists that it asks for, `<!-- made: schedules -->` or `<!-- made: classes of keras -->`.

    Raises:
        ValueError: If there is no such list.
    """
    return _ASKED.sub(lambda asked: "\n".join(_made(asked["what"])), markdown)


def _made(what: str) -> Iterator[str]:
    if what not in MADE:
        raise ValueError(f"there is no list '{what}' to be made: known are {', '.join(MADE)}")
    return MADE[what]()


def schedules() -> Iterator[str]:
    """Every schedule: how it is called, and what its file says of it."""
    for family in SCHEDULES.values():
        yield from (f"### {family.name}", "", "```python", family.usage, "```", "")
        words, _, example = (inspect.getdoc(inspect.getmodule(family.formula)) or "").partition("\n\nExample:\n")
        yield from (words, "", docstrings.example(example) if example else "", "")


def classes_of(framework: str) -> Iterator[str]:
    """A framework's names and the rules that they are, by their arguments."""
    yield from ("| name | rule |", "|---|---|")
    for _, name in sorted(classes(framework).items()):
        rules = dict.fromkeys(rule for rule, peer in PEERS if (peer.framework, peer.name) == (framework, name))
        yield f"| `{name}` | {', '.join(f'[`{rule}`](../rules/{rule}.md)' for rule in rules if rule in RULES)} |"


MADE: dict[str, Callable[[], Iterator[str]]] = {
    "schedules": schedules,
    "classes of torch": lambda: classes_of("torch"),
    "classes of optax": lambda: classes_of("optax"),
    "classes of keras": lambda: classes_of("keras"),
}
