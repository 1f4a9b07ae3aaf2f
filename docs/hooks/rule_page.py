"""The page of a rule, made from the rule."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import rule_numbers
import rule_peers
import rule_picture
import rule_text

from thalweg.compile.show import FORMS, first_sentence, shown
from thalweg.formula import Rule

HEADINGS = {"Use it when": "When to use it, and when not"}
PEERS_PAGE = Path(__file__).parents[1] / "peers.md"
# What `thalweg show` prints besides the formula: what it is called, and the language that it is in.
CODE = {
    "program": ("Program", "text"),
    "numpy": ("NumPy", "python"),
    "numba": ("Numba", "python"),
    "triton": ("Triton", "python"),
    "javascript": ("JavaScript", "javascript"),
    "latex": ("LaTeX", "latex"),
}


def page(rule: Rule) -> str:
    """The whole page."""
    return "\n".join(
        [
            *(f"# {rule.name}", "", first_sentence(rule), ""),
            *_section("Formula", rule_numbers.formula(rule)),
            *("As written, and as every backend runs it:", "", "```python", shown(rule, "formula"), "```", ""),
            *_texts(rule, ("Why it works", "Use it when", "Pitfalls")),
            *_section("Trajectories", rule_picture.section(rule)),
            *_section("In every framework", rule_peers.frameworks(rule)),
            *(_section("Hyperparameters", rule_numbers.hyperparameters(rule)) if rule.hyper else ()),
            *_section("State", rule_numbers.state(rule)),
            *_section("Facts", rule_numbers.facts(rule)),
            *_section("Example", [rule_text.example(rule)]),
            *_section("Who computes it", rule_peers.peers(rule)),
            *_differs(rule),
            *_texts(rule, ("Source",)),
            *_code(rule),
        ]
    )


def _section(title: str, lines: Iterator[str] | list[str]) -> Iterator[str]:
    """A section, unless there is nothing in it."""
    found = list(lines)
    if found:
        yield from (f"## {title}", "", *found, "")


def _texts(rule: Rule, titles: tuple[str, ...]) -> Iterator[str]:
    """Parts of the rule's own text."""
    present = rule_text.parts(rule)
    for title in titles:
        if title in present:
            yield from _section(HEADINGS.get(title, title), [rule_text.sentences(rule, title)])


def _differs(rule: Rule) -> Iterator[str]:
    rows = list(rule_peers.differences(rule, PEERS_PAGE))
    yield from _texts(rule, ("Differs from",))
    if rows:
        yield from ("| rule of the same name | what differs | gap | lr halved every 10 steps |", "|---|---|---|---|")
        yield from (*rows, "", "A gap of 0 is the same path, 1 as far apart as if one had not moved:")
        yield from ("[how it was measured](../peers.md).", "")


def _code(rule: Rule) -> Iterator[str]:
    """What is made of the rule, each in a block that opens; none of it is for the search."""
    yield from ("## Generated code { data-search-exclude }", "")
    yield from (f"`thalweg show {rule.name} --as FORM` prints it too.", "")
    for form in (form for form in FORMS if form != "formula"):
        title, language = CODE.get(form, (form, "text"))
        source = shown(rule, form).rstrip().splitlines()
        block = [f"```{language}", *source, "```"]
        yield from (f'??? note "{title}"', "", *(f"    {line}" if line else "" for line in block), "")
