"""`Target`: an optimizer as the watch sees it, Thalweg's, torch's or anybody's."""

from __future__ import annotations

import functools
import weakref
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter, is_
from typing import Any

import torch
from torch import Tensor

from thalweg.errors import InputError
from thalweg.frameworks.torch.book import Book, lengths_of
from thalweg.frameworks.torch.frame import Frame
from thalweg.frameworks.torch.framed import Framed
from thalweg.frameworks.torch.observer import inverse_scale
from thalweg.frameworks.torch.plan import Plan, plan_of_class
from thalweg.watch.sources import STATES, Layer
from thalweg.watch.subject import Group, Part

NAMES = "param_names"
DTYPE, SHAPE, STRIDE = attrgetter("dtype"), attrgetter("shape"), Tensor.stride


@dataclass(frozen=True, eq=False)
class Target:
    """What is watched, without keeping the optimizer alive.

    Attributes:
        reference: To the optimizer.
        state: Its state.
        groups: Its parameter groups.
        layers: Its parameters.
        frame: The frame of one of Thalweg's, which add up in their sweep; None for all others.
        lengths: How many parameters each group had when this was made.
        forms: What kind of memory they had: `x.data = ...` may give them another.
    """

    reference: weakref.ReferenceType
    state: Any
    groups: list[dict[str, Any]]
    layers: tuple[Layer, ...]
    frame: Frame | None
    lengths: list[int]
    forms: list[Any]

    @property
    def sums_itself(self) -> bool:
        """Whether the optimizer adds up in its sweep."""
        return self.frame is not None

    @property
    def optimizer(self) -> Any:
        """The optimizer; None once nobody else has it."""
        return self.reference()

    @property
    def may_write_gradients(self) -> bool:
        """Whether a step may leave something else in the gradients, as torch's own do not but LBFGS's closure does."""
        return class_in_torch(type(self.optimizer)) in (None, "LBFGS")

    @property
    def book(self) -> Book | None:
        """How one of Thalweg's optimizers steps its parameters now."""
        return self.optimizer._book

    @property
    def zeroes_gradients(self) -> bool:
        """Whether a step leaves gradients zero."""
        return self.frame is not None and self.frame.zero_grad

    def gradient_factor(self) -> float:
        """What gradients are to be multiplied by within a step to be the loss's own."""
        return inverse_scale(self.optimizer)

    @property
    def is_scaled(self) -> bool:
        """Whether gradients may be a multiple of the loss's own within a step."""
        return self.sums_itself and getattr(self.reference(), "grad_scale", None) is not None

    def learning_rates(self) -> list[float]:
        """The learning rate that each group has now; NaN where it has none."""
        given = [group.get("lr") for group in self.groups]
        return [lr if type(lr) is float else number(lr) for lr in given]

    def plans(self) -> list[Plan | None]:
        """For each group its rule and numbers now; None where the catalogue has no such rule."""
        optimizer = self.optimizer
        return [plan_of(optimizer, group) for group in self.groups]

    def is_current(self) -> bool:
        """Whether the optimizer still has the parameters, groups and state that it had."""
        optimizer = self.optimizer
        if optimizer is None or optimizer.state is not self.state:
            return False
        groups, flat = optimizer.param_groups, [x for group in self.groups for x in group["params"]]
        return (
            (groups is self.groups or (len(groups) == len(self.groups) and all(map(is_, groups, self.groups))))
            and lengths_of(self.groups) == self.lengths
            and all(map(is_, flat, self._flat))
            and forms_of(self._flat) == self.forms
        )

    @functools.cached_property
    def _flat(self) -> tuple[Tensor, ...]:
        return tuple(layer.x for layer in self.layers)


def number(value: Any) -> float:
    """A plain number, or the one in a tensor; NaN for anything else.

    Example:
        >>> number(1), number(torch.tensor(0.5)), number("x")
        (1.0, 0.5, nan)
    """
    if isinstance(value, Tensor):
        return float(value.detach()) if value.numel() == 1 else float("nan")
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else float("nan")


def target_of(optimizer: Any, names: Mapping[int, str]) -> Target:
    """An optimizer as it is now.

    Args:
        optimizer: Not wrapped.
        names: For parameters by their id the name that the model has for them.
    """
    layers, groups, ours = [], optimizer.param_groups, isinstance(optimizer, Framed)
    for k, group in enumerate(groups):
        plan = plan_of(optimizer, group)
        keys, variance = ((), None) if plan is None else state_keys(plan, ours)
        own = group.get(NAMES)
        for position, x in enumerate(group["params"]):
            given = own[position] if own is not None and len(own) == len(group["params"]) else None
            name = names.get(id(x)) or given or f"parameter {len(layers)}"
            layers.append(Layer(str(name), x, k, keys, variance))
    frame = optimizer.frame if ours else None
    return Target(
        weakref.ref(optimizer),
        optimizer.state,
        groups,
        _named_apart(layers),
        frame,
        lengths=lengths_of(groups),
        forms=forms_of([layer.x for layer in layers]),
    )


