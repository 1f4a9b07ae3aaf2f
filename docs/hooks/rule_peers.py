"""Which class of which framework a rule is, how to get it in each, and from which rules of its name it differs."""

from __future__ import annotations

import functools
import re
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rule_index import FRAMEWORKS
from rule_text import named

from thalweg.formula import Peer, Rule
from thalweg.port.target import Source, Target, in_thalweg, nearest
from thalweg.port.words import DECAYS, call, written
from thalweg.rules import DIFFERS, PEERS, RULES
from thalweg.rules.peers import defaults
from thalweg.rules.setting import setting

FACES = ("torch", "keras", "optax")
COLUMNS = 88  # of a line of code on a page
_ROW = re.compile(r"^\| `(\w+)`: [^|]*\| `(\w+)`: [^|]*\| [^|]*\| ([^|]*) \| ([^|]*) \|", re.MULTILINE)


def frameworks(rule: Rule) -> Iterator[str]:
    """Calls to copy, for every framework: Thalweg's, then the framework's own and what that does otherwise."""
    source = Source("thalweg", rule.name, setting(rule), {})
    for framework, title in FRAMEWORKS.items():
        own, attempt = nearest(framework, source)
        ours = in_thalweg(framework, attempt, source) if framework in FACES else None
        if (ours and ours.code) or own.code:
            yield from (f"**{title}**", "", "```python", *_calls(own, ours), "```", "")
        if own.code and own.differs:
            yield from (*(f"- {_sentence(said, rule.name)}" for said in (*own.differs, *own.notes)), "")
    if rule.point:
        yield from ("**NumPy**", "", "```python", *_minimize(rule), "```", "")


def _calls(own: Target, ours: Target | None) -> Iterator[str]:
    mine = broken(ours.code) if ours and ours.code else []
    theirs = broken(own.code, "the nearest, which is not the same" if own.differs else "the same formula")
    yield from mine
    if own.code:
        yield from (("", *theirs) if mine and len(theirs) > 1 else theirs)


def broken(code: str, comment: str = "") -> list[str]:
    """A call in lines that a page has room for, its comment behind it or above it.

    Example:
        >>> broken("sgd(lr=0.1)", "the same formula")
        ['sgd(lr=0.1)  # the same formula']
        >>> broken("adam(learning_rate=0.001, " + "b1=0.9, " * 8 + ")", "the same formula")[0]
        '# the same formula:'
    """
    line = f"{code}  # {comment}" if comment else code
    if len(line) <= COLUMNS:
        return [line]
    above = [f"# {comment}:"] if comment else []
    return above + textwrap.wrap(code, COLUMNS, subsequent_indent="    ", break_long_words=False)


def _minimize(rule: Rule) -> list[str]:
    return broken(f"thalweg.minimize({rule.name!r}, gradient, start, steps=100, {written(dict(rule.hyper))})")


def _sentence(text: str, here: str) -> str:
    """A sentence that ends like one; it begins like one unless with a name in small letters."""
    begin = text[:1] if text.partition(" ")[0] in (*RULES, "torch") else text[:1].upper()
    return named(begin + text[1:].rstrip(".") + ".", here)


def peers(rule: Rule) -> Iterator[str]:
    """A table of the classes that are this rule, each at its own defaults."""
    found = [peer for name, peer in PEERS if name == rule.name]
    if not found:
        yield "No class of torch, Keras, Optax, MLX or TensorFlow 1 computes it."
        return
    yield from ("| | at its own defaults | its `weight_decay` |", "|---|---|---|")
    for peer in found:
        where = FRAMEWORKS.get(peer.framework, "the paper")
        wrong = f"<br>But: {peer.wrong}" if peer.wrong else ""
        yield f"| {where} | `{at_defaults(rule, peer)}`{wrong} | {_decay(peer)} |"


def at_defaults(rule: Rule, peer: Peer) -> str:
    """A class called so that it is the rule, with its own defaults where it has some.

    Example:
        >>> from thalweg.rules import RULES
        >>> momentum = RULES["momentum"]
        >>> at_defaults(momentum, next(p for n, p in PEERS if n == "momentum" and p.framework == "torch"))
        'torch.optim.SGD(params, lr=0.001, momentum=0.9)'
    """
    usual = defaults(peer.framework, peer.name)
    numbers = {argument: usual.get(argument) or _of_rule(rule, held) for argument, held in peer.spelling.items()}
    flags = {flag: value for flag, value in peer.flags.items() if usual.get(flag) != value}
    return call(peer.framework, peer.name, numbers | flags).removeprefix("paper.")


def _of_rule(rule: Rule, held: str | tuple[str, ...]) -> Any:
    """The rule's own default for what an argument holds."""
    return rule.hyper[held] if isinstance(held, str) else tuple(rule.hyper[letter] for letter in held)


def _decay(peer: Peer) -> str:
    in_the_rule = "decay" in peer.spelling.values()
    return DECAYS[peer.decay or "own"] if peer.decay or in_the_rule else ""


def differences(rule: Rule, peers_page: Path) -> Iterator[str]:
    """Sentences on the rules of the same name, with the measured gap from the page on disagreements."""
    gaps = measured(peers_page)
    for pair, difference in DIFFERS.items():
        if rule.name not in pair:
            continue
        gap, halved = gaps[pair]
        other = pair[1] if pair[0] == rule.name else pair[0]
        yield f"| [`{other}`]({other}.md) | {named(difference.sentence, rule.name)} | {gap} | {halved} |"


@functools.cache
def measured(peers_page: Path) -> dict[tuple[str, str], tuple[str, str]]:
    """The gaps of every pair of rules, as the page on disagreements has them: under a constant lr, and a halved one."""
    rows = _ROW.findall(peers_page.read_text(encoding="utf-8"))
    return {(one, other): (gap, halved) for one, other, gap, halved in rows}
