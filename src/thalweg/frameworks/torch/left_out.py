"""A step that is left out, or refused, because of infinite or NaN gradients."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from thalweg.frameworks.torch import others
from thalweg.frameworks.torch.sharded import anywhere

if TYPE_CHECKING:
    from thalweg.frameworks.torch.observer import Observer
    from thalweg.frameworks.torch.step import Work


def leave_out(optimizer: Any, observer: Observer | None) -> None:
    """Leave the step out, and tell who watches."""
    _tell_skipped(observer)
    _skip(optimizer)


def _tell_skipped(observer: Observer | None) -> None:
    if observer is not None:
        observer.skipped()


def refuse(optimizer: Any, work: Work, unfit: int, observer: Observer | None) -> None:
    """Do what the frame says of infinite and NaN gradients: skip the step, or raise."""
    _tell_skipped(observer)
    if optimizer.frame.nonfinite == "skip":
        _skip(optimizer)
        return
    _unmake(optimizer)
    marks = [g is not None and others.squared_norm(g)[1] > 0 for g in work.gradients]
    bad = [k for k, mark in enumerate(anywhere(marks, work.book.meshes)) if mark]
    raise RuntimeError(
        f"expected finite gradients, got {unfit} infinite or NaN numbers, in parameter number "
        f"{', '.join(map(str, bad[:5]))}{' and more' if len(bad) > 5 else ''}: lower the learning rate or the scale "
        "of the loss, or give nonfinite='skip'"
    )


def _skip(optimizer: Any) -> None:
    """Leave the step out, and count that; gradients that would have been zeroed are."""
    optimizer.skipped += 1
    _unmake(optimizer)
    if optimizer.frame.zero_grad:
        gradients = [x.grad for group in optimizer.param_groups for x in group["params"] if x.grad is not None]
        with torch.no_grad():
            for gradient in gradients:
                gradient.zero_()


def _unmake(optimizer: Any) -> None:
    """Forget the state that was made for a step that is not taken."""
    if optimizer._book is not None and optimizer._book.made:
        optimizer._book.unmake(optimizer.state)
        optimizer._book = None
