"""Rule → program: run the formula once on symbols and write down what it did."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

from thalweg.compile.lines import Symbols, check_result, named_values, numbered
from thalweg.compile.program import EXACT, Program
from thalweg.errors import FormulaError
from thalweg.formula import Expr, Rule
from thalweg.formula.rule import RESERVED


@functools.lru_cache(maxsize=512)
def trace(rule: Rule) -> Program:
    """The program of a rule, in canonical form.

    Raises:
        FormulaError: If the formula branches on a symbol, returns the wrong number of values, leaves a
            hyperparameter unused, makes a scalar state from what varies per element, or uses an operation in its
            body that is not correctly rounded.

    Example:
        >>> from thalweg.formula import rule
        >>> @rule("Robbins & Monro 1951")
        ... def sgd(x, g, t, *, lr=0.01):
        ...     return x - lr * g
        >>> print(trace(sgd).text)
        sgd(x, g; t, lr)
        once per step:
            nothing
        once per element:
            a1 = mul(lr, g)
            x_new = sub(x, a1)
        new values:
            x = x_new
    """
    program = record(rule, every_argument(rule), ("x", "g", "t"), ("x", *rule.state))
    _check_hyper_used(rule, program)  # traces the point and the evaluation weights too
    return program


@functools.lru_cache(maxsize=512)
def trace_point(rule: Rule) -> Program | None:
    """The program of the point at which a rule wants its gradient; None where that is x itself."""
    if rule.point is None:
        return None
    return record(rule, _named_arguments(rule.point), ("x",), ("x",))


@functools.lru_cache(maxsize=512)
def trace_evaluation(rule: Rule) -> Program | None:
    """The program of the weights that a rule wants to be evaluated; None where these are x itself."""
    if rule.evaluation is None:
        return None
    return record(rule, _named_arguments(rule.evaluation), ("x",), ("x",))


def every_argument(rule: Rule) -> Callable[[Symbols], Any]:
    """The rule's formula as a function of all symbols."""
    return lambda symbols: rule.formula(
        *(symbols[name] for name in ("x", "g", "t", *rule.state)), **{h: symbols[h] for h in rule.hyper}
    )


def _named_arguments(formula: Callable[..., Any]) -> Callable[[Symbols], Any]:
    """A formula of some of a rule's symbols: those that its signature names, which wrappers around the rule add to."""
    names = tuple(inspect.signature(formula).parameters)

    def called(symbols: Symbols) -> Any:
        if unknown := [name for name in names if name not in symbols]:
            raise FormulaError(
                f"is asked for '{unknown[0]}', which is none of its own: name x, its states or its hyperparameters"
            )
        return formula(**{name: symbols[name] for name in names})

    return called


def record(rule: Rule, formula: Callable[[Symbols], Any], given: tuple[str, ...], targets: tuple[str, ...]) -> Program:
    """The program of a formula of a rule's symbols.

    Args:
        rule: Whose states and hyperparameters the symbols are.
        formula: From all symbols, by name, to a value, or a tuple of values, for each target.
        given: What the formula may read besides: `x`, and `g` and `t`.
        targets: What it gives new values.

    Raises:
        FormulaError: If the formula breaks the language.
    """
    inputs = tuple(name for name in (*given, *rule.arrays) if name != "t")
    symbols = {name: Expr(name, varies=name in inputs) for name in (*inputs, "t", *rule.scalars, *rule.hyper)}
    try:
        result, names = named_values(formula, symbols)
    except FormulaError as error:
        raise FormulaError(f"rule '{rule.name}': {error}") from None
    except Exception as error:
        raise FormulaError(
            f"rule '{rule.name}' cannot be traced ({type(error).__name__}: {error}): "
            "use numbers, its arguments and thalweg.formula only"
        ) from error
    results = _checked_results(rule, result, targets)
    for target, value in zip(targets, results, strict=True):
        names.setdefault(id(value), target)
    scalars, body, labels = numbered(f"rule '{rule.name}'", results, names, {*symbols, *RESERVED}, EXACT)
    outputs = tuple(labels[id(e)] if isinstance(e, Expr) else float(e) for e in results)
    named = frozenset(line.name for line in (*scalars, *body) if line.name in {labels.get(i) for i in names})
    return Program(rule.name, inputs, tuple(rule.hyper), scalars, body, outputs, targets, named, rule.scalars)


def _checked_results(rule: Rule, result: Any, targets: tuple[str, ...]) -> tuple[Any, ...]:
    results = result if isinstance(result, tuple) else (result,)
    if len(results) != len(targets):
        raise FormulaError(
            f"rule '{rule.name}' must return {len(targets)} values ({', '.join(targets)}), got {len(results)}: "
            "return the new x, then every state in the order of the signature"
        )
    for target, value in zip(targets, results, strict=True):
        check_result(f"rule '{rule.name}'", target, value)
        if target in rule.scalars and isinstance(value, Expr) and value.varies:
            raise FormulaError(
                f"rule '{rule.name}' must keep its scalar state {target} one number, got a value per element: "
                "compute it from t, hyperparameters and scalar states only"
            )
    return results


def _check_hyper_used(rule: Rule, program: Program) -> None:
    others = [other for other in (trace_point(rule), trace_evaluation(rule)) if other]
    lines = [line for each in (program, *others) for line in (*each.scalars, *each.body)]
    read = {a for line in lines for a in line.args} | set(program.outputs) | set(rule.initial.values())
    if unused := [h for h in rule.hyper if h not in read]:
        raise FormulaError(
            f"rule '{rule.name}' never uses its hyperparameter '{unused[0]}': use it in the formula or remove it"
        )
