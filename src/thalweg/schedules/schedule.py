"""`Schedule`, a hyperparameter as a function of the step number, and `@schedule`, which declares a family of them."""

from __future__ import annotations

import importlib
import inspect
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, overload

from thalweg.errors import FormulaError, InputError, did_you_mean
from thalweg.formula import Expr
from thalweg.schedules.parameter import VALUE, Kind


@dataclass(frozen=True, repr=False)
class Schedule:
    """A pure function of the step number, which counts from 1; equal to another when the parameters are.

    Attributes:
        family: What it is one of, for instance `cosine`.
        values: Its parameters, in the order of the family's formula: numbers and further schedules.

    Example:
        >>> from thalweg.schedules import cosine, warmup
        >>> warmed = warmup(100, cosine(1e-3, 900))
        >>> warmed
        warmup(100, cosine(0.001, 900))
        >>> warmed(1), warmed(100), warmed(1001)
        (1e-05, 0.001, 0.0)
    """

    family: Family
    values: tuple[Any, ...]

    @property
    def parameters(self) -> dict[str, Any]:
        """Every parameter by its name, those left at their defaults included."""
        return dict(zip(self.family.kinds, self.values, strict=True))

    @overload
    def __call__(self, t: Expr) -> Expr: ...

    @overload
    def __call__(self, t: float) -> float: ...

    def __call__(self, t: Any) -> Any:
        """The value at step `t`: a float, or for a symbol the formula.

        Raises:
            InputError: If the value is too large for a float, as an exponential becomes in the end.
        """
        step = t if isinstance(t, Expr) else float(t)
        try:
            value = self.family.formula(step, *self._arguments(step))
        except ArithmeticError:
            value = math.inf
        if isinstance(value, Expr):
            return value
        if not math.isfinite(value):
            raise InputError(f"expected a finite value of {self!r}, got none at step {t}: choose milder parameters")
        return Expr("const", (float(value),)) if isinstance(t, Expr) else float(value)

    def _arguments(self, t: Any) -> list[Any]:
        """What the formula gets: a schedule that stands for a value is asked for it, any other is handed over."""
        kinds = self.family.kinds.values()
        return [
            value(t) if isinstance(value, Schedule) and kind.schedules == "evaluated" else value
            for kind, value in zip(kinds, self.values, strict=True)
        ]

    def __repr__(self) -> str:
        defaults = self.family.defaults
        required = [repr(value) for name, value in self.parameters.items() if name not in defaults]
        changed = [f"{n}={v!r}" for n, v in self.parameters.items() if n in defaults and v != defaults[n]]
        return f"{self.family.name}({', '.join(required + changed)})"


@dataclass(frozen=True, eq=False)
class Family:
    """A formula of `t` and parameters; called with parameters it gives a `Schedule`.

    Attributes:
        formula: The function `(t, parameters...)`, on numbers or on symbols.
        name: The name in the catalogue.
        kinds: What each parameter may be, in the order of the formula.
        defaults: The parameters that may be left out.
        source: The paper with its section or equation, or the framework that the form comes from.
    """

    formula: Callable[..., Any]
    name: str
    kinds: Mapping[str, Kind]
    defaults: Mapping[str, Any]
    source: str

    @property
    def usage(self) -> str:
        """How it is called, for instance `cosine(peak, steps, floor=0.0)`."""
        shown = (f"{name}={self.defaults[name]!r}" if name in self.defaults else name for name in self.kinds)
        return f"{self.name}({', '.join(shown)})"

    def __call__(self, /, *values: Any, **named: Any) -> Schedule:
        """The schedule with these parameters.

        Raises:
            InputError: If a parameter is unknown, missing, given twice or out of its range.
        """
        given = {**self.defaults, **self._given(values, named)}
        if missing := [name for name in self.kinds if name not in given]:
            raise InputError(f"{self.name} needs {' and '.join(missing)}: write {self.usage}")
        return Schedule(self, tuple(self._read(name, given[name]) for name in self.kinds))

    def _given(self, values: tuple[Any, ...], named: Mapping[str, Any]) -> dict[str, Any]:
        names = list(self.kinds)
        given = dict(zip(names, values, strict=False))
        if len(values) > len(names):
            raise InputError(f"{self.name} takes {len(names)} parameters, got {len(values)}: write {self.usage}")
        for name in named:
            if name not in self.kinds:
                raise InputError(f"{self.name} has no parameter '{name}': {did_you_mean(name, names)}")
            if name in given:
                raise InputError(f"{self.name} got '{name}' twice, by place and by name: write {self.usage}")
        return {**given, **named}

    def _read(self, name: str, given: Any) -> Any:
        kind = self.kinds[name]
        if isinstance(given, Schedule) and kind.schedules != "refused":
            return given
        if (number := kind.number(given)) is None:
            raise InputError(f"'{name}' of {self.usage} must be {kind.expected}, got {given!r}: give one")
        return number

    def __repr__(self) -> str:
        return f"<schedule {self.usage}>"

    def __deepcopy__(self, memo: Any) -> Family:
        return self

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[str, str]]:
        return _defined, (self.formula.__module__, self.formula.__qualname__)


def _defined(module: str, name: str) -> Family:
    """The family of that name in a module: a pickle holds where a formula is written, never a copy of it."""
    return getattr(importlib.import_module(module), name)


def schedule(source: str, /, **kinds: Kind) -> Callable[[Callable[..., Any]], Family]:
    """Declare a formula `(t, parameters...)` as a family of schedules.

    Args:
        source: The paper with its section or equation, or the framework that the form comes from.
        **kinds: What a parameter may be where it is not a value, by its name.

    Raises:
        FormulaError: If the formula's first argument is not `t`, or a kind names none of its parameters.

    Example:
        >>> @schedule("Robbins & Monro 1951")
        ... def harmonic(t, start):
        ...     return start / t
        >>> harmonic(0.5)
        harmonic(0.5)
        >>> harmonic(0.5)(2)
        0.25
    """

    def declare(formula: Callable[..., Any]) -> Family:
        name = formula.__name__
        every = list(inspect.signature(formula).parameters.values())
        step, parameters = [p.name for p in every[:1]], every[1:]
        by_place = all(p.kind is p.POSITIONAL_OR_KEYWORD for p in every)
        if step != ["t"] or not by_place or not kinds.keys() <= {p.name for p in parameters}:
            raise FormulaError(
                f"schedule '{name}' must take (t, parameters...), with a parameter for each of its kinds "
                f"({', '.join(kinds) or 'none'}), got {inspect.signature(formula)}: rename its arguments"
            )
        read_as = MappingProxyType({p.name: kinds.get(p.name, VALUE) for p in parameters})
        defaults = MappingProxyType({p.name: p.default for p in parameters if p.default is not p.empty})
        return Family(formula, name, read_as, defaults, source)

    return declare
