"""`thalweg advise`: from a few questions, or a look at model and data, to candidates and the command that decides."""

from __future__ import annotations

import json
import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from thalweg.errors import InputError

if TYPE_CHECKING:
    from thalweg.advise.choose import Asked
    from thalweg.advise.look import Seen


def advise(
    answers: Annotated[Path | None, typer.Option(help="A file of answers: .toml or .json.")] = None,
    look: Annotated[
        str | None, typer.Option(help="A problem of the lab, or a Python file as compare takes it.")
    ] = None,
    questions: Annotated[
        bool, typer.Option("--questions", help="Print the questions as a file of answers to fill in.")
    ] = False,
    verdicts: Annotated[
        Path | None, typer.Option(help="Your own 'thalweg claims --json' instead of the shipped verdicts.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the advice as one JSON document.")] = False,
) -> None:
    """Name two or three optimizers worth comparing, why, and the command that decides between them."""
    from thalweg.advise.answers import template
    from thalweg.advise.choose import advise as advised
    from thalweg.advise.evidence import evidence

    given = _answered(answers)
    seen = _looked(look)
    if questions:
        print(template(_asked(given or {}, seen, look).given), end="")
        return
    found = evidence(verdicts)
    if given is None and seen is None:
        given = _questioned()
    _show(advised(_asked(given or {}, seen, look), found), as_json)


def _answered(path: Path | None) -> dict[str, Any] | None:
    from thalweg.advise.answers import read_answers

    return None if path is None else read_answers(path)


def _looked(reference: str | None) -> Seen | None:
    if reference is None:
        return None
    from thalweg.advise.look import look

    with redirect_stdout(sys.stderr):  # what a problem's file prints is no advice
        return look(reference)


def _asked(given: dict[str, Any], seen: Seen | None, look: str | None) -> Asked:
    from thalweg.advise.choose import Asked
    from thalweg.advise.situation import situation, with_answers

    if seen is None or look is None:
        return Asked(situation(given))
    return Asked(
        with_answers(seen.facts, given), frozenset(seen.facts.given.keys() - given.keys()), seen.sentences, look
    )


def _questioned() -> dict[str, Any]:
    """The questions one by one, on a terminal; what is said goes where it does not mix with the advice."""
    from thalweg.advise.answers import ask

    if not sys.stdin.isatty():
        raise InputError(
            "expected answers, got no terminal to ask on: give --answers FILE ('thalweg advise --questions' prints one "
            "to fill in), or --look with a problem"
        )
    tell = lambda line: print(line, file=sys.stderr)  # noqa: E731
    tell("Press Enter where you don't know; ? explains why a question is asked.")

    def read(prompt: str) -> str:
        print(prompt, end="", file=sys.stderr, flush=True)
        line = sys.stdin.readline()
        if not line:
            raise EOFError
        return line

    return ask(read, tell)


def _show(advice: Any, as_json: bool) -> None:
    if as_json:
        from thalweg.lab.document import to_plain

        print(json.dumps(to_plain(advice), indent=2, allow_nan=False, ensure_ascii=False))
        return
    from rich.console import Console

    from thalweg.report.advice import command, render

    console = Console()
    console.print(render(advice, width=min(console.width, 100)))
    print(command(advice))
