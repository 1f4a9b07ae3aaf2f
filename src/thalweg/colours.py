"""One colour per optimizer, the same in every picture, table and page of the project.

A rule has the colour of its family, which is told by its name; members of a family that meet in one picture are told
apart by dashes. The colours start from Okabe and Ito's and are spaced so that colour-blind readers tell them apart, on
white paper and on dark.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Colour:
    """A family's colour, as `#rrggbb`.

    Attributes:
        light: On white paper.
        dark: On dark paper.
    """

    light: str
    dark: str


SGD = Colour("#000000", "#F2F2F2")
MOMENTUM = Colour("#DE9000", "#FFD060")
NESTEROV = Colour("#C4420A", "#FF6F1F")
RPROP = Colour("#6B4226", "#A87B58")
ADAGRAD = Colour("#00966D", "#25C495")
RMSPROP = Colour("#0B5FB0", "#4188EE")
ADADELTA = Colour("#C873A6", "#EE9FCF")
ADAM = Colour("#37A3DC", "#8FD8FF")
ADAMW = Colour("#3B1F8F", "#C7A0FF")
OTHER = Colour("#8C8C8C", "#9C9C9C")

# The first beginning that a name has decides; of a wrapper such as `l2(adam)` the rule inside.
FAMILIES = {
    "nesterov": NESTEROV,
    "momentum": MOMENTUM,
    "rprop": RPROP,
    "irprop": RPROP,
    "adagrad": ADAGRAD,
    "ftrl": ADAGRAD,
    "rmsprop": RMSPROP,
    "adadelta": ADADELTA,
    "adamw": ADAMW,
    "adam": ADAM,
    "sgd": SGD,
    "asgd": SGD,
    "": OTHER,
}
COLOURS = tuple(dict.fromkeys(FAMILIES.values()))


def colour_of(rule: str) -> Colour:
    """The colour of a rule, by its name in the catalogue or of one's own; of a switch, that of its last rule.

    Example:
        >>> colour_of("adam").light, colour_of("l2(adam)") == colour_of("amsgrad"), colour_of("adam/momentum").light
        ('#37A3DC', False, '#DE9000')
    """
    name = rule.split("/")[-1].split("(")[-1].rstrip(")")
    return next(colour for beginning, colour in FAMILIES.items() if name.startswith(beginning))


def turns_of(rules: Sequence[str]) -> list[int]:
    """For each rule how many before it have its colour, by which those of one family take different dashes.

    Example:
        >>> turns_of(["adam", "sgd", "adam_eps_hat"])
        [0, 0, 1]
    """
    colours = [colour_of(rule) for rule in rules]
    return [colours[:place].count(colour) for place, colour in enumerate(colours)]
