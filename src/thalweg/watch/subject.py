"""Who is watched: the layers and parameter groups of an optimizer, and what each group does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Group:
    """A parameter group as it was when watching began.

    Attributes:
        number: Its position among the optimizer's groups.
        optimizer: The name of the optimizer's class.
        rule: The rule that it follows, as the catalogue writes it (`"l2(adam)"`); None where the catalogue has none.
        hyper: A number for each hyperparameter of the rule, in the rule's letters.
        given: The entries of the group that are plain numbers, in the framework's own words.
    """

    number: int
    optimizer: str
    rule: str | None
    hyper: Mapping[str, float] = field(default_factory=dict)
    given: Mapping[str, float] = field(default_factory=dict)

    @property
    def called(self) -> str:
        """What people call its optimizer: the class, or the rule where a class has any."""
        return self.rule if self.rule and self.optimizer == "Optimizer" else self.optimizer


@dataclass(frozen=True)
class Part:
    """A layer (one tensor of parameters), or all layers of a group together: a column of every figure.

    Attributes:
        name: The parameter's name, or `"group 0"`.
        group: The number of its group.
        is_group: Whether it stands for its whole group.
        elements: How many coordinates it has.
        sampled: How many of them are in the sample.
        dtype: Of the weights, for instance `"float32"`; of a group with several all of them, joined by commas.
        state_dtype: Of the rule's averages; empty where there are none.
        learns: Whether it asked for gradients when watching began.
    """

    name: str
    group: int
    is_group: bool
    elements: int
    sampled: int
    dtype: str
    state_dtype: str = ""
    learns: bool = True


@dataclass(frozen=True)
class Subject:
    """All that is watched.

    Attributes:
        parts: The layers in the optimizer's order, then the groups.
        groups: The groups.
        every: Every how many steps there is a measurement.
    """

    parts: tuple[Part, ...]
    groups: tuple[Group, ...]
    every: int = 1

    @property
    def layers(self) -> tuple[Part, ...]:
        """The parts that are layers: the first columns of every figure."""
        return tuple(part for part in self.parts if not part.is_group)
