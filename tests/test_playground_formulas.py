"""Formulas as MathML, and which of their terms compete."""

import math
import re
import xml.etree.ElementTree as ElementTree

import pytest

from catalogue import EVERY_RULE
from thalweg.compile.field import trace_surface
from thalweg.compile.latex import equations, named_equations
from thalweg.compile.trace import trace, trace_evaluation
from thalweg.draw.rates import in_proportion
from thalweg.formula import Rule, maximum, rule, where
from thalweg.formula.surface import Surface, surface
from thalweg.playground.catalogue import rule_entry
from thalweg.playground.contests import Contest, contests
from thalweg.playground.formulas import evaluation_rows, mathml, point_rows, rows, stated, surface_rows
from thalweg.playground.sliders import slider
from thalweg.rules import RULES
from thalweg.rules.decay import decoupled, l2
from thalweg.rules.hyper import RANGES
from thalweg.surfaces import SURFACES

EVERY = pytest.mark.parametrize("each", EVERY_RULE, ids=lambda r: r.name)
MARKUP = {"math", "mrow", "mi", "mn", "mo", "msub", "msup", "msubsup", "mfrac", "msqrt", "mspace", "mtext", "mover"} | {
    *("mtable", "mtr", "mtd")
}


def read(row: str) -> ElementTree.Element:
    """The row as XML, which it must be."""
    element = ElementTree.fromstring(row)
    assert element.tag == "math" and element.get("display") == "block" and element.get("alttext")
    assert {part.tag for part in element.iter()} <= MARKUP
    return element


def classes(row: str) -> list[str]:
    return [part.get("class", "") for part in read(row).iter() if part.get("class")]


def text_of(row: str) -> str:
    return "".join(read(row).itertext())


@EVERY
def test_every_rule_has_a_row_for_each_equation(each: Rule):
    written = rows(each)
    told = [read(row).get("alttext") for row in written]
    assert told == [f"{left} = {right}" for left, right in equations(trace(each))]
    assert len(stated(each)) == len(written) == len(rule_entry(each)["formula"].split("<math ")) - 1
    assert not any("\\" in text_of(row) or "class" in text_of(row) for row in written)


@EVERY
def test_every_competing_term_stands_in_the_formula(each: Rule):
    found = [name for row in rows(each) for name in classes(row)]
    flattened = {key for contest in contests(each) if contest.kind == "where" for key in contest.within}
    keys = {term.key for contest in contests(each) for term in contest.terms}
    assert set(found) <= keys and keys - set(found) <= flattened
    order = [contest.terms for contest in contests(each)]
    for position, contest in enumerate(contests(each)):
        before = {term.key for terms in order[:position] for term in terms}
        assert set(contest.within) <= before


@EVERY
def test_marks_change_nothing_else(each: Rule):
    marked = named_equations(trace(each), lambda line, place: "m" if line.op != "where" else "")
    plain = named_equations(trace(each))
    assert [(e.name, e.left) for e in marked] == [(e.name, e.left) for e in plain]
    assert [without_marks(e.right) for e in marked] == [e.right for e in plain]


def without_marks(latex: str) -> str:
    """The text with the braces of every mark taken away."""
    while (start := latex.find(r"\class{m}{")) >= 0:
        depth, end = 1, start + len(r"\class{m}{")
        while depth:
            depth += {"{": 1, "}": -1}.get(latex[end], 0)
            end += 1
        latex = latex[:start] + latex[start + len(r"\class{m}{") : end - 1] + latex[end:]
    return latex


def competing(found: Rule) -> list[tuple[str, list]]:
    return [(contest.kind, [term.value for term in contest.terms]) for contest in contests(found)]


def test_sums_are_flat_and_places_do_not_compete():
    assert ("sum", ["a8", "a11"]) in competing(RULES["nadam"])  # x - a8 - a11
    assert competing(RULES["sgd"]) == []
    assert competing(decoupled(RULES["sgd"])) == []
    assert competing(l2(RULES["sgd"])) == [("sum", ["g", "a1"])]


def test_what_is_computed_once_per_step_competes_only_where_it_branches():
    kinds = {contest.kind for contest in contests(RULES["radam"]) if {t.value for t in contest.terms} & {"s1", "s2"}}
    assert "sum" not in kinds
    branches = [contest for contest in contests(RULES["radam"]) if contest.kind == "where"]
    assert branches and all(isinstance(contest.condition, str) for contest in branches)


