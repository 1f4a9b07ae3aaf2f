"""Advice for a terminal: what was understood, the candidates with their reasons, what is not known, the command."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from thalweg.advise.table import Advice, Candidate, Decision, Known, Passed, Point

if TYPE_CHECKING:
    from rich.console import RenderableType

SEEN = "seen"


def render(advice: Advice, width: int = 80) -> RenderableType:
    """All but the command, which `command` has: it must stay whole to be copied, however long.

    Args:
        advice: What to show.
        width: No line gets longer than this many columns.
    """
    from rich.console import Group
    from rich.constrain import Constrain
    from rich.text import Text

    parts: list[RenderableType] = []
    for title, lines in sections(advice):
        parts += [Text(title, style="bold underline"), *(_line(*line) for line in lines), Text()]
    return Constrain(Group(*parts), width)


def command(advice: Advice) -> str:
    """The command that decides, an option a line, as a shell takes it."""
    lines: list[list[str]] = [[]]
    for word in shlex.split(advice.decision.command):
        if word.startswith("--"):
            lines.append([])
        lines[-1].append(word)
    return " \\\n    ".join(map(shlex.join, lines))


def _line(indent: int, mark: str, text: str) -> RenderableType:
    """A paragraph behind a mark, its further lines below its first."""
    from rich.padding import Padding
    from rich.table import Table
    from rich.text import Text

    style = {"link": "dim", "name": "bold"}.get(mark, "")
    shown = {"link": "", "name": ""}.get(mark, mark)
    grid = Table.grid(padding=(0, 1, 0, 0))
    if shown:
        grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    words = Text(text, style=style)
    grid.add_row(*([shown, words] if shown else [words]))
    return Padding(grid, (0, 0, 0, indent))


Line = tuple[int, str, str]  # how far it is indented, the mark before it, its words


def sections(advice: Advice) -> Iterator[tuple[str, list[Line]]]:
    """Title and lines of every section that has any."""
    yield "What was understood", list(_understood(advice.understood, advice.saw))
    yield "Candidates, the best supported first", [line for c in _numbered(advice.candidates) for line in c]
    for title, lines in (
        ("Told of, and not among them", [line for one in advice.passed for line in _passed(one)]),
        ("Told, measured, and not so here", [line for point in advice.refuted for line in _point("-", point, 0)]),
        ("Whichever it is", [line for point in advice.hints for line in _point("-", point, 0)]),
        ("What does not fit", [(0, "-", f"{one.rule}: {one.why}") for one in advice.left_out]),
        ("What is not known", [(0, "-", text) for text in _unknown(advice)]),
        ("The command that decides", [(0, "", text) for text in _decision(advice.decision)]),
    ):
        if lines:
            yield title, lines


def _understood(known: Sequence[Known], saw: Sequence[str]) -> Iterator[Line]:
    for origin, title in (("answered", "answered"), (SEEN, "seen")):
        told = [one.words for one in known if one.origin == origin]
        if told:
            yield 0, "", f"{title}: {'; '.join(told)}"
    yield from ((0, "-", text) for text in saw)
    if not known and not saw:
        yield 0, "", "nothing: every answer is open"


def _numbered(candidates: Sequence[Candidate]) -> Iterator[list[Line]]:
    for place, candidate in enumerate(candidates, start=1):
        low, high = candidate.rates
        lines: list[Line] = [
            (0, "name", f"{place}. {candidate.optimizer}"),
            (3, "", f"learning rate: look from {low:g} to {high:g} ({candidate.rates_from})"),
            (3, "", f"keeps {candidate.state_bytes:g} bytes per weight"),
            (3, "", f"in torch: {candidate.torch}"),
        ]
        for mark, points in (("+", candidate.reasons), ("-", candidate.against), ("·", candidate.notes)):
            lines += [line for point in points for line in _point(mark, point, 3)]
        if not candidate.reasons:
            lines.append((3, "·", "nothing measured or published speaks for it here: it fits, no more"))
        yield lines


def _passed(one: Passed) -> Iterator[Line]:
    yield 0, "name", one.rule
    for mark, points in (("+", one.reasons), ("-", one.against)):
        yield from (line for point in points for line in _point(mark, point, 3))


def _point(mark: str, point: Point, indent: int) -> Iterator[Line]:
    yield indent, mark, point.words
    if place := " · ".join(text for text in (point.command, point.link) if text):
        yield indent + 2, "link", place


def _unknown(advice: Advice) -> Iterator[str]:
    yield from advice.unknown
    if advice.turning:
        yield f"Not answered, though some answer would make other candidates: {', '.join(advice.turning)}."


def _decision(decision: Decision) -> Iterator[str]:
    yield from decision.words
    count = decision.trainings
    yield f"It takes {count} training{'s' if count > 1 else ''} at most, and more only where a best rate is on an edge."
