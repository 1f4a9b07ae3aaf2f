"""Where figures and alarms go while a training is watched; what counts is in the watcher itself.

By name: `"terminal"` tells alarms on standard error, `"jsonl:PATH"` appends all to a file, `"tensorboard:FOLDER"`
writes curves. As objects: `Terminal`, `JsonLines` and `TensorBoard` with more to choose, `Tracked` for a run of W&B's
or trackio's, or any object with the methods of `Output`. An output that fails while a model trains is left out from
there on, with one sentence on standard error; it never ends the training.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from typing import Any

from thalweg.errors import InputError, did_you_mean
from thalweg.watch.outputs.guarded import Guarded
from thalweg.watch.outputs.jsonl import JsonLines
from thalweg.watch.outputs.output import Output
from thalweg.watch.outputs.tensorboard import TensorBoard
from thalweg.watch.outputs.terminal import Terminal
from thalweg.watch.outputs.tracked import Tracked

__all__ = ["NAMES", "JsonLines", "Output", "TensorBoard", "Terminal", "Tracked", "listed", "opened"]

NAMES = ("terminal", "jsonl:PATH", "tensorboard:FOLDER")
_MAKES: dict[str, Any] = {"jsonl": JsonLines, "tensorboard": TensorBoard}
_METHODS = ("begin", "measured", "raised", "close")


def opened(to: str | Output | Sequence[str | Output]) -> list[Output]:
    """Open outputs, each guarded: none of them raises while a model trains.

    Args:
        to: Names of the form of `NAMES`, and objects; what is there twice is opened once.

    Raises:
        InputError: If a name is unknown, an object is no output, or what is to be written cannot be.

    Example:
        >>> opened(["termnal"])
        Traceback (most recent call last):
        thalweg.errors.InputError: unknown output 'termnal': did you mean 'terminal'? known: terminal, jsonl:PATH, ...
    """
    wanted = listed(to)
    for each in wanted:
        _check(each)
    made: list[Output] = []
    with ExitStack() as unless:
        for each in (each for place, each in enumerate(wanted) if each not in wanted[:place]):
            made.append(_guarded(each))
            if isinstance(each, str):
                unless.callback(made[-1].close)
        unless.pop_all()  # all are open
    return made


def listed(to: Any) -> list[Any]:
    """Outputs as a list, also where it is one.

    Example:
        >>> listed("terminal"), listed(())
        (['terminal'], [])
    """
    return list(to) if isinstance(to, Iterable) and not isinstance(to, str) else [to]


def _check(each: Any) -> None:
    if isinstance(each, str):
        kind, _, place = each.partition(":")
        known = {name.partition(":")[0]: name for name in NAMES}
        if kind not in known:
            raise InputError(f"unknown output '{each}': {did_you_mean(kind, list(NAMES))}")
        if bool(place) != (":" in known[kind]):
            raise InputError(f"expected the output '{known[kind]}', got '{each}': write it so")
    elif not _is_output(each):
        raise InputError(
            f"expected an output, got {each!r}: give one of {', '.join(NAMES)}, TensorBoard(writer), Tracked(run), or "
            f"an object with the methods {', '.join(_METHODS)}"
        )


def _is_output(each: Any) -> bool:
    return not isinstance(each, type) and all(callable(getattr(each, name, None)) for name in _METHODS)


def _guarded(each: Any) -> Output:
    if isinstance(each, Guarded):
        return each
    return Guarded(each, _named(each)) if isinstance(each, str) else Guarded(type(each).__name__, each)


def _named(name: str) -> Output:
    kind, _, place = name.partition(":")
    return _MAKES[kind](place) if place else Terminal()
