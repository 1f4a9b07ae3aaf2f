"""What a rule's file says of it: the parts of its docstring, as Markdown."""

from __future__ import annotations

import inspect
import re

import docstrings

from thalweg.formula import Rule
from thalweg.rules import RULES

# How each part begins on a page, where its title alone is no beginning of a sentence.
BEGINNINGS = {"Use it when": "Use it when ", "Differs from": "It differs from "}
_PART = re.compile(r"^(Why it works|Source|Differs from|Use it when|Pitfalls|Example):\s", re.MULTILINE)
_CODE = re.compile(r"`([a-z_]+)`")
_BARE = re.compile(r"(?<![\w`(])(" + "|".join(sorted(RULES, key=len, reverse=True)) + r")(?![\w`(])")


def parts(rule: Rule) -> dict[str, str]:
    """The docstring's parts by their titles, each as it stands there; the first sentence has none.

    Example:
        >>> sorted(parts(RULES["sgd"]))
        ['Differs from', 'Example', 'Pitfalls', 'Source', 'Use it when', 'Why it works']
    """
    text = inspect.getdoc(inspect.getmodule(rule.formula)) or ""
    _, *found = _PART.split(text)
    return dict(zip(found[::2], (part.strip("\n") for part in found[1::2]), strict=True))


def sentences(rule: Rule, part: str) -> str:
    """A part as one paragraph of whole sentences, in which other rules are links.

    Example:
        >>> sentences(RULES["sgd"], "Differs from")
        'It differs from no framework at all.'
    """
    said = " ".join(parts(rule)[part].split())
    begin = BEGINNINGS.get(part, "")
    return linked(begin + said if begin else said[:1].upper() + said[1:], rule.name)


def linked(text: str, here: str = "") -> str:
    """A text in which every other rule's name leads to its page.

    Example:
        >>> linked("as `adam`, but not `sgd`", here="sgd")
        'as [`adam`](adam.md), but not `sgd`'
    """
    return _CODE.sub(lambda name: _link(name[1], here) if name[1] in RULES else name[0], text)


def named(text: str, here: str = "") -> str:
    """A sentence on how rules differ, which has their names without quotes, as one with links.

    Example:
        >>> named("adagrad has epsilon outside", here="adam")
        '[`adagrad`](adagrad.md) has epsilon outside'
    """
    return _BARE.sub(lambda name: _link(name[1], here), text)


def _link(name: str, here: str) -> str:
    return f"`{name}`" if name == here else f"[`{name}`]({name}.md)"


def example(rule: Rule) -> str:
    """The example: its words, and what runs as a block of code."""
    return linked(docstrings.example(parts(rule)["Example"]), rule.name)
