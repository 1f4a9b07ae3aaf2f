"""Ranges of hyperparameters: on which scale each is drawn, from where to where, and how far a range may grow.

The default range of a hyperparameter is the same for every optimizer, so that tuned rows owe nothing to the defaults
that somebody chose for one of them.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from thalweg.errors import InputError, did_you_mean
from thalweg.rules.hyper import RANGES

Scale = Literal["log", "below_one", "linear"]
Side = Literal["low", "high"]
GROWTH = 10.0  # a range grows by this factor at a time
# Beyond these nothing grows: float64 ends, and so does what a weight so close to 1 can still mean.
LIMITS: dict[Scale, tuple[float, float]] = {"log": (1e-300, 1e300), "below_one": (0.0, 1 - 1e-7)}
NARROWEST = 1e-9  # a range is refused whose ends differ by no more on its scale
DIGITS = 3  # significant digits of a value that was drawn, where the range is a power of ten wide or more


@dataclass(frozen=True)
class Range:
    """Where a hyperparameter is looked for.

    Attributes:
        low: The smallest value.
        high: The largest.
        scale: `"log"`; `"below_one"` for 1 minus the value on a log scale, as fits fractions near 1; or `"linear"`.
        least: The range never grows below it.
        most: Nor above it.
    """

    low: float
    high: float
    scale: Scale = "log"
    least: float = 0.0
    most: float = math.inf

    def at(self, place: float) -> float:
        """The value at a place between 0, the low end, and 1, the high end.

        Example:
            >>> Range(1e-4, 1.0).at(0.5), Range(0.9, 0.999, "below_one").at(0.5)
            (0.01, 0.99)
        """
        return self._inside(self._value(self._coordinate(self.low) + place * self.width))

    def place(self, value: float) -> float:
        """The place of a value, between 0 and 1.

        Example:
            >>> Range(1e-4, 1.0).place(0.1)
            0.75
        """
        return min(max((self._coordinate(value) - self._coordinate(self.low)) / self.width, 0.0), 1.0)

    def short(self, value: float) -> float:
        """A value of the range with few digits, so that it can be read, and typed again.

        Example:
            >>> Range(1e-4, 1.0).short(0.012345), Range(0.5, 0.999, "below_one").short(0.987654)
            (0.0123, 0.9877)
        """
        if self.scale == "linear":
            return self._inside(round(value, DIGITS - math.floor(math.log10(self.high - self.low))))
        digits = DIGITS + max(0, math.ceil(-math.log10(self.width)))
        if self.scale == "below_one":
            return self._inside(float(f"{1 - float(f'{1 - value:.{digits}g}'):.14g}"))
        return self._inside(float(f"{value:.{digits}g}"))

    @property
    def width(self) -> float:
        """How wide it is: in powers of ten, or as a share of the larger end; never 0, however near its ends are."""
        return max(self._coordinate(self.high) - self._coordinate(self.low), NARROWEST)

    def grown(self, side: Side) -> Range:
        """The range with `GROWTH` more on one side, as far as its limits allow; itself where they allow nothing.

        Example:
            >>> Range(1e-4, 1.0).grown("high")
            Range(low=0.0001, high=10.0, scale='log', least=0.0, most=inf)
        """
        if self.scale == "linear":
            return self
        least, most = max(self.least, LIMITS[self.scale][0]), min(self.most, LIMITS[self.scale][1])
        if side == "low":
            return replace(self, low=min(self.low, max(least, self._moved(self.low, 1 / GROWTH))))
        return replace(self, high=max(self.high, min(most, self._moved(self.high, GROWTH))))

    def outside(self, side: Side, count: int) -> list[float]:
        """Values in the part that the range gains on one side, equally far apart on its scale, up to its new end.

        Example:
            >>> Range(1e-4, 1.0).outside("high", 2), Range(1e-4, 1.0).outside("low", 1)
            ([3.16, 10.0], [1e-05])
        """
        grown = self.grown(side)
        edge, end = (r._coordinate(getattr(r, side)) for r in (self, grown))
        places = [edge + (end - edge) * step / count for step in range(1, count + 1)]
        return [grown.short(grown._inside(grown._value(place))) for place in places]

    def _coordinate(self, value: float) -> float:
        if self.scale == "linear":
            return value / max(abs(self.low), abs(self.high))
        return math.log10(value) if self.scale == "log" else -math.log10(1 - value)

    def _value(self, coordinate: float) -> float:
        if self.scale == "linear":
            return coordinate * max(abs(self.low), abs(self.high))
        return 10**coordinate if self.scale == "log" else 1 - 10**-coordinate

    def _moved(self, end: float, factor: float) -> float:
        """An end moved by a factor along the scale, rounded: a tenth of 1e-4 is 1e-5 and no neighbour of it."""
        return float(f"{end * factor:.12g}") if self.scale == "log" else round(1 - (1 - end) / factor, 14)

    def _inside(self, value: float) -> float:
        return min(max(value, self.low), self.high)


_MOMENTUM = Range(0.5, 0.999, "below_one")
_SECOND_MOMENT = Range(0.9, 0.9999, "below_one")
_PENALTY = Range(1e-6, 0.1)
# Letters that several rules share mean one thing in all of them; where they do not, the range holds every meaning.
DEFAULTS: dict[str, Range] = {
    "lr": Range(1e-4, 1.0),
    **dict.fromkeys(("beta", "beta1", "mu", "rho"), _MOMENTUM),
    **dict.fromkeys(("beta2", "beta3"), _SECOND_MOMENT),
    "eps": Range(1e-10, 0.1),
    "eps_root": Range(1e-16, 0.01),
    "decay": Range(1e-5, 1.0),
    **dict.fromkeys(("lambd", "lr_decay", "l1", "l2", "shrinkage"), _PENALTY),
    "momentum_decay": Range(1e-4, 0.1),
    **dict.fromkeys(("alpha", "optimism", "power", "beta0"), Range(0.1, 10.0)),
    "dampening": Range(0.0, 1.0, "linear"),
    "down": Range(0.1, 0.9, "below_one"),
    "up": Range(1.05, 2.0, least=1.0),
    "eta_min": Range(1e-10, 1e-3),
    "eta_max": Range(1e-3, 100.0),
    "threshold": Range(4.0, 40.0, least=4.0),
    "warmup_steps": Range(1.0, 1e4),
    "t0": Range(1.0, 1e6),
}


def ranges(
    names: Iterable[str],
    wanted: str | Sequence[str],
    overrides: str | Mapping[str, tuple[float, float]] = "",
    known: Iterable[str] = (),
) -> dict[str, Range]:
    """What is tuned of one optimizer, and where: those of the wanted hyperparameters that its rule has.

    Args:
        names: The hyperparameters of its rule.
        wanted: What to tune, as a list of names or as `"lr,beta1"`.
        overrides: Other ranges than the default ones, as pairs or as `"lr=1e-5:10,beta1=.5:.99"`.
        known: Further names that are no mistake: the hyperparameters of the other optimizers.

    Raises:
        InputError: If a name is unknown or not tuned, a range is none, or the rule has nothing of what is wanted.

    Example:
        >>> ranges(["lr"], "lr,beta1", "lr=1e-5:10")
        {'lr': Range(low=1e-05, high=10.0, scale='log', least=0.0, most=inf)}
    """
    own = list(names)
    asked = wanted_names(wanted, [*own, *known])
    pairs = parse_ranges(overrides) if isinstance(overrides, str) else overrides
    given = {name: _pair(name, ends) for name, ends in pairs.items()}
    for name in given:
        if name not in asked:
            raise InputError(
                f"expected ranges only of hyperparameters that are tuned, got one of '{name}': {_hint(name, asked)}"
            )
    checked = {name: _overridden(name, *ends) for name, ends in given.items()}
    tuned = [name for name in asked if name in own]
    if not tuned:
        raise InputError(
            f"expected something to tune among {_list(own) or 'no hyperparameters at all'}, got {_list(asked)}: "
            "tune one of those, or leave this optimizer out"
        )
    return {name: checked[name] if name in checked else _default(name) for name in tuned}


def wanted_names(wanted: str | Sequence[str], known: Iterable[str]) -> list[str]:
    """The hyperparameters to tune, each once.

    Raises:
        InputError: If there are none, or one is unknown.

    Example:
        >>> wanted_names("lr, beta1,lr", ["lr"])
        ['lr', 'beta1']
    """
    pieces = wanted.split(",") if isinstance(wanted, str) else wanted
    names = list(dict.fromkeys(piece.strip() for piece in pieces))
    every = list(dict.fromkeys([*known, *DEFAULTS]))
    if not names or "" in names:
        raise InputError(f"expected hyperparameters to tune, got {wanted!r}: name some, for instance 'lr,beta1'")
    for name in names:
        if name not in every:
            raise InputError(f"no optimizer has a hyperparameter '{name}': {did_you_mean(name, every)}")
    return names


def parse_ranges(text: str) -> dict[str, tuple[float, float]]:
    """Ranges as the command line writes them.

    Raises:
        InputError: If a piece is no `name=low:high` with two numbers, or a name comes twice.

    Example:
        >>> parse_ranges("lr=1e-5:10, beta1=.5:.99")
        {'lr': (1e-05, 10.0), 'beta1': (0.5, 0.99)}
    """
    found: dict[str, tuple[float, float]] = {}
    for piece in text.split(",") if text.strip() else ():
        name, _, ends = piece.partition("=")
        if name.strip() in found:
            raise InputError(f"expected one range for '{name.strip()}', got two in '{text}': leave one out")
        found[name.strip()] = _pair(name.strip(), ends.split(":"))
    return found


def _pair(name: str, ends: Iterable[Any]) -> tuple[float, float]:
    try:
        low, high = ends
        return float(low), float(high)
    except (TypeError, ValueError):
        got = ":".join(ends) if isinstance(ends, list) else repr(ends)
    raise InputError(f"expected the range of '{name}' as two numbers, got '{got}': write for instance lr=1e-5:10")


def _default(name: str) -> Range:
    if name not in DEFAULTS:
        raise InputError(f"'{name}' has no range of its own to be tuned in: give one, for instance {name}=1e-3:1")
    return DEFAULTS[name]


def _overridden(name: str, low: float, high: float) -> Range:
    usual = DEFAULTS.get(name) or Range(low, high, "log" if low > 0 else "linear")
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise InputError(f"expected a range of {name} from a smaller to a larger finite number, got {low}:{high}")
    expected, allowed = RANGES.get(name, ("a finite number", math.isfinite))
    for end in (low, high):
        if not allowed(end):
            raise InputError(f"{name} must be {expected}, got a range of it with {end}: give one that stays inside")
    if usual.scale == "log" and low <= 0:
        raise InputError(
            f"expected a range of {name} above 0, since it is drawn on a log scale, got {low}:{high}: "
            "begin for instance at 1e-10"
        )
    given = replace(usual, low=low, high=high)
    if given.width <= NARROWEST:
        raise InputError(f"expected a range of {name} with ends apart, got {low}:{high}: give a wider one, or fix it")
    return given


def _hint(name: str, asked: list[str]) -> str:
    return f"name it among those to tune ({_list(asked)}), or leave the range out"


def _list(names: Iterable[str]) -> str:
    return ", ".join(f"'{name}'" for name in names)
