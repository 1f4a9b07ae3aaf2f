"""What was seen in gradients that were read before a step, as long as they are the same."""

from __future__ import annotations

from typing import Any, NamedTuple

from torch import Tensor


class Looked(NamedTuple):
    """What was seen, by the host or by a `Decision`, and in which gradients.

    Attributes:
        seen: Sums of squares with counts of infinities and NaNs, or the `Decision` that has them.
        marks: The gradients, and how often each had been changed.
    """

    seen: Any
    marks: list[tuple[Tensor, int]]


def marks_of(optimizer: Any) -> list[tuple[Tensor, int]]:
    """All gradients of an optimizer, and how often each has been changed."""
    found = [x.grad for group in optimizer.param_groups for x in group["params"]]
    return [(g, -1 if g.is_inference() else g._version) for g in found if g is not None]


def still_true(optimizer: Any) -> Any:
    """What was seen before the step; None if nobody looked, or at other gradients, or they have been changed since."""
    looked: Looked | None = optimizer._looked
    if looked is None:
        return None
    now = marks_of(optimizer)
    same = len(now) == len(looked.marks) and all(
        a is b and k == n for (a, k), (b, n) in zip(now, looked.marks, strict=True)
    )
    return looked.seen if same else None
