"""Formulas as MathML, which browsers draw by themselves: of rules and surfaces, for the page and the documentation."""

from __future__ import annotations

import html
import re

from thalweg.compile.field import trace_surface
from thalweg.compile.latex import Mark, named_equations, symbols
from thalweg.compile.program import Argument, Line, Program
from thalweg.compile.trace import trace, trace_evaluation, trace_point
from thalweg.formula import Rule
from thalweg.formula.surface import Surface
from thalweg.playground.contests import contests, key_of


def rows(rule: Rule) -> list[str]:
    """A rule's equations, each one `<math display="block">`, in the author's order.

    Terms that compete, in the meaning of `thalweg.playground.contests`, have their key as their class.

    Example:
        >>> from thalweg.rules import RULES
        >>> first, second = rows(RULES["momentum"])
        >>> 'class="term-1-0"' in first, second.startswith('<math ')
        (True, True)
    """
    program = trace(rule)
    keys = {term.key for contest in contests(rule) for term in contest.terms}

    def mark(line: Line, operand: int) -> str:
        key = key_of(program, line, operand)
        return key if key in keys else ""

    return _rows(program, mark)


def stated(rule: Rule) -> list[Argument]:
    """For each of a rule's `rows` the line, or the number, whose value it states."""
    return [equation.name for equation in named_equations(trace(rule))]


def point_rows(rule: Rule) -> list[str]:
    """The equations of the point where a rule wants its gradient; none where that is x itself."""
    program = trace_point(rule)
    return _rows(program) if program else []


def evaluation_rows(rule: Rule) -> list[str]:
    """The equations of the weights that a rule wants to be evaluated; none where these are x itself."""
    program = trace_evaluation(rule)
    return _rows(program) if program else []


def symbols_of_hyper(rule: Rule) -> dict[str, str]:
    r"""What hyperparameters are called in the equations where that is another name, as formulas inside a line.

    Example:
        >>> from thalweg.rules import RULES
        >>> symbols_of_hyper(RULES["sgd"])
        {'lr': '<math alttext="\\eta"><mi>η</mi></math>'}
    """
    known = symbols(trace(rule))
    named = {name: known[name] for name in rule.hyper if known[name] not in (name, rf"\mathrm{{{name}}}")}
    return {name: mathml(symbol).replace(' display="block"', "") for name, symbol in named.items()}


def surface_rows(surface: Surface) -> list[str]:
    """A surface's equations, the last one that of `f(x, y)`."""
    return _rows(trace_surface(surface))


def mathml(latex: str, words: str = "") -> str:
    r"""One formula.

    Args:
        latex: The formula, in which `\class{NAME}{...}` gives a part a class.
        words: What is read aloud by what cannot read MathML; the LaTeX where nothing is said.

    Example:
        >>> mathml("x^{2}")
        '<math display="block" alttext="x^{2}"><mrow><msup><mi>x</mi><mn>2</mn></msup></mrow></math>'
    """
    from latex2mathml.converter import convert

    plain = html.escape(words or re.sub(r"\\class\{[^{}]*\}", "", latex))
    body = re.sub(r"^<math[^>]*>", "", convert(_legible(latex)))
    body = re.sub(r'(?:<mi mathvariant="normal">.</mi>)+', _joined, body)
    body = re.sub(r"&#x0([0-9A-F]{4});", lambda code: html.escape(chr(int(code[1], 16))), body)
    body = re.sub(r"<mrow>(<(mi|mn)>[^<]*</\2>)</mrow>", r"\1", body)
    return f'<math display="block" alttext="{plain}">{body}'


def _rows(program: Program, mark: Mark | None = None) -> list[str]:
    plain = named_equations(program)
    return [
        mathml(f"{each.left} = {each.right}", f"{words.left} = {words.right}")
        for each, words in zip(named_equations(program, mark), plain, strict=True)
    ]


def _legible(latex: str) -> str:
    """Numbers of many digits, rounded to six."""
    return re.sub(r"\d+\.\d{7,}", lambda number: f"{float(number[0]):.6g}", latex)


def _joined(letters: re.Match[str]) -> str:
    """A word as one upright name, which latex2mathml gives letter by letter."""
    word = "".join(re.findall(r">(.)<", letters[0]))
    return f"<mi>{word}</mi>" if len(word) > 1 else letters[0]
