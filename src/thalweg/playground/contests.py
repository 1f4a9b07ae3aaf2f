"""Which term of a formula matters now: the places of a rule where terms compete, for the page to decide.

In a sum or difference the summand of larger magnitude matters, in `maximum`, `minimum` and `where` the branch that is
taken. Two kinds of sum hold no contest: what is computed once per step, which the clock decides and no gradient; and a
place to which a step is added, since a place has a magnitude only by where its zero was put.
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass

from thalweg.compile.program import Argument, Line, Program
from thalweg.compile.trace import trace
from thalweg.formula import AT_THE_WEIGHTS, Rule

SUMS, BRANCHES = ("add", "sub"), ("maximum", "minimum", "where")


@dataclass(frozen=True)
class Term:
    """One that competes.

    Attributes:
        key: What it is called: the class of its element in the formula.
        value: The line, input or number that it is.
    """

    key: str
    value: Argument


@dataclass(frozen=True)
class Contest:
    """One place where terms compete.

    Attributes:
        kind: `"sum"`, or the operation that chooses: `"maximum"`, `"minimum"`, `"where"`.
        terms: Who competes.
        condition: Of `where`, the line that decides.
        within: The branches inside which it stands: where none of them is taken, nothing here matters.
    """

    kind: str
    terms: tuple[Term, ...]
    condition: Argument | None
    within: tuple[str, ...]


@functools.lru_cache(maxsize=512)
def contests(rule: Rule) -> tuple[Contest, ...]:
    """Every contest in a rule's equations, each before those inside its branches.

    Example:
        >>> from thalweg.rules import RULES
        >>> for contest in contests(RULES["amsgrad"]):
        ...     print(contest.kind, [term.value for term in contest.terms])
        sum ['a7', 'eps']
        maximum ['v_max', 'v_new']
        sum ['a3', 'a5']
        sum ['a1', 'a2']
    """
    program = trace(rule)
    found: list[Contest] = []
    within: dict[str, tuple[str, ...]] = {}
    branches: set[str] = set()
    for line in reversed(_lines(program)):
        within[line.name] = _within(program, line, within, branches)
        if competing := _competing(rule, line):
            kind = "sum" if line.op in SUMS else line.op
            condition = line.args[0] if kind == "where" else None
            found.append(Contest(kind, competing, condition, within[line.name]))
            branches |= {term.key for term in competing} if kind != "sum" else set()
    return tuple(found)


def key_of(program: Program, line: Line, operand: int) -> str:
    """What an operand of a program's line is called: the class of its element in the formula."""
    return f"term-{_lines(program).index(line)}-{operand}"


def _lines(program: Program) -> tuple[Line, ...]:
    return (*program.scalars, *program.body)


def _competing(rule: Rule, line: Line) -> tuple[Term, ...]:
    """The terms of the contest that a line is; none where it is no contest."""
    program = trace(rule)
    if line.op in BRANCHES and line.name in _moving(rule):
        operands = [(line, len(line.args) - 2), (line, len(line.args) - 1)]
    elif line.op in SUMS and line in program.body and not _continues(program, line):
        operands = [(each, k) for each, k in _summands(program, line) if not _is_place(rule, each.args[k])]
    else:
        return ()
    terms = tuple(Term(key_of(program, each, k), each.args[k]) for each, k in operands)
    return terms if len(terms) > 1 else ()


def _summands(program: Program, line: Line) -> list[tuple[Line, int]]:
    """The operands of a sum and of those sums that it continues, from left to right."""
    begun = next((each for each in program.body if each.name == line.args[0] and _continues(program, each)), None)
    return [*(_summands(program, begun) if begun else [(line, 0)]), (line, 1)]


def _continues(program: Program, line: Line) -> bool:
    """Whether a sum is the beginning of one longer sum, as `a + b` is of `a + b - c`."""
    uses = _uses(program, line)
    is_part = line.op in SUMS and len(uses) == 1 and uses[0][0].op in SUMS and uses[0][1] == 0
    return is_part and not _is_stated(program, line)


def _uses(program: Program, line: Line) -> list[tuple[Line, int]]:
    return [(user, k) for user in _lines(program) for k, argument in enumerate(user.args) if argument == line.name]


def _is_stated(program: Program, line: Line) -> bool:
    """Whether an equation of its own states it; other lines stand where they are used."""
    return line.name in program.named or line.name in program.outputs


def _within(program: Program, line: Line, within: dict[str, tuple[str, ...]], branches: set[str]) -> tuple[str, ...]:
    """The branches inside which a line stands; none where it stands outside of any, be it in one place only."""
    keys = [(key_of(program, user, k), user) for user, k in _uses(program, line)]
    around = [(key,) if key in branches else within[user.name] for key, user in keys]
    inside = not _is_stated(program, line) and all(around)
    return tuple(dict.fromkeys(key for keys in around for key in keys)) if inside else ()


def _is_place(rule: Rule, term: Argument) -> bool:
    """Whether it is weights, old, new or between: x, and the states that start as a copy of it."""
    places = {"x", *(state for state, start in rule.initial.items() if start == AT_THE_WEIGHTS)}
    return isinstance(term, str) and re.sub(r"_new\d*$", "", term) in places


@functools.lru_cache(maxsize=512)
def _moving(rule: Rule) -> frozenset[Argument]:
    """The names whose value changes within a run, whatever the hyperparameters."""
    moving: set[Argument] = {"x", "g", "t", *rule.state}
    for line in _lines(trace(rule)):
        if moving & set(line.args):
            moving.add(line.name)
    return frozenset(moving)