def test_a_branch_inside_a_branch_knows_it():
    outer, inner = [contest for contest in contests(RULES["rprop_minus"]) if contest.kind == "where"]
    assert inner.within == (outer.terms[1].key,) and outer.within == ()


def test_a_term_that_two_places_share_stands_outside_of_branches():
    @rule("nowhere")
    def shared(x, g, t, m, *, lr=0.1):
        return x - lr * (where(g > 0, m + g, g) + (m + g)), m

    sums = {tuple(t.value for t in c.terms): c for c in contests(shared) if c.kind == "sum"}
    assert sums["m", "g"].within == ()

    @rule("nowhere")
    def alone(x, g, t, m, *, lr=0.1):
        return x - lr * where(g > 0, maximum(m + g, 0.0), g), m

    (within,) = [c.within for c in contests(alone) if c.kind == "sum"]
    (largest,) = [c for c in contests(alone) if c.kind == "maximum"]
    assert within == (largest.terms[0].key,) and isinstance(largest, Contest) and len(largest.within) == 1


@pytest.mark.parametrize("surface", SURFACES.values(), ids=lambda s: s.name)
def test_every_surface_has_its_formula(surface: Surface):
    written = [text_of(row) for row in surface_rows(surface)]
    assert written[-1].startswith("f(x,y)=")
    assert not re.search(r"\d\.\d{7}|[_\\]", "".join(written))


@pytest.mark.parametrize(
    ("number", "latex"),
    [
        (math.pi, r"\pi"),
        (-math.pi / 2, r"-0.5\,\pi"),
        (5 / math.pi, r"\frac{5}{\pi}"),
        (1.275 / math.pi**2, r"\frac{1.275}{\pi^{2}}"),
        (1e9 * math.pi, repr(1e9 * math.pi)),
        (math.pi * (1 + 1e-12), repr(math.pi * (1 + 1e-12))),
        (2 / 3, repr(2 / 3)),
    ],
)
def test_multiples_of_pi_are_recognised_and_nothing_else(number: float, latex: str):
    @surface("nowhere", window=((-1, 1), (-1, 1)), starts=((0, 0),))
    def mine(x, y):
        return number * x + y

    assert equations(trace_surface(mine)) == [(r"f\left(x, y\right)", rf"{latex}\,x + y")]


def test_a_rule_with_a_state_called_y_is_no_surface():
    @rule("nowhere", evaluation=lambda x, y: x + y)
    def mine(x, g, t, y, *, lr=0.1):
        return x - lr * g, y + g

    program = trace_evaluation(mine)
    assert program and equations(program) == [(r"\tilde{x}_t", "x_{t-1} + y_{t-1}")]


def test_points_and_evaluation_weights_have_rows():
    assert text_of(point_rows(RULES["nesterov_lookahead"])[0]).startswith("x~t=")
    assert len(evaluation_rows(RULES["schedule_free_sgd"])) == 1 and evaluation_rows(RULES["adam"]) == []


def test_words_are_upright():
    assert "<mi>sign</mi>" in mathml(r"\mathrm{sign}") and "<mi>x</mi>" in mathml("x")
    assert "cos(2πx)" in text_of(surface_rows(SURFACES["rastrigin"])[0])


@EVERY
def test_every_default_lies_on_its_slider(each: Rule):
    for name, default in each.hyper.items():
        kind, low, high = slider(name, default)
        assert kind in ("log", "log0", "fraction", "linear", "whole") and low < high
        assert low <= default <= high or (kind == "log0" and default == 0)
        assert low > 0 or not kind.startswith("log")
        if name in RANGES:
            assert RANGES[name][1](low) and RANGES[name][1](high)


def test_what_divides_by_the_size_of_the_gradient_is_measured():
    for each in EVERY_RULE:
        if "scale_invariant" in each.facts:
            assert not in_proportion(each), each.name
    plain = {"sgd", "asgd", "optimistic_gradient_descent", "schedule_free_sgd"}
    plain |= {name for name in RULES if name.startswith(("momentum", "nesterov"))}
    assert {name for name, each in RULES.items() if in_proportion(each)} == plain
    assert not in_proportion(l2(RULES["adam"])) and in_proportion(l2(RULES["sgd"]))
