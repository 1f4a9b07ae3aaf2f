"""A problem of one's own: out of a file's functions or a notebook's."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from thalweg.errors import InputError, in_short
from thalweg.lab.grammar import parse_optimizers
from thalweg.lab.problem import CLASSICS, Data, Problem

NEEDED = ("model", "data", "loss")
CONSTANTS = ("MAXIMIZE", "EPOCHS", "BATCH_SIZE", "OPTIMIZERS", "TARGET")


def from_module(module: ModuleType, path: str) -> Problem:
    """The problem that a file's functions describe: `model(seed)`, `data(seed)`, `loss(model, batch)` and perhaps more.

    Args:
        module: The file, executed.
        path: Where it is, for messages and the problem's name.

    Raises:
        InputError: If a function is missing, takes other arguments, or a constant is none.
    """
    given = vars(module)
    if missing := [name for name in NEEDED if not callable(given.get(name))]:
        raise InputError(
            f"expected '{path}' to define model(seed), data(seed) and loss(model, batch), got no {missing[0]}: "
            "`thalweg new problem` writes a file to start from"
        )
    constants = {name: given[name] for name in CONSTANTS if name in given}
    check_constants(constants, path)
    for name, parameters in (("model", 1), ("data", 1), ("loss", 2), ("metric", 2)):
        if name in given:
            check_arguments(given[name], name, parameters)
    summary = (module.__doc__ or f"the problem of {Path(path).name}").strip().splitlines()[0]
    functions = {name: given[name] for name in ("model", "data", "loss", "metric") if name in given}
    return described(Path(path).stem, summary, functions, constants)


def check_constants(constants: Mapping[str, Any], path: str) -> None:
    """Refuse constants of a problem that are none of their kind.

    Args:
        constants: Some of `CONSTANTS`.
        path: The problem's file or name, for messages.

    Raises:
        InputError: If one is not what it must be.
    """
    kinds = {
        "MAXIMIZE": ("True or False", lambda v: isinstance(v, bool)),
        "EPOCHS": ("a whole number above 0", _is_count),
        "BATCH_SIZE": ("a whole number above 0, or None for all samples", lambda v: v is None or _is_count(v)),
        "OPTIMIZERS": ("optimizers as on the command line, in one text", lambda v: isinstance(v, str)),
        "TARGET": ("a finite number", lambda v: isinstance(v, int | float) and math.isfinite(v)),
    }
    for name, value in constants.items():
        expected, fits = kinds[name]
        if not fits(value):
            raise InputError(f"expected {name} of '{path}' to be {expected}, got {value!r}: change it")


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def check_arguments(function: Callable[..., Any], name: str, count: int) -> None:
    """Refuse a function of a problem that cannot be called as the lab calls it.

    Args:
        function: It.
        name: What it is called in a problem.
        count: 1 for a function of a seed, 2 for one of the network and a batch.

    Raises:
        InputError: If it takes other arguments.
    """
    usage = f"{name}(seed)" if count == 1 else f"{name}(model, batch)"
    try:
        inspect.signature(function).bind(*range(count))
    except TypeError:
        raise InputError(f"expected {usage}, got {name}{inspect.signature(function)}: change its arguments") from None
    except ValueError:
        return  # a function of C tells nothing about its arguments


def described(
    name: str, summary: str, functions: Mapping[str, Callable[..., Any]], constants: Mapping[str, Any]
) -> Problem:
    """A problem out of functions.

    Args:
        name: How reports call it.
        summary: One line for people.
        functions: `model`, `data`, `loss` and perhaps `metric`, as in a problem's file.
        constants: Some of `CONSTANTS`, as there.
    """
    data, metric = functions["data"], functions.get("metric")
    named = getattr(metric, "__name__", "metric") if metric else "loss"
    optimizers = constants.get("OPTIMIZERS")
    return Problem(
        name=name,
        summary=summary,
        load=lambda source, seed: _load(name, data, source, seed),
        model=functions["model"],
        loss=functions["loss"],
        metric=metric,
        metric_name="metric" if named == "<lambda>" else named,
        maximize=constants.get("MAXIMIZE", False),
        optimizers=CLASSICS if optimizers is None else _labelled(optimizers),
        epochs=constants.get("EPOCHS", 10),
        batch_size=constants.get("BATCH_SIZE", 64),
        target=constants.get("TARGET"),
    )


def _labelled(optimizers: str) -> tuple[tuple[str, str], ...]:
    return tuple((text, text) for text, _ in parse_optimizers(optimizers))


def _load(name: str, data: Callable[[int], Any], source: str | None, seed: int) -> Data:
    from thalweg.lab.parts import parts_of  # and with it torch, which reports do without

    if source is not None:
        raise InputError(f"expected no --data for '{name}', whose file brings its own, got '{source}': leave it out")
    try:
        given = data(seed)
    except InputError:
        raise
    except (Exception, SystemExit) as error:
        raise InputError(f"data({seed}) of '{name}' fails ({in_short(error)}): mend it and call again") from error
    return parts_of(given)
