"""Contenders: the optimizers of a comparison, each a rule with its setting, or for a switch several in turn."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from thalweg.compile.trace import trace
from thalweg.errors import InputError
from thalweg.formula import AT_THE_WEIGHTS
from thalweg.lab.files import find_rule_or_file, names_file
from thalweg.lab.grammar import Piece, parse_arguments, parse_optimizers
from thalweg.lab.problem import Problem
from thalweg.lab.spec import Phase, rule_digest, written
from thalweg.rules.hyper import Value, numbers_at, starts
from thalweg.rules.setting import Setting, resolve, setting
from thalweg.schedules import MOMENTUM, Schedule


@dataclass(frozen=True)
class Stage:
    """One optimizer of a contender and the epochs that it trains.

    Attributes:
        first: The epoch that it begins with.
        steps: How many steps it takes in all.
        rule: How to find its rule: a name or a file.
        setting: The rule and its hyperparameters.
    """

    first: int
    steps: int
    rule: str
    setting: Setting


@dataclass(frozen=True)
class Contender:
    """One optimizer of a comparison.

    Attributes:
        label: How the table calls it.
        stages: What trains, in turn; most have one.
        remarks: What must be known of how its settings came about.
    """

    label: str
    stages: tuple[Stage, ...]
    remarks: tuple[str, ...] = ()

    @property
    def rule_name(self) -> str:
        """The rules' names, joined by "/" where there are several."""
        return "/".join(stage.setting.rule.name for stage in self.stages)

    @property
    def hyper(self) -> dict[str, Value]:
        """Every hyperparameter; those of a stage that begins with epoch 6 are called `lr@6`."""
        return {_named(name, stage): value for stage in self.stages for name, value in stage.setting.hyper.items()}

    @property
    def phases(self) -> tuple[Phase, ...]:
        """The stages as a spec holds them."""
        return tuple(
            Phase(
                first=stage.first,
                rule=stage.rule,
                rule_digest=rule_digest(stage.setting.rule),
                hyper=tuple(sorted(written(stage.setting.hyper).items())),
                initial=tuple(sorted(_numbers_at_first(stage.setting).items())),
            )
            for stage in self.stages
        )

    @property
    def settings(self) -> dict[str, Any]:
        """Every hyperparameter, schedules as text, and as `s_0` every start of a state other than zero."""
        other = {}
        for stage in self.stages:
            own = _numbers_at_first(stage.setting)
            fixed = {s: v for s, v in own.items() if v and not isinstance(stage.setting.initial[s], str)}
            other |= {_named(f"{s}_0", stage): v for s, v in fixed.items()}
        return {**written(self.hyper), **other}

    @property
    def notes(self) -> tuple[str, ...]:
        """What must be known to read its row, also what a switch does with the state."""
        switches = (
            f"changes to {stage.setting.rule.name} with epoch {stage.first}: nothing of the state stays, the new "
            "optimizer starts at its own first step"
            for stage in self.stages[1:]
        )
        return (*self.remarks, *switches)


def _named(name: str, stage: Stage) -> str:
    return name if stage.first == 1 else f"{name}@{stage.first}"


def contenders(problem: Problem, optimizers: str | None, epochs: int, steps: int) -> tuple[Contender, ...]:
    """The optimizers to compare, each refused here if it cannot train.

    Args:
        problem: Has optimizers of its own.
        optimizers: In the command line's grammar; None for the problem's own.
        epochs: Of a run.
        steps: Of an epoch: a schedule that does not say how long it lasts lasts as long as its optimizer trains.

    Raises:
        InputError: If a name or an argument is unknown, a number out of range, a switch comes after the last epoch, or
            a learning rate is 0, which trains nothing.
    """
    if optimizers is not None:
        return _by_rule([_contender(text, pieces, epochs, steps) for text, pieces in parse_optimizers(optimizers)])
    own = [(label, parse_optimizers(text)[0][1]) for label, text in problem.optimizers]
    return tuple(_contender(label, pieces, epochs, steps) for label, pieces in own)


def with_hyper(contender: Contender, values: Mapping[str, float]) -> Contender:
    """The same with some hyperparameters at other values; where one follows a schedule, its largest value is meant.

    Raises:
        InputError: If a value is outside its range.
    """
    stages = []
    for stage in contender.stages:
        own = {n: values[_named(n, stage)] for n in stage.setting.hyper if _named(n, stage) in values}
        chosen = {**stage.setting.hyper, **{n: _to_peak(stage, n, value) for n, value in own.items()}}
        stages.append(replace(stage, setting=setting(stage.setting.rule, chosen, stage.setting.initial)))
    return replace(contender, stages=tuple(stages))


