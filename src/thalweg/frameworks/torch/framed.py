"""`Framed`: what every torch optimizer of Thalweg has besides its rule: the frame's arguments, schedules, averages."""

from __future__ import annotations

import inspect
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch._compile import _disable_dynamo
from torch.optim.optimizer import _global_optimizer_pre_hooks

from thalweg.errors import InputError
from thalweg.frameworks.torch import scheduled
from thalweg.frameworks.torch.book import Book, settle
from thalweg.frameworks.torch.decision import Decision, Scaler, decision_of
from thalweg.frameworks.torch.evaluated import evaluation_weights
from thalweg.frameworks.torch.flags import check_flags
from thalweg.frameworks.torch.frame import NAMES, Frame, frame_of, signature_of
from thalweg.frameworks.torch.loaded import keep_types
from thalweg.frameworks.torch.looked import Looked, marks_of
from thalweg.frameworks.torch.memory import overseen
from thalweg.frameworks.torch.named import by_name
from thalweg.frameworks.torch.plan import Plan
from thalweg.frameworks.torch.rehearsal import is_rehearsal, rehearse
from thalweg.frameworks.torch.step import loss_of, norms, prepare, step_model, warn_if_lost
from thalweg.frameworks.torch.watched import Watched

if TYPE_CHECKING:
    from thalweg.frameworks.torch.observer import Observer


