"""The LaTeX printer: a program as the equations that one would write on a blackboard.

One equation for every value that the rule's author named, and one for every array and scalar state that is written;
what has no name stands where it is used. Old state carries the index t-1, new state t; a name that is assigned again
carries a tilde.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from thalweg.compile.program import Argument, Line, Program
from thalweg.errors import FormulaError

GREEK = ("alpha", "beta", "gamma", "delta", "eta", "theta", "kappa", "mu", "nu", "rho", "sigma", "tau", "phi", "omega")
LETTERS = {name: rf"\{name}" for name in GREEK} | {"eps": r"\epsilon", "lr": r"\eta"}
LETTERS |= {"decay": r"\lambda", "lambd": r"\lambda"}
ACCENTS = ("hat", "bar", "tilde")

# How tightly an expression holds together; one that holds less than its place asks for is put in parentheses.
RELATION, SUM, NEGATIVE, PRODUCT, POWER, ATOM = range(6)


@dataclass(frozen=True)
class Text:
    """An expression as LaTeX.

    Attributes:
        latex: The source.
        binding: How tightly it holds together, from `RELATION` to `ATOM`.
        cases: The rows, if it is a distinction of cases.
    """

    latex: str
    binding: int = ATOM
    cases: tuple[str, ...] = ()

    def marked(self, name: str) -> Text:
        """The same expression under a name, by which a page finds it; cases have a name for each row instead."""
        return Text(rf"\class{{{name}}}{{{self.latex}}}", self.binding) if name and not self.cases else self

    def at_least(self, binding: int) -> str:
        """The source, in parentheses if it holds less tightly than `binding`."""
        return self.latex if self.binding >= binding else rf"\left({self.latex}\right)"


@dataclass(frozen=True)
class Equation:
    """One equation of a program.

    Attributes:
        name: The line, or the number, whose value it states.
        left: The symbol of that value.
        right: What it is computed from.
    """

    name: Argument
    left: str
    right: str


Mark = Callable[[Line, int], str]  # how to name an operand of a line, by its place; "" for not at all


def source(program: Program) -> str:
    r"""The program as an aligned block of LaTeX.

    Example:
        >>> from thalweg.compile.trace import trace
        >>> from thalweg.rules import RULES
        >>> print(source(trace(RULES["momentum"])))
        \begin{aligned}
            v_t &= \rho\,v_{t-1} + g_t \\
            x_t &= x_{t-1} - \eta\,v_t
        \end{aligned}
    """
    rows = (f"    {left} &= {right}" for left, right in equations(program))
    return "\\begin{aligned}\n" + " \\\\\n".join(rows) + "\n\\end{aligned}"


def equations(program: Program) -> list[tuple[str, str]]:
    """The left and the right side of every equation, in the author's order.

    Raises:
        FormulaError: If the program uses an operation that has no spelling here.
    """
    return [(each.left, each.right) for each in named_equations(program)]


def named_equations(program: Program, mark: Mark | None = None) -> list[Equation]:
    r"""Every equation, in the author's order, with operands wrapped as `\class{NAME}{...}` where they are marked.

    Args:
        program: A traced rule or surface.
        mark: Names an operand that a page wants to find.

    Raises:
        FormulaError: If the program uses an operation that has no spelling here.

    Example:
        >>> from thalweg.compile.trace import trace
        >>> from thalweg.rules import RULES
        >>> first, _ = named_equations(trace(RULES["momentum"]), lambda line, place: f"{line.op}-{place}")
        >>> first.name, first.right
        ('v_new', '\\class{add-0}{\\class{mul-0}{\\rho}\\,\\class{mul-1}{v_{t-1}}} + \\class{add-1}{g_t}')
    """
    known = {name: Text(latex) for name, latex in symbols(program).items()}
    unnamed: dict[Argument, Line] = {}
    found = []
    for line in (*program.scalars, *program.body):
        spelled = _spell(program, line, known, unnamed, mark)
        if line.name in program.named:
            found.append(Equation(line.name, known[line.name].latex, spelled.latex))
        else:
            unnamed[line.name] = line
            known[line.name] = spelled
    for target, output in zip(program.targets, program.outputs, strict=True):
        left, right = _new(program, target), _text(output, known).latex
        if left != right:
            found.append(Equation(output, left, right))
    return found


def symbols(program: Program) -> dict[str, str]:
    r"""The LaTeX of every name of a program: inputs, hyperparameters and the lines that the author named.

    Example:
        >>> from thalweg.compile.trace import trace
        >>> from thalweg.rules import RULES
        >>> names = symbols(trace(RULES["adam"]))
        >>> names["m"], names["m_new"], names["m_hat"], names["beta1"]
        ('m_{t-1}', 'm_t', '\\hat{m}_t', '\\beta_1')
    """
    now, before = ("", "") if _is_surface(program) else ("t", "t-1")
    names = {"t": "t"} | {hyper: _symbol(program, hyper) for hyper in program.hyper}
    names |= {old: _symbol(program, old, now if old == "g" else before) for old in _old(program)}
    times = Counter(names.keys())
    outputs = dict(zip(program.targets, program.outputs, strict=True))
    for line in (*program.scalars, *program.body):
        base = re.sub(r"_new\d*$", "", line.name)
        if outputs.get(base) == line.name:
            names[line.name] = _new(program, base)
        elif line.name in program.named:
            names[line.name] = _symbol(program, base, now, times[base])
            times[base] += 1
    return names


def _old(program: Program) -> tuple[str, ...]:
    """Everything that has a value before the step."""
    return (*program.inputs, *program.scalar_state)


def _is_surface(program: Program) -> bool:
    """Whether it is a function of the plane, which knows no time."""
    return program.targets[0] == "f"


def _new(program: Program, target: str) -> str:
    """The symbol of a new value; the point at which a rule wants its gradient is not a new x, and gets a tilde."""
    if _is_surface(program):
        return rf"{_symbol(program, target)}\left(x, y\right)" if target == "f" else _symbol(program, target)
    return _symbol(program, target, "t", 0 if "g" in program.inputs else 1)


def _symbol(program: Program, name: str, when: str = "", tildes: int = 0) -> str:
    """A Python name as a symbol: the letter, its accents, then what stands behind underscores and the time, below."""
    first, *rest = name.split("_")
    word, number = re.fullmatch(r"(.*?)(\d*)", first).groups()  # type: ignore[union-attr]
    letter = LETTERS.get(word, word if len(word) == 1 else rf"\mathrm{{{word}}}")
    if word == "lr" and any(other.split("_")[0] == "eta" for other in (*_old(program), *program.hyper)):
        letter = r"\mathrm{lr}"
    if word == "decay" and "lambd" in program.hyper:
        letter = r"\mathrm{decay}"
    for accent in [part for part in rest if part in ACCENTS] + ["tilde"] * tildes:
        letter = rf"\{accent}{{{letter}}}"
    below = [number, *(rf"\mathrm{{{part}}}" for part in rest if part not in ACCENTS), when]
    index = ",".join(part for part in below if part)
    return f"{letter}_{{{index}}}" if len(index) > 1 else f"{letter}_{index}" if index else letter


def _text(argument: Argument, known: dict[str, Text]) -> Text:
    return known[argument] if isinstance(argument, str) else _number(argument)


def _number(value: float) -> Text:
    if not math.isfinite(value):
        return Text(r"-\infty", NEGATIVE) if value < 0 else Text(r"\infty" if value > 0 else r"\mathrm{nan}")
    if by_pi := _by_pi(value):
        return by_pi
    digits, _, exponent = repr(int(value) if value.is_integer() and abs(value) < 1e15 else value).partition("e")
    if not exponent:
        return Text(digits, ATOM if value >= 0 else NEGATIVE)
    factor = "" if digits == "1" else rf"{digits} \cdot "
    return Text(f"{factor}10^{{{int(exponent)}}}", PRODUCT if value >= 0 else NEGATIVE)


def _by_pi(value: float) -> Text | None:
    """A number that no short decimal is, as a short one times or over a power of pi, where it is that."""
    if len(repr(value)) < 16:
        return None
    for pi, power in ((r"\pi", math.pi), (r"\pi^{2}", math.pi**2)):
        for factor, form in ((value / power, r"{}\,{}"), (value * power, r"\frac{{{}}}{{{}}}")):
            short = f"{factor:.4g}"
            if "e" not in short and abs(float(short) - factor) <= 1e-15 * abs(factor):
                return Text(form.format(short, pi).removeprefix(r"1\,"), PRODUCT if value > 0 else NEGATIVE)
    return None


def _spell(
    program: Program, line: Line, known: dict[str, Text], unnamed: dict[Argument, Line], mark: Mark | None
) -> Text:
    if line.op not in SPELLING:
        raise FormulaError(
            f"rule '{program.name}' uses '{line.op}', which the backend 'latex' cannot spell: add it to its table"
        )
    base, exponent = _power(line, unnamed)
    if exponent > 1:
        return Text(f"{_text(base, known).at_least(ATOM)}^{{{exponent}}}", POWER)
    operands = [_text(argument, known) for argument in line.args]
    if mark:
        operands = [each.marked(mark(line, place)) for place, each in enumerate(operands)]
    return SPELLING[line.op](*operands)


def _power(line: Line, unnamed: dict[Argument, Line]) -> tuple[Argument, int]:
    """The base and the exponent of a repeated multiplication; an exponent of 1 where there is none."""
    if line.op == "mul":
        first, second = line.args
        base, exponent = _power(unnamed[first], unnamed) if first in unnamed else (first, 1)
        base, exponent = (base, exponent) if exponent > 1 else (first, 1)
        if base == second:
            return base, exponent + 1
    return line.name, 1


def _infix(sign: str) -> Callable[[Text, Text], Text]:
    return lambda a, b: Text(f"{a.at_least(SUM)} {sign} {b.at_least(PRODUCT)}", SUM)


def _relation(sign: str) -> Callable[[Text, Text], Text]:
    return lambda a, b: Text(f"{a.at_least(SUM)} {sign} {b.at_least(SUM)}", RELATION)


def _function(name: str) -> Callable[..., Text]:
    return lambda *arguments: Text(rf"{name}\left({', '.join(a.latex for a in arguments)}\right)", POWER)


def _product(a: Text, b: Text) -> Text:
    second = b.at_least(PRODUCT)
    between = r" \cdot " if re.match(r"(\\class\{[^{}]*\}\{)*\d", second) else r"\,"
    return Text(f"{a.at_least(NEGATIVE)}{between}{second}", NEGATIVE if a.binding == NEGATIVE else PRODUCT)


def _cases(condition: Text, a: Text, b: Text) -> Text:
    rows = (rf"{a.latex} & \text{{if }} {condition.latex}", *(b.cases or (rf"{b.latex} & \text{{otherwise}}",)))
    body = r" \\ ".join(rows)
    return Text(rf"\begin{{cases}} {body} \end{{cases}}", RELATION, rows)


SPELLING: dict[str, Callable[..., Text]] = {
    "add": _infix("+"),
    "sub": _infix("-"),
    "mul": _product,
    "div": lambda a, b: Text(rf"\frac{{{a.latex}}}{{{b.latex}}}", POWER),
    "pow": lambda a, b: Text(f"{a.at_least(ATOM)}^{{{b.latex}}}", POWER),
    "neg": lambda a: Text(f"-{a.at_least(PRODUCT)}", NEGATIVE),
    "gt": _relation(">"),
    "lt": _relation("<"),
    "ge": _relation(r"\geq"),
    "le": _relation(r"\leq"),
    "eq": _relation("="),
    "ne": _relation(r"\neq"),
    "sqrt": lambda a: Text(rf"\sqrt{{{a.latex}}}", POWER),
    "exp": lambda a: Text(f"e^{{{a.latex}}}", POWER),
    "log": _function(r"\log"),
    "sin": _function(r"\sin"),
    "cos": _function(r"\cos"),
    "abs": lambda a: Text(rf"\left|{a.latex}\right|"),
    "sign": _function(r"\operatorname{sign}"),
    "maximum": _function(r"\max"),
    "minimum": _function(r"\min"),
    "where": _cases,
}
