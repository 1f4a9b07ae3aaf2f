"""Schedules as arguments of torch optimizers: a group's entry holds the current number, and every step moves it on.

How many steps a group has taken stands in its entry `scheduled_steps`, which checkpoints carry.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from thalweg.errors import InputError
from thalweg.rules.hyper import value_at

Entry = Any  # a schedule, or a tuple some of whose parts are schedules
Entries = dict[str, Entry]
STEPS = "scheduled_steps"


def is_schedule(value: Any) -> bool:
    """Whether an argument is a schedule: one of `thalweg.schedules`, or any function of the step number.

    Example:
        >>> is_schedule(lambda t: 0.1 / t), is_schedule(0.1), is_schedule((lambda t: 0.9, 0.999))
        (True, False, True)
    """
    if isinstance(value, tuple):
        return any(map(is_schedule, value))
    return isinstance(value, Callable)


def split(arguments: Mapping[str, Any]) -> tuple[Entries, dict[str, Any]]:
    """The arguments that are schedules, and all of them as they are in the first step.

    Example:
        >>> entries, numbers = split({"lr": lambda t: 0.5 / t, "eps": 1e-8})
        >>> list(entries), numbers
        (['lr'], {'lr': 0.5, 'eps': 1e-08})
    """
    entries = {name: value for name, value in arguments.items() if name != "params" and is_schedule(value)}
    return entries, {**arguments, **{name: at(entry, 1) for name, entry in entries.items()}}


def at(entry: Entry, t: int) -> Any:
    """The value of an entry in step t."""
    return tuple(value_at(part, t) for part in entry) if isinstance(entry, tuple) else value_at(entry, t)


def advance(optimizer: Any) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """Set every scheduled entry to its value in the step that begins.

    Returns:
        Each group that this changed, and what stood in it, for `put_back`.

    Raises:
        InputError: If a scheduler of torch, or an assignment, moved a value that follows a schedule.
    """
    if not any(optimizer.schedules):
        return []
    groups = [(g, e) for g, e in zip(optimizer.param_groups, optimizer.schedules, strict=True) if e]
    for group, entries in groups:
        for name, entry in entries.items():
            _check_unmoved(optimizer, group, name, at(entry, max(group.get(STEPS, 0), 1)))
    before = [(group, dict(group)) for group, _ in groups]
    for group, entries in groups:
        t = group.get(STEPS, 0) + 1
        group.update({STEPS: t, **{name: at(entry, t) for name, entry in entries.items()}})
    return before


def put_back(before: list[tuple[dict[str, Any], dict[str, Any]]]) -> None:
    """Undo `advance`, for a step that was left out."""
    for group, entries in before:
        group.clear()
        group.update(entries)


def _check_unmoved(optimizer: Any, group: dict[str, Any], name: str, expected: Any) -> None:
    followed = name == "lr" and "initial_lr" in group and hasattr(optimizer.step, "_wrapped_by_lr_sched")
    if followed or group[name] != expected:
        who = "a scheduler of torch" if followed else f"something that set it to {group[name]!r}"
        number = next(k for k, each in enumerate(optimizer.param_groups) if each is group)
        raise InputError(
            f"{name} of group {number} follows a schedule, and {who} too: give it as a number, or use only the schedule"
        )
