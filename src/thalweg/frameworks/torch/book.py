"""How each parameter of an optimizer is stepped: in a batch by a kernel, or by itself; kept until something changes."""

from __future__ import annotations

import warnings
from collections import defaultdict
from collections.abc import Mapping, Sequence
from operator import is_
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.optim.optimizer import _device_dtype_check_for_fused

from thalweg.compile.storage import Storage
from thalweg.errors import InputError
from thalweg.frameworks.torch.batch import Batch, Member
from thalweg.frameworks.torch.decision import device_of
from thalweg.frameworks.torch.frame import Frame
from thalweg.frameworks.torch.memory import KERNEL_DTYPES, is_sharded, overseen, walkable
from thalweg.frameworks.torch.plan import Plan
from thalweg.frameworks.torch.sharded import aligned_part, check_kind, check_spread, local, place, spread_of
from thalweg.frameworks.torch.state import array_keys, count_in_tensor, fill, missing
from thalweg.frameworks.torch.watched import Watched
from thalweg.sweep.gpu import has_triton, is_on_gpu
from thalweg.sweep.mirror import is_capturing


class Book:
    """How an optimizer's parameters were sorted.

    Attributes:
        flat: The parameters.
        lengths: How many each group has.
        batches: What kernels step.
        others: What is stepped one by one.
        idle: The positions of parameters that have had no gradient yet.
        made: Parameters whose first step has not been taken yet, with the keys of the state that was made for it.
        sharded: The positions of parameters that are DTensors.
        meshes: Over which processes those are spread.
        overseen: Whether somebody watched torch's operations then, which keeps kernels away.
        device: The one on which all batches are; None if there is no such one, or it is the host.
        doubtful: What was made for a step that a device may have left out.
        with_scale: Whether gradients have been multiplied by a number once: then they always are, by 1 if need be, so
            that nothing has to be sorted again.
    """

    def __init__(
        self, flat: Sequence[Tensor], lengths: list[int], state: dict, plans: Sequence[Plan], batches: list[Batch]
    ) -> None:
        self.batches, self.lengths, self.device = batches, lengths, device_of(batches)
        self.others: list[Member] = []
        self.idle: list[int] = []
        self.made: list[tuple[Tensor, list[str]]] = []
        self.doubtful: list[tuple[Tensor, list[str]]] = []
        self.with_scale = False
        self.sharded = [k for k, x in enumerate(flat) if is_sharded(x)]
        self.meshes = list(dict.fromkeys(flat[k].device_mesh for k in self.sharded))  # type: ignore[attr-defined]
        self.flat, self._recipes, self._state = flat, [plan.recipe for plan in plans], state
        self._entries = list(dict.values(state))
        self.overseen = overseen()

    def taken(self, is_sure: bool) -> None:
        """A step has been taken, or a device may have left it out."""
        if any(other.fresh for other in self.others):
            self.others = [other._replace(fresh=False) for other in self.others]
        self.doubtful += [] if is_sure else self.made
        self.made = []

    def settle(self, state: dict) -> bool:
        """Ask the device, where that is not known, whether first steps were taken; take back the state of others.

        Returns:
            Whether somebody had to be asked.
        """
        doubtful, self.doubtful = dict(self.doubtful), []
        for batch in self.batches if doubtful else ():
            pairs = zip(batch.members, map(float, batch.sweep.steps), strict=True)
            left_out = [member.x for member, steps in pairs if member.x in doubtful and steps == 0]
            _take_back(state, [(x, doubtful[x]) for x in left_out])
        return bool(doubtful)

    def unmake(self, state: dict) -> None:
        """Take back the state that was made for a step that is then left out: the next one is still the first."""
        _take_back(state, self.made)

    def holds(
        self, flat: Sequence[Tensor], lengths: list[int], state: dict, plans: Sequence[Plan], grads: list
    ) -> bool:
        """Whether everything is as it was when the parameters were sorted."""
        return (
            overseen() == self.overseen
            and lengths == self.lengths
            and _same(flat, self.flat)
            and _same([plan.recipe for plan in plans], self._recipes)
            and self._holds_state(state)
            and all(grads[k] is None for k in self.idle)
            and all(batch.is_unmoved() for batch in self.batches)
        )

    def _holds_state(self, state: dict) -> bool:
        if state is not self._state:
            return False
        if isinstance(state, Watched) and not state.seen:
            return True
        return _same(list(dict.values(state)), self._entries) and all(b.is_state_unmoved() for b in self.batches)


