"""Lists that pages ask for by a comment: the schedules, each from its own file, and the classes of a framework."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator

import docstrings

from thalweg.rules import PEERS, RULES
from thalweg.rules.peers import classes
from thalweg.schedules import SCHEDULES
from thalweg.watch.alarms import ALARMS
from thalweg.watch.figure import FIGURES

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


def figures() -> Iterator[str]:
    """What is measured of every layer and group."""
    yield from ("| figure | name | what it is |", "|---|---|---|")
    for figure in FIGURES:
        yield f"| {figure.title} | `{figure.name}` | {figure.meaning}{' *Sampled.*' if figure.sampled else ''} |"


def alarms() -> Iterator[str]:
    """Every alarm: what it means, what to try, from which numbers on."""
    for alarm in ALARMS:
        thresholds = ", ".join(f"{name} {number:g}" for name, number in alarm.thresholds.items())
        yield from (f"### {alarm.title}", "", f"{alarm.meaning} **Try:** {alarm.advice}", "")
        compared = f" · Thresholds: {thresholds}." if thresholds else ""
        yield from (f"`{alarm.name}` · Source: {alarm.source}.{compared}", "")


MADE: dict[str, Callable[[], Iterator[str]]] = {
    "schedules": schedules,
    "figures of watch": figures,
    "alarms of watch": alarms,
    "classes of torch": lambda: classes_of("torch"),
    "classes of optax": lambda: classes_of("optax"),
    "classes of keras": lambda: classes_of("keras"),
}
