"""`GradScaler`: torch's, except that Thalweg's optimizers unscale gradients as they read them."""

from __future__ import annotations

from typing import Any, TypeGuard

import torch

from thalweg.frameworks.torch.framed import Framed, unwrapped


class GradScaler(torch.amp.GradScaler):
    """torch's `torch.amp.GradScaler`, with its arguments and its numbers.

    torch's own works with Thalweg's optimizers too: it rewrites every gradient, to unscale it and to see whether one is
    infinite. This one has them read once, together with their norm where that is needed, and they stay scaled.

    Example:
        >>> from thalweg.torch import SGD
        >>> w = torch.ones(2, requires_grad=True)
        >>> optimizer, scaler = SGD([w], lr=1.0, clip_norm=1.0), GradScaler("cpu", init_scale=1024.0)
        >>> scaler.scale((3 * w[0] + 4 * w[1])).backward()
        >>> scaler.step(optimizer)
        >>> scaler.update()
        >>> w.detach()
        tensor([0.4000, 0.2000])
    """

    def step(self, optimizer: torch.optim.Optimizer, *args: Any, **kwargs: Any) -> Any:
        """Step an optimizer, unless its gradients hold an infinity or NaN.

        Args:
            optimizer: Any optimizer; Thalweg's unscale in their own sweep.
            args: For the optimizer's `step`.
            kwargs: For the optimizer's `step`.

        Returns:
            What the optimizer's `step` does.
        """
        if not _may_fold(optimizer):
            return super().step(optimizer, *args, **kwargs)
        optimizer._folds_scale = True
        try:
            return super().step(optimizer, *args, **kwargs)
        finally:
            optimizer._folds_scale = False

    def _check_inf_per_device(self, optimizer: torch.optim.Optimizer) -> dict[Any, Any]:
        if not _may_fold(optimizer):
            return super()._check_inf_per_device(optimizer)
        scale, _ = self._check_scale_growth_tracker("_check_inf_per_device")
        found = torch.as_tensor(optimizer._unfit() > 0, dtype=torch.float32, device=scale.device)
        per_device = {scale.device: found}
        self._per_optimizer_states[id(optimizer)]["found_inf_per_device"] = per_device
        return per_device


def _may_fold(optimizer: torch.optim.Optimizer) -> TypeGuard[Framed]:
    """Whether an optimizer is one of ours, and no wrapper that would keep what it is told to itself."""
    return isinstance(optimizer, Framed) and unwrapped(optimizer) is optimizer