def settle(optimizer: Any) -> None:
    """Have an optimizer's state hold what steps have made that were taken, before somebody saves it."""
    if optimizer._book is not None and optimizer._book.settle(optimizer.state):
        optimizer._book = None


def _take_back(state: dict, made: list[tuple[Tensor, list[str]]]) -> None:
    for x, keys in made:
        entries = dict.get(state, x)
        if entries is None:  # somebody has deleted it
            continue
        for key in keys:
            entries.pop(key, None)
        if not entries:
            dict.pop(state, x)


def lengths_of(groups: Sequence[Mapping[str, Any]]) -> list[int]:
    """How many parameters each group has."""
    return [len(group["params"]) for group in groups]


def _same(now: Sequence[Any], then: Sequence[Any]) -> bool:
    return len(now) == len(then) and all(map(is_, now, then))


def sort_parameters(
    optimizer: torch.optim.Optimizer, frame: Frame, flat: list[Tensor], plans: Sequence[Plan], grads: list
) -> Book:
    """Sort an optimizer's parameters, and make the state of those that have their first gradient.

    Raises:
        RuntimeError: If a parameter is of a kind that torch refuses too; nothing has been changed then.
        InputError: If a parameter's type cannot be rounded as asked.
    """
    _check_capture(flat)
    groups = optimizer.param_groups
    of_group = [k for k, group in enumerate(groups) for _ in group["params"]]
    for k, x in enumerate(flat):
        if grads[k] is not None:
            _check(x, groups[of_group[k]], frame)
            _check_shapes(plans[of_group[k]], x, grads[k], dict.get(optimizer.state, x, {}))
            check_layout(plans[of_group[k]], groups[of_group[k]], grads[k])
    parts = list(map(local, flat))
    members: dict[tuple, list[Member]] = defaultdict(list)
    others, idle, made = [], [], []
    overlapping = _overlapping(parts)
    for k, (x, index) in enumerate(zip(flat, of_group, strict=True)):
        plan, group = plans[index], groups[index]
        entries = dict.get(optimizer.state, x, {})
        count_in_tensor(entries)
        lacking = missing(plan.recipe, x, frame, entries)
        if lacking and grads[k] is None:
            idle.append(k)
            continue
        if lacking:
            entries = dict.setdefault(optimizer.state, x, {})
            fill(plan.recipe, x, frame, entries, lacking, {**group, **plan.hyper})
            made.append((x, lacking))
        place(entries, array_keys(plan.recipe, x, frame), x)
        member = Member(x, entries, index, k, any(key in lacking for key in plan.recipe.array_keys[:1]))
        if group.get("differentiable") or k in overlapping or not walkable(parts[k]):
            others.append(member)
        else:
            members[_kind(x, entries, plan, frame)].append(member)
    _warn_of_missing_triton(others)
    batches = [Batch(key[0], frame, found, key[1], key[2]) for key, found in members.items()]
    book = Book(flat, lengths_of(groups), optimizer.state, plans, batches)
    book.others, book.idle, book.made = others, idle, made
    return book


def _warn_of_missing_triton(others: Sequence[Member]) -> None:
    """Say why parameters on a GPU are stepped one by one."""
    if not has_triton() and any(is_on_gpu(other.x) for other in others):
        warnings.warn(
            "expected Triton for parameters on a GPU, got none: torch's operations step them one by one, which takes "
            "many times as long; pip install triton",
            stacklevel=3,
        )


