"""Losses and metrics that several problems share: from the network and a batch (inputs, targets) to a scalar tensor."""

from __future__ import annotations

from torch import Tensor, nn


def cross_entropy(model: nn.Module, batch: tuple[Tensor, Tensor]) -> Tensor:
    """Mean cross-entropy of logits and classes.

    Args:
        model: From inputs to logits, one row per sample.
        batch: Inputs, and the classes as integers.

    Returns:
        A scalar.

    Example:
        >>> import torch
        >>> cross_entropy(nn.Identity(), (torch.zeros(3, 2), torch.tensor([0, 1, 0])))
        tensor(0.6931)
    """
    inputs, targets = batch
    return nn.functional.cross_entropy(model(inputs), targets)


def accuracy(model: nn.Module, batch: tuple[Tensor, Tensor]) -> Tensor:
    """The share of samples whose largest logit is the target's.

    Args:
        model: From inputs to logits, one row per sample.
        batch: Inputs, and the classes as integers.

    Returns:
        A scalar between 0 and 1.

    Example:
        >>> import torch
        >>> accuracy(nn.Identity(), (torch.eye(4), torch.tensor([0, 1, 2, 0])))
        tensor(0.7500, dtype=torch.float64)
    """
    inputs, targets = batch
    return (model(inputs).argmax(dim=1) == targets).double().mean()


def squared_error(model: nn.Module, batch: tuple[Tensor, Tensor]) -> Tensor:
    """Mean squared error of predictions and targets of the same shape.

    Args:
        model: From inputs to predictions.
        batch: Inputs and targets.

    Returns:
        A scalar.

    Example:
        >>> import torch
        >>> squared_error(nn.Identity(), (torch.zeros(2, 1), torch.tensor([[1.0], [3.0]])))
        tensor(5.)
    """
    inputs, targets = batch
    return nn.functional.mse_loss(model(inputs), targets)
