"""The page's fast functions: rules and surfaces as JavaScript that reads and writes arrays and allocates nothing.

How they are called stands at the top of `engine.js`. What is theirs beside the rule's own names ends with an
underscore, as no name of a program does: `s_` the run's states, `h_` the hyperparameters, `k_` what a step computes
once, `i_` the coordinate.
"""

from __future__ import annotations

import json
from collections.abc import Iterable

from thalweg.compile.field import trace_surface
from thalweg.compile.gradient import trace_gradient
from thalweg.compile.javascript import expression, statements, word
from thalweg.compile.program import Argument, Line, Program
from thalweg.compile.trace import trace
from thalweg.formula import Rule
from thalweg.formula.surface import Surface


def places(rule: Rule) -> dict[str, str]:
    """Where each state stands in `s_`: an array's two numbers side by side, then the scalar states.

    Example:
        >>> from thalweg.rules import RULES
        >>> places(RULES["nadam"])
        {'m': 's_[i_]', 'v': 's_[2 + i_]', 'mu_product': 's_[4]'}
    """
    arrays = {name: f"s_[{2 * k} + i_]" if k else "s_[i_]" for k, name in enumerate(rule.arrays)}
    return arrays | {name: f"s_[{2 * len(rule.arrays) + k}]" for k, name in enumerate(rule.scalars)}


def once(rule: Rule) -> str:
    """What is computed once per step, into `k_`; the new scalar states, into `s_`.

    Example:
        >>> from thalweg.rules import RULES
        >>> print(once(RULES["sgd"]))
        function (t, h_, s_, k_) {
        const lr = h_[0];
        k_[0] = lr;
        }
    """
    program = trace(rule)
    used, stores, place = program.used_scalars, program.scalar_stores, places(rule)
    body = _given(rule, program.scalars, (*used, *(value for _, value in stores)))
    body += statements(program.scalars, rule.name)
    body += [f"k_[{index}] = {word(name)};" for index, name in enumerate(used)]
    body += [f"{place[name]} = {expression(value)};" for name, value in stores if name != value]
    return function("t, h_, s_, k_", body)


def element(rule: Rule) -> str:
    """One coordinate's step: the new states into `s_`, the new x as the result.

    Example:
        >>> from thalweg.rules import RULES
        >>> print(element(RULES["momentum"]))
        function (x, g, s_, k_, i_) {
        const lr = k_[0], rho = k_[1], v = s_[i_];
        const a1 = rho * v;
        const v_new = a1 + g;
        const a2 = lr * v_new;
        const x_new = x - a2;
        s_[i_] = v_new;
        return x_new;
        }
    """
    program, place = trace(rule), places(rule)
    read = _read(program.body, (value for _, value in program.stores))
    given = {name: f"k_[{index}]" for index, name in enumerate(program.used_scalars)}
    given |= {name: place[name] for name in rule.arrays if name in read}
    (_, x), *stores = program.stores
    body = [*_declared(given), *statements(program.body, rule.name)]
    body += [f"{place[name]} = {expression(value)};" for name, value in stores if name != value]
    return function("x, g, s_, k_, i_", [*body, f"return {expression(x)};"])


def weights(rule: Rule, program: Program | None) -> str:
    """One coordinate of the point where a rule wants its gradient, or of the weights to evaluate; `null` for x itself.

    Example:
        >>> from thalweg.compile.trace import trace_point
        >>> from thalweg.rules import RULES
        >>> nesterov = RULES["nesterov_lookahead"]
        >>> print(weights(nesterov, trace_point(nesterov)))
        function (x, t, h_, s_, i_) {
        const mu = h_[1], v = s_[i_];
        const a1 = mu * v;
        const x_new = x + a1;
        return x_new;
        }
    """
    if program is None:
        return "null"
    lines = (*program.scalars, *program.body)
    body = [*_given(rule, lines, program.outputs), *statements(lines, rule.name)]
    return function("x, t, h_, s_, i_", [*body, f"return {expression(program.outputs[0])};"])


def inside(rule: Rule) -> str:
    """Everything that a step of one coordinate reads and computes, as an object: slow, for showing it."""
    program = trace(rule)
    lines = (*program.scalars, *program.body)
    names = ["x", "g", "t", *rule.hyper, *rule.state, *(line.name for line in lines)]
    body = [*_given(rule, lines, (*rule.hyper, *rule.state)), *statements(lines, rule.name)]
    shown = ", ".join(f"{json.dumps(name)}: {word(name)}" for name in names)
    return function("x, g, t, h_, s_, i_", [*body, f"return {{{shown}}};"])


def value(surface: Surface) -> str:
    """The surface's value."""
    program = trace_surface(surface)
    body = statements(program.body, surface.name)
    return function("x, y", [*body, f"return {expression(program.outputs[0])};"])


def gradient(surface: Surface) -> str:
    """The surface's value and its two derivatives, into `out_`.

    Example:
        >>> from thalweg.surfaces import SURFACES
        >>> print(gradient(SURFACES["saddle"]))
        function (x, y, out_) {
        const a1 = x * x;
        const a2 = y * y;
        const f = a1 - a2;
        const a3 = -y;
        const f_y = a3 + a3;
        const f_x = x + x;
        out_[0] = f;
        out_[1] = f_x;
        out_[2] = f_y;
        }
    """
    program = trace_gradient(surface)
    body = statements(program.body, surface.name)
    body += [f"out_[{index}] = {expression(value)};" for index, value in enumerate(program.outputs)]
    return function("x, y, out_", body)


def _given(rule: Rule, lines: Iterable[Line], outputs: Iterable[Argument]) -> list[str]:
    """The hyperparameters and states that lines and outputs read, as constants."""
    read = _read(lines, outputs)
    every = {name: f"h_[{index}]" for index, name in enumerate(rule.hyper)} | places(rule)
    return _declared({name: place for name, place in every.items() if name in read})


def _read(lines: Iterable[Line], outputs: Iterable[Argument]) -> set[Argument]:
    return {argument for line in lines for argument in line.args} | set(outputs)


def _declared(places: dict[str, str]) -> list[str]:
    given = ", ".join(f"{word(name)} = {place}" for name, place in places.items())
    return [f"const {given};"] if given else []


def function(arguments: str, body: list[str]) -> str:
    r"""A function without a name.

    Example:
        >>> function("a, b", ["return a + b;"])
        'function (a, b) {\nreturn a + b;\n}'
    """
    return "\n".join([f"function ({arguments}) {{", *body, "}"])
