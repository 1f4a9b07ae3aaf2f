"""`@rule`: reads off a formula's signature what every backend and framework needs to know about it."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from thalweg.errors import FormulaError

# Names that stand in printed sources beside a rule's own, so that no rule may use them: NumPy's and Python's; the
# kernels' imports, types, functions and loop; and what a kernel calls its own values, with an underscore behind, as
# the pointers to a rule's arrays are spelled too.
_STORAGE_TYPES = ("float32", "float64", "bfloat16", "float16")
RESERVED = frozenset(
    (
        *("np", "math", "abs", "float", "range"),
        *("cfunc", "job", "job_type", "take_chunk", "begin_flushing", "end_flushing", "bits_of", "noise_of"),
        *("prefer_wide_vectors", "weyl", "weyl_at", "weyl_after"),
        *("real", "flush", "unfit", "to_words", "first", "second", "i", "kahan", *_STORAGE_TYPES),
        *(f"{verb}_{name}" for verb in ("to", "load", "store", "scatter", "scatter_any") for name in _STORAGE_TYPES),
        *("before", "chunk", "chunks", "starts", "words", "row", "base", "count", "scalars", "start", "key"),
        *("moved", "lost", "rows", "counts", "table", "mask"),
        *("triton", "tl", "BLOCK", "ALIGNED"),
    )
)

AT_THE_WEIGHTS = "x"  # what `initial` says of a state that starts as a copy of the weights
FACTS = ("identity_at_zero_gradient", "idle_at_zero_gradient", "scale_invariant", "step_bounded_by_lr")


@dataclass(frozen=True, eq=False)
class Rule:
    """An update rule: a pure function of `(x, g, t, *state, **hyper)` and the facts declared about it.

    All arrays of a rule have one shape, the parameter's. `t` counts steps from 1. A scalar state is one number for the
    whole parameter, kept in float64 and computed once per step: its new value may depend on `t`, hyperparameters and
    other scalar states only.

    Attributes:
        formula: The function. Calling the rule calls it, with numbers or with symbols.
        name: The rule's name in the catalogue.
        state: The names of all states, in the paper's letters.
        hyper: The hyperparameters and their defaults.
        initial: What each state starts at: a number, the name of a hyperparameter, or `"x"` for the first weights.
            Zero when not named.
        source: Paper and equation or algorithm number.
        point: Where the rule wants its gradient, a formula of `x` and those states and hyperparameters that it names;
            None means at `x`.
        evaluation: The weights to evaluate and to keep, a formula as `point` is; None means `x`.
        facts: Declared properties, out of `FACTS`; a test measures each.
        scalars: Those of the states that are one number, not an array.
        made: How to make it again where it is a wrapper around another rule: the wrapper and that rule.

    Example:
        >>> @rule("Robbins & Monro 1951, eq. 6")
        ... def descent(x, g, t, *, lr=0.01):
        ...     return x - lr * g
        >>> descent(1.0, 0.5, 1)
        0.995
        >>> descent.hyper
        mappingproxy({'lr': 0.01})
    """

    formula: Callable[..., Any]
    name: str
    state: tuple[str, ...]
    hyper: Mapping[str, float]
    initial: Mapping[str, float | str]
    source: str
    point: Callable[..., Any] | None = None
    facts: frozenset[str] = frozenset()
    scalars: tuple[str, ...] = ()
    evaluation: Callable[..., Any] | None = None
    made: tuple[Callable[[Rule], Rule], Rule] | None = None

    @property
    def arrays(self) -> tuple[str, ...]:
        """Those of the states that hold one value per element."""
        return tuple(s for s in self.state if s not in self.scalars)

    @property
    def every_start(self) -> dict[str, float | str]:
        """What each state starts at, those that nothing was declared for included."""
        return {**dict.fromkeys(self.state, 0.0), **self.initial}

    def __call__(self, x: Any, g: Any, t: Any, *state: Any, **hyper: Any) -> Any:
        """The new x, and the new state if there is any: the formula on numbers or on symbols."""
        return self.formula(x, g, t, *state, **hyper)

    def __repr__(self) -> str:
        return f"<rule {self.name}({', '.join(('x', 'g', 't', *self.state))})>"

    def __deepcopy__(self, memo: Any) -> Rule:
        return self

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        if self.made:
            return self.made[0], self.made[1:]
        return _defined, (self.formula.__module__, self.formula.__qualname__)


def _defined(module: str, name: str) -> Rule:
    """The rule of that name in a module: a pickle holds where a rule is written, never a copy of it."""
    return getattr(importlib.import_module(module), name)


def rule(
    source: str,
    *,
    initial: Mapping[str, float | str] | None = None,
    point: Callable[..., Any] | None = None,
    evaluation: Callable[..., Any] | None = None,
    facts: tuple[str, ...] = (),
    scalars: tuple[str, ...] = (),
) -> Callable[[Callable[..., Any]], Rule]:
    """Declare a formula as a rule; its signature `(x, g, t, state..., *, hyper=default...)` is the schema.

    Args:
        source: Paper and equation or algorithm number.
        initial: What a state starts at, where that is not zero: a number, a hyperparameter's name, or `"x"` for an
            array that starts as a copy of the weights.
        point: Where the rule wants its gradient, where that is not `x`.
        evaluation: The weights to evaluate, where these are not `x`.
        facts: Declared properties, out of `FACTS`.
        scalars: The states that are one number for the whole parameter instead of one per element.

    Raises:
        FormulaError: If the signature is not of that form, or something declared does not fit it.
    """

    def declare(formula: Callable[..., Any]) -> Rule:
        name = formula.__name__
        state, hyper = read_signature(name, formula)
        starts = dict(initial or {})
        _check_declared(name, state, hyper, starts, facts)
        _check_scalars(name, state, scalars)
        return Rule(
            formula=formula,
            name=name,
            state=state,
            hyper=MappingProxyType(hyper),
            initial=MappingProxyType(starts),
            source=source,
            point=point,
            evaluation=evaluation,
            facts=frozenset(facts),
            scalars=tuple(s for s in state if s in scalars),
        )

    return declare


def read_signature(name: str, formula: Callable[..., Any]) -> tuple[tuple[str, ...], dict[str, float]]:
    """The state names and the hyperparameters with defaults that a formula's signature declares."""
    parameters = list(inspect.signature(formula).parameters.values())
    positional = [p.name for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD]
    keyword = {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY}
    if positional[:3] != ["x", "g", "t"] or len(positional) + len(keyword) != len(parameters):
        raise FormulaError(
            f"rule '{name}' must take (x, g, t, state..., *, hyper=default...), got "
            f"({', '.join(p.name for p in parameters)}): start with x, g, t and put hyperparameters behind *"
        )
    if taken := [p.name for p in parameters if p.name in RESERVED or p.name.endswith("_")]:
        raise FormulaError(
            f"rule '{name}' calls an argument '{taken[0]}', a name that kernels use themselves: choose another letter"
        )
    for hyper, default in keyword.items():
        if not isinstance(default, (int, float)):
            raise FormulaError(f"hyperparameter '{hyper}' of rule '{name}' needs a number as its default")
    return tuple(positional[3:]), {h: float(d) for h, d in keyword.items()}


def _check_declared(
    name: str, state: tuple[str, ...], hyper: dict[str, float], initial: dict[str, Any], facts: tuple[str, ...]
) -> None:
    for key, value in initial.items():
        if key not in state or (isinstance(value, str) and value not in {AT_THE_WEIGHTS, *hyper}):
            raise FormulaError(
                f"rule '{name}' declares the start {key}={value!r}, but a start names a state "
                f"({', '.join(state) or 'none'}) and a number, a hyperparameter ({', '.join(hyper)}) or the weights, x"
            )
    if unknown := set(facts) - set(FACTS):
        raise FormulaError(f"rule '{name}' declares {sorted(unknown)}, but the known facts are {', '.join(FACTS)}")


def _check_scalars(name: str, state: tuple[str, ...], scalars: tuple[str, ...]) -> None:
    for scalar in scalars:
        if scalar not in state:
            raise FormulaError(
                f"rule '{name}' declares the scalar state '{scalar}', but its states are "
                f"{', '.join(state) or 'none'}: put it behind t in the signature"
            )
