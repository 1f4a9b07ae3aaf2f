"""`Framed`: what every torch optimizer of Thalweg has besides its rule: the frame's arguments, schedules, averages."""

from __future__ import annotations

import inspect
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch._compile import _disable_dynamo
from torch.optim.optimizer import _global_optimizer_pre_hooks

from thalweg.errors import InputError
from thalweg.frameworks.torch import scheduled
from thalweg.frameworks.torch.book import Book
from thalweg.frameworks.torch.frame import NAMES, Frame, frame_of
from thalweg.frameworks.torch.plan import Plan
from thalweg.frameworks.torch.step import loss_of, norms, prepare, step_model, warn_if_lost
from thalweg.frameworks.torch.watched import Watched


class Framed(torch.optim.Optimizer):
    """The base of Thalweg's torch optimizers; derived from beside torch's own class, whose arguments come first.

    A sparse gradient steps the rows that it names, and no others: what a dense rule would have done to the other rows
    with a gradient of zero is left undone, their state does not decay and their averages do not move. For rules that
    declare the fact `idle_at_zero_gradient` that is the same thing. The step number counts for the whole parameter.

    Attributes:
        frame: The frame's arguments.
        schedules: For each group the schedules that its entries follow.
        skipped: How many steps were left out because of infinite or NaN gradients.
    """

    frame: Frame = Frame()
    schedules: list[scheduled.Entries]
    skipped: int = 0
    _warned: bool = False  # that updates are lost to rounding
    _book: Book | None = None  # how the parameters were sorted; made anew when needed, never saved
    _looked: list[tuple[float, int]] | None = None  # what `look` saw, for the step that follows
    _swapped: bool = False  # whether the parameters are their averages now
    _folds_scale: bool = False  # whether a GradScaler hands its scale over instead of unscaling the gradients

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        cls.__signature__ = _signature(cls)  # type: ignore[attr-defined]

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
        self.state = Watched(dict, self.state)

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
        _without_compiler(torch.optim.Optimizer.add_param_group)(self, param_group)
        self.schedules.append({**inherited, **own})

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget all gradients, or make them zero."""
        _without_compiler(torch.optim.Optimizer.zero_grad)(self, set_to_none)

    def plans(self) -> list[Plan]:
        """For each group how to step it, without the frame."""
        raise NotImplementedError

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
        with self._turn:
            lost, before = None, scheduled.advance(self)
            try:
                with torch.set_grad_enabled(bool(self.defaults.get("differentiable"))):
                    lost = step_model(self, self.plans())
            finally:
                if lost is None:
                    scheduled.put_back(before)
        if lost is not None:
            warn_if_lost(self, *lost)
        return loss

    @property
    def _turn(self) -> threading.RLock:
        """Held during a step, so that threads with one optimizer take turns; never saved."""
        return vars(self).setdefault("_lock", threading.RLock())

    def look(self) -> int:
        """Read all gradients once, before a step; how many infinities and NaNs they hold.

        The step that follows need not read them again to know their norm, unless a hook of its own may change them.
        """
        with self._turn:
            parts = norms(prepare(self, self.plans(), with_scale=True))
        hooked = self._optimizer_step_pre_hooks or _global_optimizer_pre_hooks
        self._looked = None if hooked else parts
        return sum(unfit for _, unfit in parts)

    @contextmanager
    def averaged(self) -> Iterator[None]:
        """Within the context the parameters are their moving averages; afterwards they are again what they were.

        Raises:
            InputError: If the optimizer keeps no averages.

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
        if self.frame.ema is None or self._swapped:
            got = "one within averaged()" if self._swapped else "one without"
            raise InputError(f"expected an optimizer that keeps averages, got {got}: make it with ema=0.999, say")
        pairs = [(x, entry["average"]) for x, entry in self.state.items() if isinstance(entry.get("average"), Tensor)]
        kept = [x.detach().clone() for x, _ in pairs]
        with torch.no_grad():
            for x, average in pairs:
                x.copy_(average)
        self._swapped = True
        try:
            yield
        finally:
            self._swapped = False
            with torch.no_grad():
                for (x, _), before in zip(pairs, kept, strict=True):
                    x.copy_(before)

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over a saved state; float32 state of 16-bit weights, and numbers, keep their type."""
        loaded: dict[str, Any] = {}  # what stands at the end of a user's hooks
        hook = self.register_load_state_dict_pre_hook(lambda _, given: loaded.update(given))
        try:
            super().load_state_dict(state_dict)
        finally:
            hook.remove()
        saved = [number for group in loaded["param_groups"] for number in group["params"]]
        own = [x for group in self.param_groups for x in group["params"]]
        numbers = {key for plan in self.plans() for key in plan.recipe.scalar_keys}
        for number, x in zip(saved, own, strict=True):
            _keep_types(x, numbers, self.state.get(x, {}), loaded["state"].get(number, {}))

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        if type(self.state) is not Watched:  # torch comes by here when it loads a state dict, too
            self.state = Watched(dict, self.state)

    def __getstate__(self) -> dict[str, Any]:
        kept = {name: value for name, value in vars(self).items() if name in _KEPT}
        return {**super().__getstate__(), **kept}


# A kernel is compiled already: torch's compiler leaves the step out of its graph and goes on behind it.
_step_uncompiled = _disable_dynamo(Framed._step)
_KEPT = ("frame", "schedules", "skipped", "_warned", "_defaults")


def _keep_types(x: Tensor, numbers: set[str], loaded: dict[str, Any], saved: Mapping[str, Any]) -> None:
    """Undo what torch does to a state that it loads: it casts every array, and every number, to the weights' type."""
    for key, value in saved.items():
        now = loaded.get(key)
        if not isinstance(value, Tensor) or not isinstance(now, Tensor) or value.dtype == now.dtype:
            continue
        if key in numbers or (value.dtype == torch.float32 and now.dtype.itemsize == 2):
            loaded[key] = value.detach().clone().to(x.device)


def _without_compiler(method: Callable[..., None]) -> Callable[..., None]:
    """A method of torch's without its wrapper, which imports torch's compiler: that takes as long as `import torch`.

    The wrapper keeps the compiler from looking into the method, for which it must have been imported already.
    """
    return method if "torch._dynamo" in sys.modules else inspect.unwrap(method)


def _signature(cls: type) -> inspect.Signature:
    """Torch's signature, then the frame's arguments by name only."""
    own = cls.__dict__.get("__init__")
    plain = own or next(c.__init__ for c in cls.__mro__ if c.__module__.startswith("torch.optim."))
    parameters = [p for p in inspect.signature(plain).parameters.values() if p.name != "self"]
    rest = [p for p in parameters if p.kind is p.VAR_KEYWORD]
    frame = [p.replace(kind=p.KEYWORD_ONLY) for p in inspect.signature(Frame).parameters.values()]
    return inspect.Signature([*(p for p in parameters if p not in rest), *frame, *rest])
