"""The rules that may be advised, with what the measurements and papers say about their settings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import exp, floor, log, log10

from thalweg.advise.evidence import Evidence
from thalweg.advise.likeness import DEFAULT
from thalweg.advise.situation import Situation
from thalweg.formula import Rule
from thalweg.rules import RULES


@dataclass(frozen=True)
class Option:
    """A rule that may be advised.

    Attributes:
        rule: Its name.
        family: Of several alike only the best supported is advised.
        measured_as: The rule whose measured rows and rates hold for it too.
        moments: For its averages the hyperparameter that says how slow they are; `1.0` for a sum that never forgets.
        decay: The usual number of weight decay; None where decay would change what the rule is.
        gentle: Where its rate begins in fine-tuning a transformer, and who says so; None where nobody does.
        follows: Whether its learning rate is a rate throughout, which can follow a schedule.
        fallback: Whether it is advised only where fewer than two others are possible.
    """

    rule: str
    family: str
    measured_as: str
    moments: Mapping[str, str | float] = field(default_factory=dict)
    decay: float | None = 0.01
    gentle: tuple[float, str] | None = None
    follows: bool = True
    fallback: bool = False

    @property
    def formula(self) -> Rule:
        """The rule itself."""
        return RULES[self.rule]


_ADAM_GENTLE = (3e-5, "Devlin et al. 2019 fine-tune with 2e-5 to 5e-5")
OPTIONS = (
    Option("sgd", "descent", "sgd", decay=5e-4),
    Option("momentum", "momentum", "momentum", {"v": "rho"}, decay=5e-4),
    Option("nesterov", "momentum", "nesterov", {"v": "mu"}, decay=5e-4),
    Option("adagrad", "adagrad", "adagrad", {"s": 1.0}),
    Option("rmsprop", "rmsprop", "rmsprop", {"v": "beta"}),
    Option("adam", "adam", "adam", {"m": "beta1", "v": "beta2"}, gentle=_ADAM_GENTLE),
    Option("adamw", "adam", "adam", {"m": "beta1", "v": "beta2"}, gentle=_ADAM_GENTLE),
    Option("lion", "lion", "lion", {"m": "beta2"}, gentle=(5e-6, "Chen et al. 2023: 3 to 10 times less than AdamW")),
    Option("irprop_minus", "rprop", "irprop_minus", {"g_old": 0.0, "eta": 0.0}, decay=None, follows=False),
    Option("sign_sgd", "sign", "sign_sgd", fallback=True),
)
BY_RULE = {option.rule: option for option in OPTIONS}

BYTES = {"float64": 8, "float32": 4, "bfloat16": 2, "float16": 2}
HALF_ULP = {"bfloat16": 2.0**-9, "float16": 2.0**-12}  # of a number's size
STALLED = 0.5  # an average whose changes are lost below this share of it follows nothing any more
SHORT_BETA2 = 0.95  # a second moment that moves in 16 bits, and the one that large language models are trained with
COARSE = 3.0  # rates that tuning tried lie about so far apart: the best may be as far from what it found
USUAL = (1e-4, 1.0)  # where `thalweg compare` looks by itself
GENTLE = 10.0  # by how much smaller a rate good weights want
AROUND = 30.0  # how far to both sides of a published rate to look


@dataclass(frozen=True)
class Storage:
    """In which types an optimizer keeps what it keeps.

    Attributes:
        weights: The type of the weights.
        rounding: `"nearest"`, `"stochastic"` or `"kahan"`.
        state: The type of the state.
        short_beta2: Whether the second moment must be faster than usual, to move in 16 bits.
    """

    weights: str = "float32"
    rounding: str = "nearest"
    state: str = "float32"
    short_beta2: bool = False

    def bytes_of(self, option: Option) -> int:
        """What it keeps for each weight.

        Example:
            >>> Storage("bfloat16", "stochastic", "float32").bytes_of(BY_RULE["adam"])
            8
        """
        return BYTES[self.state] * len(option.formula.arrays) + (2 if self.rounding == "kahan" else 0)


def storages(option: Option, weights: str | None) -> list[Storage]:
    """The ways to keep its state that work, the best first.

    Args:
        option: The rule.
        weights: The type of the weights; None for float32.
    """
    weights = weights or "float32"
    if weights not in HALF_ULP:
        return [Storage(weights, "nearest", weights)]
    rounding = "stochastic" if weights == "bfloat16" else "kahan"
    found = option.formula.arrays and _moves(option, weights)
    short = [Storage(weights, rounding, weights, found == "faster")] if found else []
    # Kahan's summation takes memory itself: where not even that is there, updates are lost, and the advice says so.
    bare = [] if option.formula.arrays or rounding == "stochastic" else [Storage(weights, "nearest", "float32")]
    return [Storage(weights, rounding, "float32"), *short, *bare]


def _moves(option: Option, weights: str) -> str:
    """Whether every average of a rule still moves in 16 bits: "yes", "faster" for with a faster beta2, or nothing."""
    hyper, found = option.formula.hyper, "yes"
    for letter in option.moments.values():
        slowness = hyper[letter] if isinstance(letter, str) else letter
        if slowness == 1.0:
            return ""
        if HALF_ULP[weights] / (1 - slowness) > STALLED:
            if letter != "beta2" or HALF_ULP[weights] / (1 - SHORT_BETA2) > STALLED:
                return ""
            found = "faster"
    return found


def fitting(option: Option, given: Situation) -> Storage | None:
    """The best way to keep its state that the memory allows; None for none."""
    ways = storages(option, given.dtype)
    return next((way for way in ways if given.memory is None or way.bytes_of(option) <= given.memory), None)


@dataclass(frozen=True)
class Rates:
    """Learning rates to look among.

    Attributes:
        begin: The one to begin with.
        low: The lower end of the search.
        high: The upper end.
        origin: Where they come from, in words.
    """

    begin: float
    low: float
    high: float
    origin: str


def rates(option: Option, found: Evidence, alike: tuple[str, ...], kind: str, given: Situation) -> Rates:
    """Where to look for the learning rate: around what tuning found on the problems that are alike, or on all."""
    if option.gentle and given.pretrained and given.network == "transformer":
        begin, words = option.gentle
        return Rates(begin, _short(begin / AROUND, up=False), _short(begin * AROUND, up=True), words)
    near = found.rates(option.measured_as, alike)
    tuned = near or found.rates(option.measured_as, tuple(found.problems))
    default = option.formula.hyper["lr"]
    if not tuned:
        begin, low, high, origin = default, *USUAL, "nothing was measured: the usual range"
    else:
        begin = exp(sum(map(log, near)) / len(near)) if near and kind != DEFAULT else default
        low, high = min(tuned) / COARSE, max(tuned) * COARSE
        where = (
            f"on {', '.join(p for p in alike if found.rates(option.measured_as, (p,)))}" if near else "on all problems"
        )
        other = "" if option.measured_as == option.rule else f", of {option.measured_as}"
        origin = f"around what tuning found {where}{other}"
    if given.pretrained:
        begin, low = begin / GENTLE, low / GENTLE**2
        origin += ", and down to a hundredth of it, since the weights are good already"
    low, high = _short(low, up=False), _short(high, up=True)
    return Rates(min(max(_nice(begin), low), high), low, high, origin)


def _nice(value: float) -> float:
    """A number with two digits.

    Example:
        >>> _nice(0.0123456)
        0.012
    """
    return float(f"{value:.2g}")


def _short(value: float, up: bool) -> float:
    """The nearest number that is 1, 2 or 5 times a power of ten and not inside of the value.

    Example:
        >>> _short(0.00032, up=False), _short(0.33, up=True)
        (0.0002, 0.5)
    """
    decade = floor(log10(value))
    steps = [float(f"{step}e{power}") for power in (decade, decade + 1) for step in (1, 2, 5)]
    inside = [step for step in steps if (step >= value * (1 - 1e-9) if up else step <= value * (1 + 1e-9))]
    return min(inside) if up else max(inside)
