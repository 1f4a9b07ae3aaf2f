"""What the page knows: every rule and surface as JavaScript, with its formula, its sliders and its colour."""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from thalweg.colours import FAMILIES, colour_of
from thalweg.compile.javascript import expression, statements
from thalweg.compile.noise import trace_normal
from thalweg.compile.show import first_sentence
from thalweg.compile.trace import trace, trace_evaluation, trace_point
from thalweg.draw.rates import in_proportion
from thalweg.formula import Rule
from thalweg.formula.surface import Surface
from thalweg.playground import formulas, functions
from thalweg.playground.contests import contests
from thalweg.playground.sliders import slider
from thalweg.rules import RULES
from thalweg.surfaces import SURFACES


def script(
    rules: Iterable[Rule] = tuple(RULES.values()), surfaces: Iterable[Surface] = tuple(SURFACES.values())
) -> str:
    """The page's engine and what it runs, as one plain script whose globals are `Engine`, `RULES` and `SURFACES`.

    Args:
        rules: Of the catalogue, wrapped, or of one's own.
        surfaces: Likewise.

    Raises:
        FormulaError: If a rule or a surface cannot be traced or printed.
    """
    engine = (Path(__file__).parent / "engine.js").read_text(encoding="utf-8")
    tables = [_table("RULES", map(rule_entry, rules)), _table("SURFACES", map(surface_entry, surfaces))]
    return "\n".join([engine, f"Engine.normal = {_normal()};", *tables])


def rule_entry(rule: Rule) -> dict[str, str]:
    """A rule's fields, each as JavaScript.

    Those that do not speak for themselves: `perStep`, how many numbers `once` computes; `normalised`, whether the step
    does not grow with the gradient; `stated`, for each row of `formula` whose value it states; `contests`, each
    `[kind, condition, [[key, value], ...], [keys of the branches around it, ...]]`.
    """
    program = trace(rule)
    competing = [
        [each.kind, each.condition, [[term.key, term.value] for term in each.terms], each.within]
        for each in contests(rule)
    ]
    data = {
        "name": rule.name,
        "family": family(rule),
        "colour": {"light": colour_of(rule.name).light, "dark": colour_of(rule.name).dark},
        "about": about(rule),
        "source": rule.source,
        "hyper": {name: _plain(value) for name, value in rule.hyper.items()},
        "symbols": formulas.symbols_of_hyper(rule),
        "limits": {name: slider(name, value) for name, value in rule.hyper.items()},
        "state": {name: _plain(start) for name, start in rule.every_start.items()},
        "arrays": rule.arrays,
        "scalars": rule.scalars,
        "perStep": len(program.used_scalars),
        "normalised": not in_proportion(rule),
        "formula": formulas.rows(rule),
        "pointFormula": formulas.point_rows(rule),
        "evaluationFormula": formulas.evaluation_rows(rule),
        "stated": formulas.stated(rule),
        "contests": competing,
    }
    printed = {
        "once": functions.once(rule),
        "element": functions.element(rule),
        "inside": functions.inside(rule),
        "point": functions.weights(rule, trace_point(rule)),
        "evaluation": functions.weights(rule, trace_evaluation(rule)),
    }
    return {name: literal(value) for name, value in data.items()} | printed


def surface_entry(surface: Surface) -> dict[str, str]:
    """A surface's fields, each as JavaScript."""
    rows = formulas.surface_rows(surface)
    data = {
        "name": surface.name,
        "about": surface.source,
        "window": surface.window,
        "minima": surface.minima,
        "starts": surface.starts,
        "rates": surface.rates,
        "steps": surface.steps,
        "teaches": surface.teaches,
        "formula": "".join(rows),
    }
    printed = {"value": functions.value(surface), "gradient": functions.gradient(surface)}
    return {name: literal(value) for name, value in data.items()} | printed


def about(rule: Rule) -> str:
    """What a rule does, as its file or its function says; of one that is wrapped, what the wrapper does first.

    Example:
        >>> from thalweg.rules.decay import ascent
        >>> about(ascent(RULES["sgd"])).partition(". ")[0]
        'The rule on the negative gradient: it climbs (`maximize=True` in torch)'
    """
    if not rule.made:
        return first_sentence(rule) or _first_line(rule.formula)
    wrapper, inner = rule.made
    return f"{_first_line(wrapper)} The rule is {about(inner)}"


def _first_line(documented: object) -> str:
    return (inspect.getdoc(documented) or "").partition("\n")[0]


def family(rule: Rule) -> str:
    """What the rules of one colour are called: the first name that has it.

    Example:
        >>> family(RULES["amsgrad"]), family(RULES["irprop_minus"]), family(RULES["lion"])
        ('other', 'rprop', 'other')
    """
    return next(name for name, colour in FAMILIES.items() if colour == colour_of(rule.name)) or "other"


def literal(value: Any) -> str:
    r"""Data as JavaScript that may stand inside a page.

    Example:
        >>> literal({"a": "</script>", "b": (1.0, float("inf"))})
        '{"a":"<\\/script>","b":[1.0,Infinity]}'
    """
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).replace("</", "<\\/")


def _plain(value: float | str) -> float | int | str:
    """Whole numbers without a point, as one would type them."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _table(name: str, entries: Iterable[dict[str, str]]) -> str:
    rows = ",\n".join(f"{entry['name']}: {{\n{_fields(entry)}\n}}" for entry in entries)
    return f"const {name} = {{\n{rows}\n}};"


def _fields(entry: dict[str, str]) -> str:
    return ",\n".join(f"{name}: {text}" for name, text in entry.items())


def _normal() -> str:
    """Normal noise from two whole numbers, into `out_`: the program of `thalweg.compile.noise`."""
    program = trace_normal()
    body = statements(program.body, program.name)
    body += [f"out_[{index}] = {expression(value)};" for index, value in enumerate(program.outputs)]
    return functions.function("a, b, out_", body)
