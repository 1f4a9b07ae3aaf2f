"""The step that torch rehearses: its checkpoints take one to have the state made, and no weight may move."""

from __future__ import annotations

from typing import Any

import torch

from thalweg.frameworks.torch.step import step_model
from thalweg.sweep.gpu import is_on_gpu


def is_rehearsal(optimizer: Any) -> bool:
    """Whether this is how torch.distributed.checkpoint has the state made: lr 0, gradients 0, before any step."""
    groups = optimizer.param_groups
    if len(optimizer.state) or not groups or _is_told_on_gpu(groups[0]) or groups[0].get("lr") != 0:
        return False  # almost always: no step waits for the rest
    if not all(group.get("lr") == 0 for group in groups):
        return False
    gradients = [x.grad for group in groups for x in group["params"] if x.grad is not None]
    return bool(gradients) and not any(g.layout != torch.strided or g.count_nonzero() for g in gradients)


def _is_told_on_gpu(group: dict[str, Any]) -> bool:
    """Whether the learning rate is on a GPU, for which everybody would wait; torch's rehearsals have it on the CPU."""
    return isinstance(group.get("lr"), torch.Tensor) and is_on_gpu(group["lr"])


@torch.no_grad()
def rehearse(optimizer: Any) -> None:
    """Step, but leave the weights and the schedules: decay that does not depend on lr would move them."""
    kept = [(x, x.detach().clone()) for group in optimizer.param_groups for x in group["params"] if x.grad is not None]
    step_model(optimizer, optimizer.plans())
    for x, before in kept:
        x.copy_(before)
