"""One step of a whole optimizer: gather, look at the gradients' norm where asked, sweep."""

from __future__ import annotations

import functools
import math
import os
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from thalweg.compile.measured import SUMS
from thalweg.frameworks.torch import others
from thalweg.frameworks.torch.batch import Gathered, Member
from thalweg.frameworks.torch.book import Book, check_layout, lengths_of, sort_parameters
from thalweg.frameworks.torch.decision import NORM_OFFSET, Scaler, decision_of, scaler_of
from thalweg.frameworks.torch.frame import Frame
from thalweg.frameworks.torch.left_out import leave_out, refuse
from thalweg.frameworks.torch.looked import still_true
from thalweg.frameworks.torch.memory import is_sharded, walkable
from thalweg.frameworks.torch.on_host import Threads
from thalweg.frameworks.torch.plan import Plan
from thalweg.frameworks.torch.sharded import check_kind, local, local_gradients, own_number, spread_of, total
from thalweg.sweep.threads import Launch, openmp_team, own_threads

if TYPE_CHECKING:
    from thalweg.frameworks.torch.observer import Observer

PROCESS = os.getpid()  # in which torch's OpenMP threads live; a child made by fork has another number
GRADIENT = attrgetter("grad")


def loss_of(closure: Callable[[], Any] | None) -> Any:
    """What a closure returns, evaluated with gradients on; None without one."""
    if closure is None:
        return None
    with torch.enable_grad():
        return closure()


@dataclass
class Work:
    """What a step is about to do.

    Attributes:
        book: How the parameters were sorted.
        plans: For each group how to step it.
        gradients: For each parameter its gradient, or None; of a DTensor the part that this process has.
        gathered: For each batch of the book its gradients.
        alone: Parameters that are stepped one by one.
        threads: Who steps on the host.
        skip: A number on a device that is not zero where the step is to be left out; None where the host knows that.
    """

    book: Book
    plans: list[Plan]
    gradients: list[Any]
    gathered: list[Gathered]
    alone: list[Member]
    threads: Threads
    skip: Tensor | None = None

    def scale(self, factor: float) -> None:
        """Multiply the gradients by a number when they are read."""
        for plan in self.plans:
            plan.hyper["scale"] *= factor


class Stepped(NamedTuple):
    """What a step says of itself.

    Attributes:
        moved: How many 16-bit weights should have moved, and
        lost: how many of them rounding kept where they were.
        sums: For each parameter what `thalweg.compile.measured.SUMS` names, NaN where it was not stepped; None if
            nobody wanted them.
    """

    moved: int
    lost: int
    sums: np.ndarray | None = None


def step_model(optimizer: Any, plans: Sequence[Plan], observer: Observer | None = None) -> Stepped | None:
    """Step every parameter that has a gradient once.

    Args:
        optimizer: With a `frame`; what is remembered between steps is its `_book`, skipped steps are in `skipped`.
        plans: For each group how to step it, without the frame.
        observer: Is asked before the step, and told if it is left out.

    Raises:
        RuntimeError: If a parameter or a gradient is of a kind that torch refuses too, or gradients are infinite or NaN
            and the frame says `raise`; nothing has been changed then.

    Returns:
        What the step says of itself; None if it was left out.
    """
    frame: Frame = optimizer.frame
    scaler = scaler_of(optimizer)
    looked, optimizer._looked = still_true(optimizer), None
    if scaler.found_inf is not None and not scaler.is_on_device and scaler.found:
        return leave_out(optimizer, observer)
    work = prepare(optimizer, plans, scaler.grad_scale is not None)
    decision = None
    if work.book.device is not None and observer is None and (frame.needs_norm or scaler.is_on_device):
        waits = work.alone or (_may_skip(frame, scaler) and any(optimizer.schedules))  # which must not move on then
        decision = None if waits else decision_of(optimizer, work.book.device)
    if decision is None:
        return _step_if_fit(optimizer, work, scaler, looked if isinstance(looked, list) else None, observer)
    if frame.needs_norm and looked is not decision:
        decision.look(work.book.batches)
    decision.make(frame, scaler)
    work.skip = decision.skip
    if frame.clip_norm is not None or scaler.grad_scale is not None:
        for plan in work.plans:
            plan.hyper["scale"] = decision.factor
    return _step(optimizer, work, with_sums=False)