def _check_capture(flat: Sequence[Tensor]) -> None:
    """Refuse to sort while a graph is captured: what is done then is done anew whenever it is played."""
    if any(is_on_gpu(x) and is_capturing(x.device) for x in flat):
        raise InputError(
            "expected a step of these parameters, as they are now, before one is captured in a graph, got none since "
            "they were loaded, added or moved: take a step, then capture"
        )


def _kind(x: Tensor, state: dict[str, Any], plan: Plan, frame: Frame) -> tuple:
    """What members of one batch have in common."""
    arrays = array_keys(plan.recipe, x, frame)
    for key in arrays:
        state[key] = aligned_part(state[key], x)  # loaded in another order, and laid anew once
    types = (x.dtype, x.dtype, *(state[key].dtype for key in plan.recipe.array_keys))
    short = x.dtype.itemsize == 2
    storage = Storage(
        tuple(KERNEL_DTYPES[dtype] for dtype in types),
        rounding=frame.rounding if short else "nearest",
        zero=frame.zero_grad,
        tally=short and frame.rounding == "nearest",
    )
    counter = state["step"].dtype if plan.recipe.counted else None
    return plan.recipe, arrays, storage, x.dtype, counter, spread_of(x), x.device


def _check(x: Tensor, group: Mapping[str, Any], frame: Frame) -> None:
    """Refuse a parameter for which no step can be right."""
    if is_sharded(x):
        check_spread(x, bool(group.get("differentiable")))
    if not (x.is_floating_point() or x.is_complex()):
        raise RuntimeError(f"expected parameters that are floating point or complex, got {x.dtype}: leave them out")
    if x.is_inference() and not torch.is_inference_mode_enabled():
        raise RuntimeError("expected normal parameters, got one made in inference mode: step there too, or clone it")
    if group.get("fused") and x.device.type != "cpu":
        _device_dtype_check_for_fused(x)
    if frame.rounding == "stochastic" and x.dtype == torch.float16:
        raise InputError(
            "stochastic rounding is for bfloat16 weights, got float16 ones: use rounding='kahan', or bfloat16"
        )


def _check_shapes(plan: Plan, x: Tensor, gradient: Tensor, state: Mapping[str, Any]) -> None:
    """Refuse what torch's operations would refuse; a kernel would walk on behind the end."""
    held = {"gradient": gradient, **{f"state '{key}'": state.get(key) for key in plan.recipe.array_keys}}
    for what, array in held.items():
        check_kind(x, what, array)
        if isinstance(array, Tensor) and array.shape != x.shape:
            raise RuntimeError(
                f"expected a {what} of its parameter's shape {tuple(x.shape)}, got {tuple(array.shape)}: after a "
                "parameter has changed its shape, compute its gradient anew and delete its state"
            )


def check_layout(plan: Plan, group: Mapping[str, Any], gradient: Tensor) -> None:
    """Refuse the sparse gradients that torch refuses because it could not say what they mean."""
    if gradient.layout == torch.strided:
        return
    if group.get("fused"):
        raise RuntimeError(f"{plan.recipe.name} with fused=True does not support sparse gradients: leave fused out")
    if plan.recipe.name == "Adagrad" and group.get("weight_decay"):
        raise RuntimeError("weight_decay option is not compatible with sparse gradients: set weight_decay to 0")


def _overlapping(flat: Sequence[Tensor]) -> set[int]:
    """The parameters that share memory with an earlier one: threads must not step both at once."""
    plain = [k for k, x in enumerate(flat) if walkable(x) and x.numel()]
    starts = np.array([flat[k].data_ptr() for k in plain], np.int64)
    ends = starts + np.array([flat[k].numel() * flat[k].element_size() for k in plain], np.int64)
    order = np.argsort(starts, kind="stable")
    furthest = np.maximum.accumulate(ends[order])[:-1] if len(order) else ends
    return {plain[k] for k in order[1:][starts[order][1:] < furthest]}
