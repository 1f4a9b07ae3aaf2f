"""A situation: what is known about a training; what is not known rules nothing out."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

from thalweg.advise.questions import ALL, BY_NAME, NAMES, answer
from thalweg.errors import InputError, did_you_mean

LONG = 10_000  # steps from which on a training counts as long here: three times the longest that was measured


@dataclass(frozen=True)
class Situation:
    """What is known; None is "don't know". The names are those of the questions.

    Attributes:
        task: What is learned.
        pretrained: Whether the weights are good already.
        network: Its kind.
        sparse: Whether most weights have no gradient in most batches.
        batch_size: Samples per step, or `ALL`.
        samples: To train on.
        parameters: How many weights.
        dtype: Of the weights.
        memory: Bytes per weight that the optimizer may keep.
        scales: Whether losses or features are of different scale.
        tiny: Whether gradients are tiny.
        plateau: Whether the loss stands still at first.
        decay: Whether weight decay is wanted.
        steps: Of a training.
        trainings: That can be spent on choosing.

    Example:
        >>> Situation(batch_size=200, samples=200).full_batch, Situation(batch_size=32).full_batch
        (True, None)
    """

    task: str | None = None
    pretrained: bool | None = None
    network: str | None = None
    sparse: bool | None = None
    batch_size: int | str | None = None
    samples: int | None = None
    parameters: int | None = None
    dtype: str | None = None
    memory: float | None = None
    scales: bool | None = None
    tiny: bool | None = None
    plateau: bool | None = None
    decay: bool | None = None
    steps: int | None = None
    trainings: int | None = None

    @property
    def full_batch(self) -> bool | None:
        """Whether every step sees all samples; None where that is unknown."""
        if self.batch_size is None or self.batch_size == ALL:
            return None if self.batch_size is None else True
        return None if self.samples is None else self.batch_size == self.samples

    @property
    def given(self) -> dict[str, Any]:
        """What is known."""
        return {field.name: value for field in fields(self) if (value := getattr(self, field.name)) is not None}

    @property
    def is_long(self) -> bool | None:
        """Whether a training is long; None where that is unknown."""
        return None if self.steps is None else self.steps >= LONG


def situation(answers: dict[str, Any]) -> Situation:
    """The situation that answers describe.

    Args:
        answers: By the questions' names; None and `"don't know"` for what is not known.

    Raises:
        InputError: If a name is unknown, a value is no answer, or answers contradict each other.

    Example:
        >>> situation({"task": "regression", "batch_size": "all"}).full_batch
        True
        >>> situation({"batch_size": 64, "samples": 32})
        Traceback (most recent call last):
        thalweg.errors.InputError: expected no more samples in a batch than there are, got 64 of 32: ...
    """
    for name in answers:
        if name not in BY_NAME:
            raise InputError(f"there is no question '{name}': {did_you_mean(str(name), list(NAMES))}")
    found = Situation(**{name: answer(BY_NAME[name], value) for name, value in answers.items()})
    _check(found)
    return found


def with_answers(seen: Situation, answers: dict[str, Any]) -> Situation:
    """What was seen, overridden by what was answered.

    Raises:
        InputError: As `situation` does.
    """
    return situation({**seen.given, **answers})


def _check(given: Situation) -> None:
    """Refuse answers that contradict each other."""
    if isinstance(given.batch_size, int) and given.samples is not None and given.batch_size > given.samples:
        raise InputError(
            f"expected no more samples in a batch than there are, got {given.batch_size} of {given.samples}: "
            "change one, or write batch_size = 'all'"
        )
