"""A rule as a program: straight-line code, one operation a line, in the order in which the author wrote it.

Canonical form, checked when a rule is traced:

- every name is assigned once; what is computed twice alike is shared;
- `scalars` depend on no array and run once per step in float64; `body` runs once per element;
- the new value of a scalar state depends on no array either;
- the body holds only operations that the floating-point standard rounds correctly;
- a condition is made by a comparison and used only as the first argument of `where`.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

Argument = str | float

COMPARISONS = ("gt", "lt", "ge", "le", "eq", "ne")
EXACT = ("add", "sub", "mul", "div", "neg", *COMPARISONS, "sqrt", "abs", "sign", "maximum", "minimum", "where")
ELEMENTARY = (*EXACT, "pow", "exp", "log", "sin", "cos")  # what a surface may use; backends may differ in the last bit


@dataclass(frozen=True)
class Line:
    """`name = op(*args)`; an argument is the name of an input or of an earlier line, or a number."""

    name: str
    op: str
    args: tuple[Argument, ...]

    def __str__(self) -> str:
        return f"{self.name} = {self.op}({', '.join(map(str, self.args))})"


@dataclass(frozen=True, eq=False)
class Program:
    """A traced formula. Compared by identity, which costs nothing: a rule is traced once.

    Attributes:
        name: The rule's name.
        inputs: The arrays it reads: x, g, then the state arrays; for a gradient's point x, then these.
        hyper: The names of the hyperparameters.
        scalars: Lines computed once per step, from `t`, the hyperparameters and the scalar state.
        body: Lines computed once per element.
        outputs: For each of `targets` the name, or the number, of its new value.
        targets: What it gives a new value: x, then every state in the signature's order, scalar state included.
        named: Lines that carry a name which the rule's author gave.
        scalar_state: The states that are one number, in float64, instead of an array.
    """

    name: str
    inputs: tuple[str, ...]
    hyper: tuple[str, ...]
    scalars: tuple[Line, ...]
    body: tuple[Line, ...]
    outputs: tuple[Argument, ...]
    targets: tuple[str, ...]
    named: frozenset[str]
    scalar_state: tuple[str, ...] = ()

    @property
    def identifier(self) -> str:
        """The name as a Python identifier: `l2_adam` for `l2(adam)`."""
        return re.sub(r"\W+", "_", self.name).strip("_")

    @property
    def stores(self) -> tuple[tuple[str, Argument], ...]:
        """The arrays it writes, each with the name, or the number, of its new value."""
        return tuple(pair for pair in self._new_values if pair[0] not in self.scalar_state)

    @property
    def scalar_stores(self) -> tuple[tuple[str, Argument], ...]:
        """The scalar states it gives a new value, each with the name, or the number, of that value."""
        return tuple(pair for pair in self._new_values if pair[0] in self.scalar_state)

    @property
    def _new_values(self) -> tuple[tuple[str, Argument], ...]:
        return tuple(zip(self.targets, self.outputs, strict=True))

    @property
    def used_scalars(self) -> tuple[str, ...]:
        """The per-step values that the body and the arrays' new values read, in a fixed order."""
        read = {a for line in self.body for a in line.args} | {output for _, output in self.stores}
        made = (line.name for line in self.scalars)
        return tuple(name for name in ("t", *self.hyper, *self.scalar_state, *made) if name in read)

    @property
    def text(self) -> str:
        """The program as readable text; two rules with the same text are the same mathematics."""
        groups = (self.inputs, ("t", *self.hyper), *((self.scalar_state,) if self.scalar_state else ()))
        lines = [f"{self.name}({'; '.join(', '.join(group) for group in groups)})", "once per step:"]
        lines += [f"    {line}" for line in self.scalars] or ["    nothing"]
        lines += ["once per element:", *(f"    {line}" for line in self.body)]
        lines += ["new values:", *(f"    {t} = {o}" for t, o in self._new_values)]
        return "\n".join(lines)

    @property
    def structure(self) -> str:
        """The text without its own name and the names of its lines: equal for two ways to write the same formula."""
        lines = (*self.scalars, *self.body)
        numbers = {line.name: f"#{k}" for k, line in enumerate(lines)}
        renamed = [(line.op, *(numbers.get(str(a), a) for a in line.args)) for line in lines]
        outputs = [numbers.get(str(o), o) for o in self.outputs]
        return repr((self.inputs, sorted(self.hyper), self.scalar_state, renamed, self.targets, outputs))

    @property
    def digest(self) -> str:
        """A hash of the text."""
        return hashlib.sha256(self.text.encode()).hexdigest()
