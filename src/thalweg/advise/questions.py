"""The questions of `thalweg advise`, and what counts as an answer to each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import isfinite
from typing import Any, Literal

from thalweg.errors import InputError, did_you_mean

ALL = "all"  # a batch of all samples


@dataclass(frozen=True)
class Question:
    """One question.

    Attributes:
        name: Its key in a file of answers.
        words: The question.
        why: What depends on the answer.
        kind: What an answer is.
        choices: For `"choice"`, every answer with its meaning.
        low: The smallest number.
        high: The largest.
        also: A word that is an answer besides numbers.
        said: The answer as a fact; `{}` stands for it.
    """

    name: str
    words: str
    why: str
    kind: Literal["choice", "yes or no", "whole number", "number"]
    said: str
    choices: tuple[tuple[str, str], ...] = ()
    low: float = 1
    high: float = 1e15
    also: str = ""


TASKS = (
    ("classification", "one of several classes"),
    ("regression", "numbers"),
    ("language-model", "the next word or character"),
    ("reinforcement-learning", "a policy that learns by trying"),
    ("recommendation", "embeddings of users, items, words"),
    ("generative", "an autoencoder or another model that makes samples"),
    ("physics", "an equation or a physical model, solved by descent"),
)
NETWORKS = (
    ("linear", "one layer, such as a logistic regression"),
    ("dense", "fully connected layers"),
    ("convolutional", "convolutions"),
    ("recurrent", "an RNN, LSTM or GRU"),
    ("transformer", "attention"),
    ("embeddings", "embeddings and little else"),
)
DTYPES = (
    ("float64", "8 bytes"),
    ("float32", "4 bytes"),
    ("bfloat16", "2 bytes, of which 8 bits say how large"),
    ("float16", "2 bytes"),
)

QUESTIONS: tuple[Question, ...] = (
    Question(
        "task",
        "What is learned?",
        "what was measured on problems of the same kind counts first",
        "choice",
        "it learns {}",
        TASKS,
    ),
    Question(
        "pretrained",
        "Are the weights good already (fine-tuning)?",
        "good weights want smaller learning rates",
        "yes or no",
        "the weights are {} pretrained",
    ),
    Question(
        "network",
        "What is the network?",
        "recurrent networks and transformers have difficulties of their own: clipping, warm-up",
        "choice",
        "the network: {}",
        NETWORKS,
    ),
    Question(
        "sparse",
        "Do most weights have no gradient in most batches (rare words, rare items)?",
        "rules that give every weight a rate of its own are told to be better then",
        "yes or no",
        "gradients are {} sparse",
    ),
    Question(
        "batch_size",
        "How many samples are in a batch? ('all' for all of them)",
        "some rules need the exact gradient, of all samples at once",
        "whole number",
        "{} samples in a batch",
        also=ALL,
    ),
    Question(
        "samples",
        "How many samples are there to train on?",
        "with the batch size it says how noisy gradients are",
        "whole number",
        "{} samples to train on",
    ),
    Question(
        "parameters",
        "How many weights has the model?",
        "the optimizer keeps up to a few numbers for each",
        "whole number",
        "{} weights",
    ),
    Question(
        "dtype",
        "What type are the weights stored in?",
        "small updates are lost in 16-bit weights unless something is done about it",
        "choice",
        "weights in {}",
        DTYPES,
    ),
    Question(
        "memory",
        "How many bytes per weight may the optimizer keep, besides the weight and its gradient?",
        "Adam keeps two numbers per weight, momentum one, gradient descent none",
        "number",
        "{} bytes per weight for the optimizer's state, at most",
        low=0,
        high=1000,
    ),
    Question(
        "scales",
        "Are there several losses, or features, of very different scale?",
        "rules whose step does not depend on the gradient's scale are told to be better then",
        "yes or no",
        "losses or features are {} of different scale",
    ),
    Question(
        "tiny",
        "Are gradients tiny, about 1e-6 or less?",
        "then epsilon, 1e-8 by default, may rule the denominator of an adaptive rule",
        "yes or no",
        "gradients are {} tiny",
    ),
    Question(
        "plateau",
        "Does the loss stand still at first (a plateau, a saddle)?",
        "some rules are told to leave flat regions sooner",
        "yes or no",
        "the loss does {} stand still at first",
    ),
    Question(
        "decay",
        "Do you want weight decay?",
        "in an adaptive rule it matters how the decay is applied",
        "yes or no",
        "weight decay is {} wanted",
    ),
    Question(
        "steps",
        "How many steps does a training take?",
        "some rules slow down in long trainings",
        "whole number",
        "{} steps in a training",
    ),
    Question(
        "trainings",
        "How many whole trainings can you spend on choosing, in all?",
        "defaults, a search for the learning rate, or full tuning",
        "whole number",
        "{} trainings to choose with",
        low=0,
    ),
)
NAMES = tuple(question.name for question in QUESTIONS)
BY_NAME = {question.name: question for question in QUESTIONS}


UNKNOWN = ("don't know", "dont know", "unknown", "")


def answer(question: Question, value: Any) -> Any:
    """A value as the answer to a question; None for "don't know".

    Args:
        question: The question.
        value: As a file has it, or as text.

    Raises:
        InputError: If it is none.

    Example:
        >>> answer(BY_NAME["sparse"], "yes"), answer(BY_NAME["batch_size"], "1e3"), answer(BY_NAME["task"], None)
        (True, 1000, None)
    """
    value = value.strip() if isinstance(value, str) else value
    if value is None or (isinstance(value, str) and value.lower() in UNKNOWN):
        return None
    return _READERS[question.kind](question, value)


def _choice(question: Question, value: Any) -> str:
    names = [name for name, _ in question.choices]
    if value in names:
        return value
    near = did_you_mean(str(value), names)
    raise InputError(f"expected {question.name} to be one of its choices, got {value!r}: {near}")


def _yes_or_no(question: Question, value: Any) -> bool:
    known = {"yes": True, "y": True, "true": True, "no": False, "n": False, "false": False}
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in known:
        return known[value.lower()]
    raise InputError(f"expected {question.name} to be yes or no, got {value!r}: leave it out where you don't know")


def _number(question: Question, value: Any) -> float | int | str:
    if question.also and value == question.also:
        return value
    number, whole = _float(value), question.kind == "whole number"
    if number is None or (whole and number != round(number)) or not question.low <= number <= question.high:
        also = f", or '{question.also}'" if question.also else ""
        raise InputError(
            f"expected {question.name} to be a {question.kind} from {question.low:g} to {question.high:g}{also}, "
            f"got {value!r}: leave it out where you don't know"
        )
    return int(number) if whole else number


def _float(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value.replace(",", "") if isinstance(value, str) else value)
    except (ValueError, OverflowError):
        return None
    return number if isfinite(number) else None


_READERS: dict[str, Callable[[Question, Any], Any]] = {
    "choice": _choice,
    "yes or no": _yes_or_no,
    "number": _number,
    "whole number": _number,
}


def said(name: str, value: Any) -> str:
    """An answer as a fact.

    Example:
        >>> said("sparse", False), said("samples", 60000), said("task", "language-model")
        ('gradients are not sparse', '60,000 samples to train on', 'it learns the next word or character')
    """
    question = BY_NAME[name]
    if isinstance(value, bool):
        words = question.said.replace("{} ", "" if value else "not ")
    elif question.choices:
        words = question.said.format(dict(question.choices)[value] if name == "task" else value)
    else:
        words = question.said.format(
            f"{value:,}" if isinstance(value, int) else f"{value:g}" if value != ALL else value
        )
    return words
