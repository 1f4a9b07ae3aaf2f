"""The frame of a torch optimizer: what it does around its rule in the same sweep, as arguments of every class."""

from __future__ import annotations

import functools
import inspect
import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import torch

from thalweg.compile.storage import ROUNDINGS
from thalweg.errors import InputError, did_you_mean
from thalweg.formula import Rule
from thalweg.rules.around import averaged, clipped, scaled

NONFINITE = ("ignore", "skip", "raise")


@dataclass(frozen=True)
class Frame:
    """Arguments that every optimizer of Thalweg has besides its framework's, in the order in which they act.

    Attributes:
        nonfinite: What to do about infinite or NaN gradients: `ignore` as torch does, `skip` the step and count it in
            the optimizer's `skipped`, or `raise`. Anything but `ignore` reads all gradients once before the sweep,
            which clipping by norm does anyway: 4 of the then 32 bytes that a float32 Adam step moves per weight.
        clip_norm: The largest norm that all gradients together may have; larger ones are scaled down. Of DTensors that
            is the norm over all processes, which also skip or raise together. An optimizer that was made for a part of
            the parameters, as within ZeroRedundancyOptimizer, knows that part only.
        clip_value: The largest absolute value that an element of a gradient may have.
        ema: The decay of an exponential moving average of the weights; see the optimizer's `averaged()`.
        zero_grad: Whether gradients become zero once they have been used.
        state_dtype: `"float32"` keeps the state of 16-bit weights in float32; None keeps it in their type.
        rounding: How 16-bit weights are rounded: `nearest`, `stochastic` (bfloat16), or `kahan`.
        seed: Of stochastic rounding. A part of a DTensor draws what the whole would draw there, or if it is not one
            stretch of the whole, other bits than the other parts; replicas draw alike.
        threads: How many threads step; None is `torch.get_num_threads()`.
        exact: On a GPU, whether every operation is rounded as on the CPU, to the last bit, which takes longer.

    Example:
        >>> Frame(clip_norm=1.0).needs_norm
        True
    """

    nonfinite: str = "ignore"
    clip_norm: float | None = None
    clip_value: float | None = None
    ema: float | None = None
    zero_grad: bool = False
    state_dtype: str | torch.dtype | None = None
    rounding: str = "nearest"
    seed: int = 0
    threads: int | None = None
    exact: bool = False

    def __post_init__(self) -> None:
        for name, (expected, fits) in CHECKS.items():
            if not fits(getattr(self, name)):
                raise InputError(f"{name} must be {expected}, got {getattr(self, name)!r}: give one of these")

    @property
    def needs_norm(self) -> bool:
        """Whether all gradients are read once before the sweep."""
        return self.clip_norm is not None or self.nonfinite != "ignore"

    @functools.cached_property
    def hyper(self) -> dict[str, float]:
        """The hyperparameters that `around` adds, but for `scale`, which every step finds anew."""
        given = {"clip": self.clip_value, "ema": self.ema}
        return {name: float(value) for name, value in given.items() if value is not None}

    def around(self, rule: Rule, with_scale: bool) -> Rule:
        """A rule with the frame's formulas around it.

        Args:
            rule: The rule, with its decay.
            with_scale: Whether gradients are multiplied by the hyperparameter `scale` first.
        """
        rule = clipped(rule) if self.clip_value is not None else rule
        rule = scaled(rule) if with_scale else rule
        return averaged(rule) if self.ema is not None else rule

    def state_type(self, dtype: torch.dtype) -> torch.dtype:
        """The type of the state of real weights of a type.

        Example:
            >>> Frame(state_dtype="float32").state_type(torch.bfloat16), Frame().state_type(torch.bfloat16)
            (torch.float32, torch.bfloat16)
        """
        return torch.float32 if self.state_dtype is not None and dtype.itemsize == 2 else dtype


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


CHECKS = {
    "nonfinite": (f"one of {', '.join(NONFINITE)}", lambda v: v in NONFINITE),
    "clip_norm": ("a finite number above 0, or None", lambda v: v is None or (_is_number(v) and v > 0)),
    "clip_value": ("a finite number above 0, or None", lambda v: v is None or (_is_number(v) and v > 0)),
    "ema": ("a number from 0 to below 1, or None", lambda v: v is None or (_is_number(v) and 0 <= v < 1)),
    "zero_grad": ("True or False", lambda v: isinstance(v, bool)),
    "state_dtype": ("'float32', or None for the weights' own", lambda v: v in (None, "float32", torch.float32)),
    "rounding": (f"one of {', '.join(ROUNDINGS)}", lambda v: v in ROUNDINGS),
    "seed": ("a whole number", lambda v: isinstance(v, int) and not isinstance(v, bool)),
    "exact": ("True or False", lambda v: isinstance(v, bool)),
    "threads": ("a whole number above 0, or None", lambda v: v is None or (isinstance(v, int) and v > 0)),
}
NAMES = tuple(field.name for field in fields(Frame))


def frame_of(arguments: Mapping[str, Any]) -> Frame:
    """The frame that some of a class's arguments ask for.

    Raises:
        InputError: If an argument has a value that it cannot have, or is unknown.

    Example:
        >>> frame_of({"ema": 0.99}).ema
        0.99
    """
    for name in arguments:
        if name not in NAMES:
            raise InputError(f"the frame has no argument '{name}': {did_you_mean(name, list(NAMES))}")
    return Frame(**arguments)


def signature_of(cls: type) -> inspect.Signature:
    """Torch's signature, then the frame's arguments by name only."""
    own = cls.__dict__.get("__init__")
    plain = own or next(c.__init__ for c in cls.__mro__ if c.__module__.startswith("torch.optim."))
    parameters = [p for p in inspect.signature(plain).parameters.values() if p.name != "self"]
    rest = [p for p in parameters if p.kind is p.VAR_KEYWORD]
    frame = [p.replace(kind=p.KEYWORD_ONLY) for p in inspect.signature(Frame).parameters.values()]
    return inspect.Signature([*(p for p in parameters if p not in rest), *frame, *rest])