def _may_skip(frame: Frame, scaler: Scaler) -> bool:
    return frame.nonfinite == "skip" or scaler.found_inf is not None


def _step_if_fit(
    optimizer: Any, work: Work, scaler: Scaler, looked: list[tuple[float, int]] | None, observer: Observer | None
) -> Stepped | None:
    """Step, where the host decides whether and how far; it waits where it has to ask a device."""
    frame: Frame = optimizer.frame
    if scaler.found_inf is not None and scaler.is_on_device and scaler.found:
        return leave_out(optimizer, observer)
    scale = scaler.scale
    if scale is not None:
        work.scale(scale)
    if frame.needs_norm:
        parts = looked or norms(work)
        unfit = sum(count for _, count in parts)
        if unfit and frame.nonfinite != "ignore":
            return refuse(optimizer, work, unfit, observer)
        if frame.clip_norm is not None:
            _clip(work, frame.clip_norm, math.sqrt(sum(square for square, _ in parts)))
    stepped = _step(optimizer, work, observer is not None and observer.before())
    if scale is not None and stepped.sums is not None:
        stepped.sums[:] *= [scale ** name.count("g") for name, *_ in SUMS]  # once for each factor g
    return stepped


def prepare(optimizer: Any, plans: Sequence[Plan], with_scale: bool) -> Work:
    """Gather everything that a step needs, and change no weight.

    Args:
        optimizer: As for `step_model`.
        plans: As for `step_model`.
        with_scale: Whether gradients will be multiplied by a number when they are read.
    """
    frame: Frame = optimizer.frame
    book: Book | None = optimizer._book
    with_scale = with_scale or frame.clip_norm is not None or (book is not None and book.with_scale)
    added = frame.hyper | ({"scale": 1.0} if with_scale else {})  # a rule of one's own may have a letter `scale`
    framed = [Plan(p.recipe.framed(frame, with_scale), {**p.hyper, **added} if added else p.hyper) for p in plans]
    flat = [x for group in optimizer.param_groups for x in group["params"]]
    grads = list(map(GRADIENT, flat))
    if book is None or not book.holds(flat, lengths_of(optimizer.param_groups), optimizer.state, framed, grads):
        if book is not None:
            book.settle(optimizer.state)
        book = optimizer._book = sort_parameters(optimizer, frame, flat, framed, grads)
        book.with_scale = with_scale
    if book.sharded:
        grads = local_gradients(grads, flat, book.sharded)
    taken: set[int] | None = set() if frame.zero_grad and len(book.batches) > 1 else None
    gathered = [batch.gather(batch.select(grads), taken) for batch in book.batches]
    alone = [other for other in book.others if grads[other.number] is not None]
    alone += [member for found in gathered for member in found.sparse]
    for other in alone:
        check_layout(framed[other.group], optimizer.param_groups[other.group], grads[other.number])
        check_kind(flat[other.number], "a gradient", flat[other.number].grad)
        if frame.zero_grad:  # others may have the same gradient, and zero it first
            grads[other.number] = grads[other.number].clone()
    return Work(book, framed, grads, gathered, alone, Threads(frame.threads or torch.get_num_threads(), team()))


def norms(work: Work) -> list[tuple[float, int]]:
    """Read all gradients once: of each batch, and of each other one, the sum of squares and how many are not finite.

    With DTensors among them it is one sum over all processes, which therefore decide alike.
    """
    batches = list(zip(work.book.batches, work.gathered, strict=True))
    parts = [batch.sweep.squared_norm(found.present, work.threads) for batch, found in batches]
    parts += [others.squared_norm(work.gradients[other.number]) for other in work.alone]
    if not work.book.sharded:
        return parts
    spreads = [*(batch.spread for batch, _ in batches), *(spread_of(other.x) for other in work.alone)]
    return [total([(spread, *part) for spread, part in zip(spreads, parts, strict=True)], work.book.meshes)]