class Framed(torch.optim.Optimizer):
    """The base of Thalweg's torch optimizers; derived from beside torch's own class, whose arguments come first.

    A sparse gradient steps the rows that it names, and no others: what a dense rule would have done to the other rows
    with a gradient of zero is left undone, their state does not decay and their averages do not move. For rules that
    declare the fact `idle_at_zero_gradient` that is the same thing. The step number counts for the whole parameter.

    Attributes:
        frame: The frame's arguments.
        schedules: For each group the schedules that its entries follow.
    """

    frame: Frame
    schedules: list[scheduled.Entries]
    _skipped: int = 0  # steps, as far as the host knows of them
    _decision: Decision | None = None  # what is decided on a GPU; never saved
    _warned: bool = False  # that updates are lost to rounding
    _book: Book | None = None  # how the parameters were sorted; made anew when needed, never saved
    _looked: Looked | None = None  # what `look` saw, for the step that follows
    _swapped: bool = False  # whether the parameters are their averages now
    _observer: Observer | None = None  # who watches the steps; never saved
    _folds_scale: bool = False  # whether a GradScaler hands its scale over instead of unscaling the gradients

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        cls.__signature__ = signature_of(cls)  # type: ignore[attr-defined]

    def __init__(self, params: Any, *arguments: Any, **named: Any) -> None:
        # Torch's arguments differ between its versions, so they are taken as they come; the frame's own are known.
        self.frame = frame_of({name: named.pop(name) for name in NAMES if name in named})
        plain = super().__init__
        try:
            given = inspect.signature(plain).bind(params, *arguments, **named)
        except TypeError:
            plain(params, *arguments, **named)  # refuses with torch's own words
            raise
        self._defaults, numbers = scheduled.split({k: v for k, v in given.arguments.items() if k != "params"})
        given.arguments.update(numbers)
        self.schedules = []
        plain(*given.args, **given.kwargs)
        check_flags(self.frame, given.arguments)
        self.state = Watched(dict, self.state)

    @property
    def skipped(self) -> int:
        """How many steps were left out because of infinite or NaN gradients; a GPU is waited for."""
        owner = unwrapped(self)
        return owner._skipped + (0 if owner._decision is None else owner._decision.skipped())

    @skipped.setter
    def skipped(self, count: int) -> None:
        self._skipped = count - (self.skipped - self._skipped)

    @property
    def _step_supports_amp_scaling(self) -> bool:
        """What torch's GradScaler asks; only ours may fold the scale in, for then gradients stay scaled."""
        return self._folds_scale

    @_step_supports_amp_scaling.setter
    def _step_supports_amp_scaling(self, fused: bool) -> None:
        """Torch's constructors set it where `fused=True` was asked for."""

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add a group; its own entries may be schedules, as the constructor's arguments may."""
        own, inherited = {}, dict(self._defaults)
        if isinstance(param_group, dict):  # anything else torch refuses
            own, numbers = scheduled.split(param_group)
            inherited = {name: entry for name, entry in inherited.items() if name not in param_group}
            param_group.update(numbers)
            if own or inherited:
                param_group.setdefault(scheduled.STEPS, 0)
        _without_compiler(torch.optim.Optimizer.add_param_group)(self, param_group)
        self.schedules.append({**inherited, **own})

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget all gradients, or make them zero."""
        self._looked = None  # which would keep them alive
        _without_compiler(torch.optim.Optimizer.zero_grad)(self, set_to_none)

    def plan(self, group: dict[str, Any]) -> Plan:
        """How to step a group, without the frame."""
        raise NotImplementedError

    def plans(self) -> list[Plan]:
        """For each group how to step it, without the frame."""
        return [self.plan(group) for group in self.param_groups]

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Step every parameter that has a gradient once.

        Args:
            closure: Evaluates the model again and returns the loss; optional.

        Returns:
            The closure's loss, or None.

        Raises:
            RuntimeError: If a parameter or a gradient is of a kind that torch refuses too, or gradients are infinite
                or NaN and `nonfinite` is `raise`.
            InputError: If something else moved a value that follows a schedule, or within `averaged`.
        """
        if torch.compiler.is_compiling():
            return _step_uncompiled(self, closure)
        return self._step(closure)

    def _step(self, closure: Callable[[], Any] | None) -> Any:
        if self._swapped:
            raise InputError(
                "expected a step outside of averaged(), got one within, which would be lost: leave it first"
            )
        loss = loss_of(closure)
        if is_rehearsal(self):
            with self._turn:
                rehearse(self)
            return loss
        observer = self._observer
        if observer is not None and overseen():  # whoever has torch's operations in hand would have the observer's too
            observer = None
        if observer is not None and closure is not None:
            observer.evaluated(loss)
        with self._turn:
            stepped, before = None, scheduled.advance(self)
            try:
                with torch.set_grad_enabled(bool(self.defaults.get("differentiable"))):
                    stepped = step_model(self, self.plans(), observer)
            finally:
                if stepped is None:
                    scheduled.put_back(before)
            if observer is not None and stepped is not None:
                observer.after(stepped.sums)
        if stepped is not None:
            warn_if_lost(self, stepped.moved, stepped.lost)
        return loss

    @property
    def _turn(self) -> threading.RLock:
        """Held during a step, so that threads with one optimizer take turns; never saved."""
        return vars(self).get("_lock") or vars(self).setdefault("_lock", threading.RLock())

    def look(self) -> int:
        """Read all gradients once, before a step; how many infinities and NaNs they hold.

        The step that follows need not read them again to know their norm, unless a hook of its own may change them.
        """
        return int(self._unfit())

    def _unfit(self) -> int | Tensor:
        """What `look` says; on a GPU it stays there where it can."""
        owner = unwrapped(self)
        hooked = owner._optimizer_step_pre_hooks or _global_optimizer_pre_hooks
        with owner._turn:
            work = prepare(owner, owner.plans(), with_scale=True)
            decision = None if work.alone else decision_of(owner, work.book.device)
            if decision is not None:
                decision.look(work.book.batches)
                decision.make(owner.frame, Scaler(None, None), counts=False)
                owner._looked = None if hooked else Looked(decision, marks_of(owner))
                return decision.unfit
            parts = norms(work)
        owner._looked = None if hooked else Looked(parts, marks_of(owner))
        return sum(unfit for _, unfit in parts)

    @contextmanager
    def averaged(self) -> Iterator[None]:
        """Within the context the parameters are the weights to evaluate; afterwards they are again what they were.

        These are the moving averages of an optimizer made with `ema`, else those that a rule such as
        `schedule_free_sgd` trains for.

        Raises:
            InputError: If there are neither.

        Example:
            >>> from thalweg.torch import SGD
            >>> w = torch.ones(1, requires_grad=True)
            >>> optimizer = SGD([w], lr=1.0, ema=0.5)
            >>> w.sum().backward()
            >>> optimizer.step()
            >>> with optimizer.averaged():
            ...     print(w.item())
            0.5
            >>> w.item()
            0.0
        """
        owner = unwrapped(self)
        pairs = None if owner._swapped else evaluation_weights(owner)
        if pairs is None:
            got = "one within averaged()" if owner._swapped else "one without"
            raise InputError(f"expected an optimizer that keeps averages, got {got}: make it with ema=0.999, say")
        kept = [x.detach().clone() for x, _ in pairs]
        with torch.no_grad():
            for x, average in pairs:
                x.copy_(average)
        owner._swapped = True
        try:
            yield
        finally:
            owner._swapped = False
            with torch.no_grad():
                for (x, _), before in zip(pairs, kept, strict=True):
                    x.copy_(before)

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over a saved state.

        Where both sides have names (`param_names`, of an optimizer made from `named_parameters()`), each parameter
        finds its state by name, whatever its position and its group are now, and a group's entries come from the
        saved group that its parameters were in. Without names it is position that counts, as in torch. State that was
        saved in a wider type than the weights have keeps it, where torch would cast it to theirs, and so do numbers.

        Raises:
            InputError: If names are missing, left over or not unique, or groups that do not agree have been merged.
            ValueError: If groups without names are of other sizes.
        """
        loaded: dict[str, Any] = {}  # what stands at the end of a user's hooks

        def take(_: Any, given: dict[str, Any]) -> dict[str, Any]:
            loaded.update(by_name(given, self.param_groups))
            return loaded

        taking = self.register_load_state_dict_pre_hook(take)
        keeping = self.register_load_state_dict_post_hook(
            lambda _: keep_types(self, self.frame, self.plans(), loaded), prepend=True
        )
        try:
            super().load_state_dict(state_dict)
        finally:
            taking.remove()
            keeping.remove()

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        if type(self.state) is not Watched:  # torch comes by here when it loads a state dict, too
            self.state = Watched(dict, self.state)

    def state_dict(self) -> dict[str, Any]:
        """The state in torch's layout."""
        settle(self)
        return super().state_dict()

    def __getstate__(self) -> dict[str, Any]:
        settle(self)
        kept = {name: value for name, value in vars(self).items() if name in _KEPT}
        return {**super().__getstate__(), **kept, "_skipped": self.skipped}


def unwrapped(optimizer: Framed) -> Framed:
    """The optimizer that a wrapper stands for: Lightning's derive from its class, and hand on what they lack."""
    return optimizer if "frame" in vars(optimizer) else optimizer.optimizer  # type: ignore[attr-defined]


# A kernel is compiled already: torch's compiler leaves the step out of its graph.
_step_uncompiled = _disable_dynamo(lambda optimizer, closure: optimizer._step(closure))
_KEPT = ("frame", "schedules", "_warned", "_defaults")


def _without_compiler(method: Callable[..., None]) -> Callable[..., None]:
    """A method of torch's without its wrapper, which imports torch's compiler: that takes as long as `import torch`.

    The wrapper keeps the compiler from looking into the method, for which it must have been imported already.
    """
    return method if "torch._dynamo" in sys.modules else inspect.unwrap(method)
