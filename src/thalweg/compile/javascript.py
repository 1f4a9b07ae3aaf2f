"""The JavaScript printer: a program as a function of plain numbers, which are doubles there as in NumPy's float64.

One statement for every line, in the same order. `+ - * /` and `Math.sqrt` are rounded correctly by every browser;
`Math.pow`, `exp`, `log`, `sin` and `cos` may differ from NumPy's in the last bit.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from thalweg.compile.program import Argument, Line, Program
from thalweg.compile.source import INFIX, block

# Words that JavaScript keeps for itself in strict mode, and its own names that printed functions read.
_WORDS = """
    arguments await break case catch class const continue debugger default delete do else enum eval export extends false
    finally for function if implements import in instanceof interface let new null package private protected public
    return static super switch this throw true try typeof var void while with yield undefined NaN Infinity Math
"""
RESERVED = frozenset(_WORDS.split())

# The power of two numbers is C's and NumPy's, which of 1 to any power is 1; JavaScript's is NaN at infinity and NaN.
ANY_POWER = "{0} === 1 || ({0} === -1 && Math.abs({1}) === Infinity) ? 1 : Math.pow({0}, {1})"
SPELLING = INFIX | {
    "eq": "{} === {}",
    "ne": "{} !== {}",
    "pow": ANY_POWER,
    "plain_pow": "Math.pow({}, {})",
    "sqrt": "Math.sqrt({})",
    "exp": "Math.exp({})",
    "log": "Math.log({})",
    "sin": "Math.sin({})",
    "cos": "Math.cos({})",
    "abs": "Math.abs({})",
    "sign": "Math.sign({}) + 0",  # of -0 it is 0
    "maximum": "{0} > {1} ? {0} : {0} === {0} ? {1} : {0}",
    "minimum": "{0} < {1} ? {0} : {0} === {0} ? {1} : {0}",
    "where": "{} ? {} : {}",
}


def source(program: Program) -> str:
    """The program as a JavaScript function of one element, which can be pasted anywhere.

    Example:
        >>> from thalweg.compile.trace import trace
        >>> from thalweg.rules import RULES
        >>> print(source(trace(RULES["momentum"])))
        function momentum(x, g, t, v, { lr, rho }) {
          // once per element
          const a1 = rho * v;
          const v_new = a1 + g;
          const a2 = lr * v_new;
          const x_new = x - a2;
          return [x_new, v_new];
        }
        <BLANKLINE>
    """
    head = f"function {word(program.identifier)}({', '.join(_arguments(program))}) {{"
    once = ["// once per step", *statements(program.scalars, program.name)] if program.scalars else []
    outputs = ", ".join(map(expression, program.outputs))
    result = f"return [{outputs}];" if len(program.outputs) > 1 else f"return {outputs};"
    body = [*once, "// once per element", *statements(program.body, program.name), result]
    return "\n".join([head, *(f"  {line}" for line in body), "}"]) + "\n"


def _arguments(program: Program) -> list[str]:
    """A rule takes x, g, t and its states in the signature's order; a gradient's point and a surface what they read."""
    hyper = [f"{{ {', '.join(map(word, program.hyper))} }}"] if program.hyper else []
    if "g" in program.inputs:
        return ["x", "g", "t", *map(word, program.targets[1:]), *hyper]
    read = {argument for line in program.scalars for argument in line.args}
    return [*map(word, (*program.inputs, *program.scalar_state)), *(["t"] if "t" in read else []), *hyper]


def statements(lines: Iterable[Line], owner: str) -> list[str]:
    """One constant for every line.

    Args:
        lines: Of a program.
        owner: The program's name, for the error.

    Raises:
        FormulaError: If an operation has no spelling in JavaScript.

    Example:
        >>> statements((Line("new", "maximum", ("v", 0.0)), Line("s1", "pow", ("beta", "t"))), "mine")
        ['const new_ = v > 0 ? v : v === v ? 0 : v;', 'const s1 = Math.pow(beta, t);']
    """
    spelled = tuple(Line(word(line.name), _operation(line), line.args) for line in lines)
    return [f"const {text};" for text in block(spelled, SPELLING, "javascript", owner, expression)]


def expression(argument: Argument) -> str:
    """A name or a number; reading the number gives the same double again.

    Example:
        >>> [expression(a) for a in ("m_new", "delete", 0.1, 1.0, -0.0, 1e-8, float("inf"))]
        ['m_new', 'delete_', '0.1', '1', '-0', '1e-08', 'Infinity']
    """
    if isinstance(argument, str):
        return word(argument)
    if not math.isfinite(argument):
        return "NaN" if math.isnan(argument) else "Infinity" if argument > 0 else "-Infinity"
    return repr(argument).removesuffix(".0")


def word(name: str) -> str:
    """A name as JavaScript may have it: no name of a program ends with an underscore, so that renamed ones are new.

    Example:
        >>> word("beta1"), word("new")
        ('beta1', 'new_')
    """
    return f"{name}_" if name in RESERVED else name


def _operation(line: Line) -> str:
    """The operation, where a power that is certainly no special case is one of its own, which reads shorter."""
    if line.op != "pow":
        return line.op
    base, exponent = line.args
    plain_base = isinstance(base, float) and abs(base) != 1
    plain_exponent = math.isfinite(exponent) if isinstance(exponent, float) else exponent == "t"
    return "plain_pow" if plain_base or plain_exponent else "pow"
