"""The language that rules and surfaces are written in: numbers or symbols in, the same short formula either way."""

from thalweg.formula.expr import Expr
from thalweg.formula.functions import absolute, cos, exp, log, maximum, minimum, sign, sin, sqrt, where
from thalweg.formula.peer import Difference, Peer
from thalweg.formula.rule import AT_THE_WEIGHTS, Rule, rule
from thalweg.formula.surface import Surface, surface

__all__ = [
    "AT_THE_WEIGHTS",
    "Difference",
    "Expr",
    "Peer",
    "Rule",
    "Surface",
    "absolute",
    "cos",
    "exp",
    "log",
    "maximum",
    "minimum",
    "rule",
    "sign",
    "sin",
    "sqrt",
    "surface",
    "where",
]
