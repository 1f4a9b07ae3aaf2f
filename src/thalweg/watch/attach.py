"""`attach`: begin to watch an optimizer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from thalweg.errors import InputError

if TYPE_CHECKING:
    from thalweg.watch.outputs.output import Output
    from thalweg.watch.watcher import Watcher

INNER = ("optimizer", "optim")  # what wrappers call the optimizer that they hand steps on to


def attach(
    optimizer: Any,
    every: int = 1,
    model: Any = None,
    to: Sequence[str | Output] = ("terminal",),
) -> Watcher:
    """Watch an optimizer: what it does is measured, said in words where it goes wrong, and not changed by a bit.

    Args:
        optimizer: Any optimizer of Thalweg or torch, also one that Lightning or Accelerate has wrapped, or a class of
            one's own that derives from `torch.optim.Optimizer`.
        every: Every how many steps there is a measurement.
        model: The module whose names its parameters get; without it they have those that the optimizer was given by
            `named_parameters()`, or numbers.
        to: Where figures and alarms go: `"terminal"`, `"jsonl:PATH"` and the like, or any `Output`.

    Returns:
        The watcher, which ends when it is closed or the optimizer is gone.

    Raises:
        InputError: If the optimizer cannot be watched, or is watched already, or an argument is not what it has to be.

    Example:
        >>> import torch, thalweg
        >>> model = torch.nn.Linear(3, 1)
        >>> optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        >>> with thalweg.watch.attach(optimizer, model=model, to=()) as watcher:
        ...     for _ in range(5):
        ...         loss = model(torch.ones(2, 3)).square().mean()
        ...         optimizer.zero_grad()
        ...         loss.backward()
        ...         watcher.loss(loss)
        ...         optimizer.step()
        >>> watcher.history.steps.tolist(), [part.name for part in watcher.history.subject.parts]
        ([1, 2, 3, 4, 5], ['weight', 'bias', 'group 0'])
    """
    from thalweg.watch.outputs import opened
    from thalweg.watch.watcher import Watcher

    if isinstance(every, bool) or not isinstance(every, int) or every < 1:
        raise InputError(f"expected every to be a whole number above 0, got {every!r}: 1 measures at every step")
    inner = inner_of(optimizer)
    check(inner)
    names = names_of(model)
    return Watcher(inner, every, names, opened(to))


def inner_of(optimizer: Any) -> Any:
    """The optimizer that takes the steps: itself, or what a wrapper hands them on to."""
    import torch

    seen = set()
    while id(optimizer) not in seen:
        seen.add(id(optimizer))
        held = [getattr(optimizer, name, None) for name in INNER]
        inner = next((each for each in held if isinstance(each, torch.optim.Optimizer)), None)
        if inner is None:
            return optimizer
        optimizer = inner
    return optimizer


def check(optimizer: Any) -> None:
    """Refuse what cannot be watched.

    Raises:
        InputError: If it is no optimizer of torch's, lacks its hooks, or is watched already.
    """
    import torch

    from thalweg.watch.hooks import is_followed

    if not isinstance(optimizer, torch.optim.Optimizer):
        raise InputError(
            f"expected an optimizer of Thalweg or torch, got {_shown(optimizer)}: give the object whose step() trains"
        )
    if "_optimizer_step_pre_hooks" not in vars(optimizer):
        raise InputError(
            f"expected an optimizer with torch's hooks around its step, got {_shown(optimizer)}, whose __init__ does "
            "not call that of torch.optim.Optimizer: let it, or watch the optimizer that it wraps"
        )
    if is_followed(optimizer):
        raise InputError("expected an optimizer that nobody watches yet, got a watched one: close that watcher first")


def _shown(given: Any) -> str:
    return f"the class {given.__name__}" if isinstance(given, type) else f"a {type(given).__name__}"


def names_of(model: Any) -> dict[int, str]:
    """For a module's parameters, by their id, their names.

    Raises:
        InputError: If it is no module.
    """
    if model is None:
        return {}
    if not callable(getattr(model, "named_parameters", None)):
        raise InputError(f"expected model to be a torch module, got {_shown(model)}: leave it out if there is none")
    return {id(x): name for name, x in model.named_parameters()}