def _clip(work: Work, most: float, norm: float) -> None:
    """Scale the gradients down so that their norm, once scaled, is not above a bound; a NaN stays one, as in torch."""
    scale = work.plans[0].hyper["scale"] if work.plans else 1.0
    factor = most / (norm * scale + NORM_OFFSET)
    work.scale(factor if not factor > 1.0 else 1.0)


def _step(optimizer: Any, work: Work, with_sums: bool) -> Stepped:
    sums = np.empty((len(work.book.flat), len(SUMS))) if with_sums else None
    if sums is not None:
        sums.fill(np.nan)
    for batch, found in zip(work.book.batches, work.gathered, strict=True):
        batch.step(found, work.plans, work.threads, with_sums, work.skip)
        if sums is not None:
            batch.add_up(found, sums)
    for other in work.alone:
        gradient = work.gradients[other.number]
        kept = None if sums is None else others.seen(local(other.x), gradient)
        _step_alone(optimizer, other, work.plans[other.group], gradient, work.threads)
        if sums is not None and kept is not None:
            sums[other.number] = others.moved(local(other.x), kept)
    if optimizer.frame.zero_grad:
        _zero_parts(work)
    work.book.taken(is_sure=work.skip is None)
    moved, lost = zip((0, 0), *(batch.sweep.lost() for batch in work.book.batches), strict=True)
    return Stepped(sum(moved), sum(lost), sums)


def _zero_parts(work: Work) -> None:
    """Zero the gradients of DTensors that were seen as copies only: of other parts, or stepped one by one."""
    for k in work.book.sharded:
        gradient = work.book.flat[k].grad
        if gradient is not None and local(gradient) is not work.gradients[k]:
            gradient.zero_()


def _step_alone(optimizer: Any, other: Member, plan: Plan, gradient: Any, threads: Threads) -> None:
    """Step a parameter that no table holds now: because of where it is, or because its gradient is sparse."""
    group, frame = optimizer.param_groups[other.group], optimizer.frame
    parameter, other = other.x, _opened(other, frame)
    x = other.x
    t = others.next_step(plan.recipe, other.state, other.fresh)
    if others.sparse_rows(x, gradient) and walkable(x) and not group.get("differentiable"):
        others.sweep_rows(plan, frame, other, gradient, t, threads)
    else:
        others.evaluate(plan, frame, other, gradient, t, bool(group.get("differentiable")))
    if frame.zero_grad:
        parameter.grad.zero_()  # type: ignore[union-attr]


def _opened(other: Member, frame: Frame) -> Member:
    """A member as this process holds it: of a DTensor and its states the parts."""
    if not is_sharded(other.x):
        return other
    number = own_number(other.x, other.number) if frame.rounding == "stochastic" else other.number
    return other._replace(x=local(other.x), state={k: local(v) for k, v in other.state.items()}, number=number)


def warn_if_lost(optimizer: Any, moved: int, lost: int) -> None:
    """Say once that most updates are lost to rounding."""
    if 2 * lost > moved and not optimizer._warned:
        optimizer._warned = True
        warnings.warn(
            f"{lost} of {moved} updates in this step were smaller than half the last bit of their weight and are lost "
            "to rounding: give rounding='kahan' or 'stochastic', keep weights in float32, or raise the learning rate",
            stacklevel=2,
        )


@functools.cache
def team() -> Launch:
    """Torch's own OpenMP threads where it brings GNU's library, else threads of our own."""
    libraries = sorted((Path(torch.__file__).parent / "lib").glob("libgomp*.so*"))
    return openmp_team(libraries[0], PROCESS) if libraries else own_threads
