"""Advice as plain data: what was understood, what is worth comparing and why, and the command that decides."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Point:
    """Something that speaks for a candidate, against it, or is told and was not confirmed.

    Attributes:
        words: It, in a sentence or two.
        kind: What it rests on: `"claim"`, `"measured"`, `"source"` or `"formula"`.
        weight: How much it counts: a measurement 2, what is published elsewhere or follows from a formula 1, what all
            measured problems say together 1; negative where it speaks against; 0 where it says nothing either way.
        claims: The claims that it rests on.
        link: Where to look it up: a page of the documentation, or an address.
        command: How to see the numbers or make them again; empty where there is none.
    """

    words: str
    kind: str
    weight: float
    claims: tuple[int, ...] = ()
    link: str = ""
    command: str = ""


@dataclass(frozen=True)
class Known:
    """One fact about the situation.

    Attributes:
        name: Of the question.
        words: The fact in words.
        value: The answer.
        origin: `"answered"` or `"seen"`.
    """

    name: str
    words: str
    value: Any
    origin: str


@dataclass(frozen=True)
class Candidate:
    """An optimizer that is worth comparing.

    Attributes:
        rule: The catalogue's rule.
        optimizer: It with its settings, as `thalweg compare --optimizers` takes it.
        torch: The line that makes it in torch, what the lab does not know (clipping, types) included.
        settings: The hyperparameters that are not at the rule's defaults, as text.
        rates: Where its learning rate is to be looked for.
        rates_from: Where these two numbers come from.
        state_bytes: What it keeps for each weight, beside the weight and its gradient.
        score: The sum of the weights of `reasons` and `against`.
        reasons: What speaks for it, the heaviest first.
        against: What speaks against it.
        notes: What its settings are for.
    """

    rule: str
    optimizer: str
    torch: str
    settings: Mapping[str, str]
    rates: tuple[float, float]
    rates_from: str
    state_bytes: float
    score: float
    reasons: tuple[Point, ...]
    against: tuple[Point, ...]
    notes: tuple[Point, ...] = ()


@dataclass(frozen=True)
class Passed:
    """A rule that is told to suit such a situation, or speaks for itself, and is no candidate all the same.

    Attributes:
        rule: The catalogue's rule.
        score: The sum of the weights.
        reasons: What speaks for it.
        against: What speaks against it.
    """

    rule: str
    score: float
    reasons: tuple[Point, ...]
    against: tuple[Point, ...]


@dataclass(frozen=True)
class Left:
    """A rule that was not considered, and why."""

    rule: str
    why: str


@dataclass(frozen=True)
class Decision:
    """The comparison that decides between the candidates.

    Attributes:
        command: To be typed.
        trainings: The whole trainings that it takes, at most; edges of a range may add some.
        words: What it does and what it cannot tell.
    """

    command: str
    trainings: int
    words: tuple[str, ...]


@dataclass(frozen=True)
class Advice:
    """All of it.

    Attributes:
        understood: The situation, fact by fact.
        saw: What was seen of model and data, in sentences.
        candidates: Two or three, the best supported first.
        passed: Rules that something speaks for, and that are no candidates.
        refuted: What is told about such a situation and was measured not to hold.
        unknown: What nobody measured here.
        turning: Questions without an answer, some answer to which would make other candidates.
        left_out: Rules that do not fit the situation.
        hints: What is worth doing whichever the optimizer is.
        decision: How to decide.
        version: Of Thalweg.
    """

    understood: tuple[Known, ...]
    saw: tuple[str, ...]
    candidates: tuple[Candidate, ...]
    passed: tuple[Passed, ...]
    refuted: tuple[Point, ...]
    unknown: tuple[str, ...]
    turning: tuple[str, ...]
    left_out: tuple[Left, ...]
    hints: tuple[Point, ...]
    decision: Decision
    version: str
