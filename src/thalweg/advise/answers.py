"""Answers: from a file of TOML or JSON, as a template to fill in, or asked one by one."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from thalweg.advise.questions import QUESTIONS, Question, answer
from thalweg.advise.situation import Situation, situation
from thalweg.errors import InputError

EXPLAIN = "?"


def read_answers(path: Path) -> dict[str, Any]:
    """The answers of a file: one `name = value` each, or an object of JSON.

    Args:
        path: Its ending says what it is: .toml or .json.

    Raises:
        InputError: If it cannot be read, or what it says is no answer.
    """
    if path.suffix.lower() not in (".toml", ".json"):
        raise InputError(f"expected a file of answers that ends in .toml or .json, got '{path}': rename it")
    try:
        text = path.read_text(encoding="utf-8-sig")
        found = json.loads(text) if path.suffix.lower() == ".json" else tomllib.loads(text)
    except OSError as error:
        raise InputError(
            f"expected a file of answers at '{path}', got '{error.strerror}': 'thalweg advise --questions' prints one"
        ) from None
    except (ValueError, RecursionError) as error:
        kind = path.suffix[1:].upper()
        raise InputError(f"expected '{path}' to be {kind}, got what does not read as such ({error}): mend it") from None
    if not isinstance(found, dict):
        raise InputError(
            f"expected '{path}' to hold one object with answers by name, got a {type(found).__name__}: "
            "'thalweg advise --questions' prints a template"
        )
    situation(found)
    return found


def template(known: Situation | None = None) -> str:
    """Every question as TOML, to be saved and filled in; what is known is filled in already.

    Args:
        known: What was seen; None for nothing.
    """
    lines = ["# Answers for: thalweg advise --answers FILE", "# Leave out, or as a comment, what you don't know."]
    for question in QUESTIONS:
        value = getattr(known, question.name) if known else None
        lines += ["", f"# {question.words}", f"# ({question.why})", *_choices(question)]
        lines.append(
            f"# {question.name} = {_example(question)}" if value is None else f"{question.name} = {_toml(value)}"
        )
    return "\n".join(lines) + "\n"


def _choices(question: Question) -> Iterator[str]:
    for name, meaning in question.choices:
        yield f'#   "{name}": {meaning}'


def _example(question: Question) -> str:
    if question.choices:
        return _toml(question.choices[0][0])
    return "true" if question.kind == "yes or no" else f"{question.low:g}"


def _toml(value: Any) -> str:
    return json.dumps(value)  # texts, numbers and truth are spelled alike in both


def ask(
    read: Callable[[str], str], tell: Callable[[str], None], questions: tuple[Question, ...] = QUESTIONS
) -> dict[str, Any]:
    """Ask one question after the other; nothing typed is "don't know", and `?` explains.

    Args:
        read: From a prompt to what was typed; it raises EOFError when there is nothing more.
        tell: Shows a line.
        questions: Which ones.

    Returns:
        The answers that were given.

    Raises:
        InputError: If the answers contradict each other.

    Example:
        >>> typed = iter(["regression", "", "", "", "all"])
        >>> ask(lambda prompt: next(typed), lambda line: None, QUESTIONS[:5])
        {'task': 'regression', 'batch_size': 'all'}
    """
    answers: dict[str, Any] = {}
    for place, question in enumerate(questions):
        tell(f"\n{place + 1} of {len(questions)}: {question.words}")
        try:
            value = _asked(question, answers, read, tell)
        except EOFError:
            tell("")
            break  # what is left is not known
        if value is not None:
            answers[question.name] = value
    return answers


def _asked(question: Question, answers: dict[str, Any], read: Callable[[str], str], tell: Callable[[str], None]) -> Any:
    """One question until it has an answer that fits."""
    short = "/".join(name for name, _ in question.choices) or question.kind
    while True:
        typed = read(f"  {short} [don't know, ? explains]: ").strip()
        if typed == EXPLAIN:
            tell(f"  Why: {question.why}.")
            for name, meaning in question.choices:
                tell(f"  {name}: {meaning}")
            continue
        try:
            value = answer(question, typed)
            situation({**answers, question.name: value})
            return value
        except InputError as error:
            tell(f"  {error}")