def peak(value: Value, steps: int) -> float:
    """A hyperparameter's value; of a schedule the largest that it takes.

    Example:
        >>> from thalweg.schedules import linear
        >>> peak(0.1, 10), peak(linear(0.0, 1.0, 5), 3)
        (0.1, 0.4)
    """
    return _largest(value, steps) if callable(value) else value


@functools.cache  # tuning is replayed again and again, and a schedule of many steps takes long to go through
def _largest(schedule: Callable[[int], Any], steps: int) -> float:
    return max(float(schedule(t)) for t in range(1, steps + 1))


def _to_peak(stage: Stage, name: str, value: float) -> Value:
    given = stage.setting.hyper[name]
    if not isinstance(given, Schedule):
        return value
    largest = peak(given, stage.steps)
    return scaled(given, value / largest) if largest else given


def scaled(schedule: Schedule, factor: float) -> Schedule:
    """A schedule whose every value is multiplied.

    Raises:
        InputError: If its formula takes shares of 1, as `momentum_annealing` does: twice a share is something else.

    Example:
        >>> from thalweg.schedules import parse
        >>> scaled(parse("warmup(10, cosine(1.0, 90, floor=0.1))"), 0.5)
        warmup(10, cosine(0.5, 90, floor=0.05))
    """
    kinds = schedule.family.kinds.values()
    if MOMENTUM in kinds:
        raise InputError(
            f"expected a schedule that can be tuned by its largest value, got {schedule!r}: tune something else, or "
            "give a number"
        )
    times = (
        scaled(value, factor)
        if isinstance(value, Schedule)
        else value * factor
        if kind.schedules == "evaluated"
        else value
        for kind, value in zip(kinds, schedule.values, strict=True)
    )
    return schedule.family(*times)


def _by_rule(chosen: Sequence[Contender]) -> tuple[Contender, ...]:
    """The same, a rule of a file labelled by its own name instead of the file's, unless two would be labelled alike."""
    labels = [_label_by_rule(c) for c in chosen]
    return tuple(
        replace(c, label=label) if labels.count(label) == 1 else c for c, label in zip(chosen, labels, strict=True)
    )


def _label_by_rule(contender: Contender) -> str:
    only = contender.stages[0]
    if len(contender.stages) > 1 or not names_file(only.rule):
        return contender.label
    return only.setting.rule.name + contender.label[len(only.rule) :]


def _contender(label: str, pieces: Sequence[Piece], epochs: int, steps: int) -> Contender:
    if pieces[-1].first > epochs:
        raise InputError(
            f"expected every optimizer of '{label}' to begin within {epochs} epochs, got epoch {pieces[-1].first} for "
            f"{pieces[-1].name}: switch earlier or train longer"
        )
    return Contender(label, tuple(_stage(label, piece, epochs, steps) for piece in pieces))


def _stage(label: str, piece: Piece, epochs: int, steps: int) -> Stage:
    taken = ((piece.last or epochs) - piece.first + 1) * steps
    arguments = parse_arguments(piece.arguments, label, steps=taken)
    name = piece.name
    chosen = setting(find_rule_or_file(name), arguments) if names_file(name) else resolve(name, arguments)
    trace(chosen.rule)
    if chosen.hyper.get("lr") == 0:
        raise InputError(f"lr of '{label}' must be above 0, got 0, which trains nothing: choose a learning rate")
    if chosen.rule.point is not None:
        raise InputError(
            f"rule '{chosen.rule.name}' wants its gradient at another point than the parameters, which training does "
            "not give: use 'nesterov', the same method in other variables"
        )
    _check_schedules(label, chosen, taken)
    return Stage(piece.first, taken, name if names_file(name) else chosen.rule.name, chosen)


def _check_schedules(label: str, chosen: Setting, steps: int) -> None:
    """Refuse a schedule that leaves its hyperparameter's range in a step of the run, or trains nothing in all."""
    scheduled = {name: value for name, value in chosen.hyper.items() if callable(value)}
    if not scheduled:
        return
    rates = {numbers_at(chosen.rule, scheduled, t).get("lr") for t in range(1, steps + 1)}
    if rates == {0}:
        raise InputError(
            f"lr of '{label}' must be above 0 in some step, got 0 in all {steps}, which trains nothing: "
            "choose a schedule with a learning rate"
        )


def _numbers_at_first(chosen: Setting) -> dict[str, float]:
    """What states start at, but for those that start at the weights, which a run's seed decides."""
    return starts({s: v for s, v in chosen.initial.items() if v != AT_THE_WEIGHTS}, chosen.hyper)
