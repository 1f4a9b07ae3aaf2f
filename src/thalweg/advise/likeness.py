"""Which measured problems a situation resembles, and which side of a verdict that depends on something it is on."""

from __future__ import annotations

import re
from collections.abc import Iterable

from thalweg.advise.evidence import Contrast
from thalweg.advise.situation import Situation

DEFAULT, TUNED = "default", "tuned"


def resembled(given: Situation, problem: str = "") -> tuple[str, ...]:
    """The lab's problems that stand for such a situation, the nearest first; the problem itself where it is the lab's.

    Args:
        given: The situation.
        problem: A problem of the lab that was looked at.

    Example:
        >>> resembled(Situation(task="recommendation", sparse=True))
        ('matrix-factorisation', 'sparse-logistic')
        >>> resembled(Situation())
        ()
    """
    network, task = given.network, given.task
    alike = {
        problem: bool(problem),
        "fine-tune": given.pretrained,
        "text-lstm": network == "recurrent",
        "text-transformer": network == "transformer",
        "cartpole-policy": task == "reinforcement-learning",
        "digits-vae": task == "generative",
        "matrix-factorisation": task == "recommendation" or network == "embeddings",
        "sparse-logistic": given.sparse,
        "multi-task": given.scales,
        "mnist-cnn": network == "convolutional" and task in (None, "classification"),
        "mnist-mlp": network == "dense" and task == "classification" and not given.sparse and not given.full_batch,
        "binary-classifier-full": network == "dense" and task == "classification" and given.full_batch,
        "linear-regression": task == "regression" and network == "linear" and not given.full_batch,
        "linear-regression-full": task == "regression" and network in ("linear", None) and given.full_batch,
    }
    return tuple(name for name, is_alike in alike.items() if is_alike)


def on_your_side(contrasts: Iterable[Contrast], alike: Iterable[str], kind: str, given: Situation) -> list[Contrast]:
    """The contrasts whose setting is that of the situation, as far as a setting's words tell.

    Args:
        contrasts: Of a claim's sentence.
        alike: Problems that the situation resembles.
        kind: `DEFAULT` or `TUNED`: whether there are trainings to tune with.
        given: The situation.

    Example:
        >>> both = [Contrast("sparse-logistic, tuned", "opposes"), Contrast("sparse-logistic, default", "supports")]
        >>> [one.outcome for one in on_your_side(both, ["sparse-logistic"], TUNED, Situation())]
        ['opposes']
    """
    return [one for one in contrasts if _is_yours(one.setting.lower(), tuple(alike), kind, given)]


def _is_yours(setting: str, alike: tuple[str, ...], kind: str, given: Situation) -> bool:
    """At least one word of the setting tells that it is the situation's, and none that it is not."""
    told = [*_by_kind(setting, kind), *_by_problem(setting, alike), *_by_batch(setting, given.full_batch)]
    return bool(told) and all(told)


def _by_kind(setting: str, kind: str) -> list[bool]:
    if re.search(r"\bdefaults?\b", setting):
        return [kind == DEFAULT]
    return [kind == TUNED] if re.search(r"\b(tuned|tuning|best rate)\b", setting) else []


def _by_problem(setting: str, alike: tuple[str, ...]) -> list[bool]:
    from thalweg.lab.problems import NAMES

    # A name that is part of a longer one ("linear-regression" of "linear-regression-full") does not name it.
    named = [name for name in NAMES if re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", setting)]
    return [any(_base(name) in map(_base, alike) for name in named)] if named else []


def _base(name: str) -> str:
    """The problem whose batches were made single samples or all."""
    return name.removesuffix("-full").removesuffix("-single")


def _by_batch(setting: str, full_batch: bool | None) -> list[bool]:
    if re.search(r"\bfull[ -]batch(es)?\b|\ball samples\b", setting):
        return [full_batch is True]
    return [full_batch is False] if re.search(r"\bmini[ -]?batch(es)?\b", setting) else []