def forms_of(xs: Sequence[Tensor]) -> list[Any]:
    """The types, shapes and strides of tensors; None for a stride where there is none.

    Example:
        >>> forms_of([torch.ones(2, 3)])
        [torch.float32, torch.Size([2, 3]), (3, 1)]
    """
    try:
        strides = list(map(STRIDE, xs))
    except RuntimeError:  # of sparse weights, or nested ones
        strides = [STRIDE(x) if x.layout == torch.strided and not x.is_nested else None for x in xs]
    return [*map(DTYPE, xs), *map(SHAPE, xs), *strides]


def state_keys(plan: Plan, ours: bool) -> tuple[tuple[str, ...], tuple[int, int] | None]:
    """The keys, in torch's state, of a rule's array states, and which of them torch keeps otherwise.

    Centered RMSprop is the one rule of which torch keeps a mean of squares and Thalweg the variance.

    Args:
        plan: The rule.
        ours: Whether the optimizer is one of Thalweg's.
    """
    keys = plan.recipe.array_keys
    if ours or "variance" not in keys:
        return keys, None
    mean, square = STATES + keys.index("grad_avg"), STATES + keys.index("variance")
    return tuple("square_avg" if key == "variance" else key for key in keys), (mean, square)


def _named_apart(layers: Sequence[Layer]) -> tuple[Layer, ...]:
    """The layers with names that differ."""
    seen: dict[str, int] = {}
    apart = []
    for layer in layers:
        seen[layer.name] = seen.get(layer.name, 0) + 1
        again = seen[layer.name] > 1
        apart.append(layer._replace(name=f"{layer.name} ({seen[layer.name]})") if again else layer)
    return tuple(apart)


def plan_of(optimizer: Any, group: dict[str, Any]) -> Plan | None:
    """What a parameter group does, in the catalogue's words; None where it has no such rule."""
    if isinstance(optimizer, Framed):
        return optimizer.plan(group)
    if hasattr(optimizer, "watched_plan"):  # Keras' optimizers, by their callback
        return optimizer.watched_plan()
    name = class_in_torch(type(optimizer))
    if name is None:
        return None
    try:
        return plan_of_class(name, group)
    except (InputError, KeyError, TypeError, ValueError):
        return None


def class_in_torch(optimizer: type) -> str | None:
    """The class of torch whose step an optimizer takes; None where it has a step of its own.

    Example:
        >>> class_in_torch(torch.optim.Adam), class_in_torch(type("Mine", (torch.optim.Adam,), {"step": None}))
        ('Adam', None)
    """
    step = getattr(optimizer, "step", None)  # in torch's wrappers, which say what they wrap
    if not str(getattr(step, "__module__", "")).startswith("torch.optim."):
        return None
    return step.__qualname__.partition(".")[0]  # type: ignore[union-attr]


def groups_of(target: Target) -> tuple[Group, ...]:
    """The groups as they are now."""
    optimizer = target.optimizer
    pairs = enumerate(zip(target.groups, target.plans(), strict=True))
    return tuple(_group(k, optimizer, group, plan) for k, (group, plan) in pairs)


def _group(k: int, optimizer: Any, group: Mapping[str, Any], plan: Plan | None) -> Group:
    numbers = {name: number(value) for name, value in group.items() if name != "params"}
    for name, value in group.items():
        if isinstance(value, (tuple, list)) and name not in ("params", NAMES):
            numbers |= {f"{name}[{place}]": number(each) for place, each in enumerate(value)}
    hyper = {} if plan is None else {name: number(value) for name, value in plan.hyper.items()}
    rule = None if plan is None else plan.recipe.rule.name
    given = {name: value for name, value in numbers.items() if value == value}
    return Group(k, type(optimizer).__name__, rule, hyper, given)


def parts_of(target: Target, sampled: Sequence[int], sizes: Sequence[int]) -> tuple[Part, ...]:
    """The layers, then the groups."""
    layers = [
        Part(
            name=layer.name,
            group=layer.group,
            is_group=False,
            elements=int(size),
            sampled=int(count),
            dtype=_dtype(layer.x.dtype),
            state_dtype=_state_dtype(target, layer),
            learns=layer.x.requires_grad,
        )
        for layer, size, count in zip(target.layers, sizes, sampled, strict=True)
    ]
    groups = []
    for k in range(len(target.groups)):
        own = [part for part in layers if part.group == k]
        types, states = (", ".join(dict.fromkeys(filter(None, part))) for part in _types(own))
        total = sum(part.elements for part in own), sum(part.sampled for part in own)
        groups.append(Part(f"group {k}", k, True, *total, types, states, any(part.learns for part in own)))
    return (*layers, *groups)


def _types(parts: Sequence[Part]) -> tuple[list[str], list[str]]:
    return [part.dtype for part in parts], [part.state_dtype for part in parts]


def _dtype(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def _state_dtype(target: Target, layer: Layer) -> str:
    """Of a layer's averages, as they are or will be made."""
    if not layer.keys:
        return ""
    entry = dict.get(target.state, layer.x) or {}
    made = [entry[key].dtype for key in layer.keys if isinstance(entry.get(key), Tensor)]
    if made:
        return _dtype(made[0])
    kept = layer.x.dtype if target.frame is None else target.frame.state_type(layer.x.dtype)
    return _dtype(layer.x.dtype if layer.x.is_complex() else kept)
