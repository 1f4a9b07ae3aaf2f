"""Losses and metrics that several problems share: from the network and a batch (inputs, targets) to a scalar tensor."""

from __future__ import annotations

import math

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


def cross_entropy_and_accuracy(model: nn.Module, batch: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    """Both of the above from one pass through the network.

    Args:
        model: From inputs to logits, one row per sample.
        batch: Inputs, and the classes as integers.

    Returns:
        Two scalars.

    Example:
        >>> import torch
        >>> cross_entropy_and_accuracy(nn.Identity(), (torch.zeros(2, 2), torch.tensor([0, 1])))
        (tensor(0.6931), tensor(0.5000, dtype=torch.float64))
    """
    inputs, targets = batch
    logits = model(inputs)
    return nn.functional.cross_entropy(logits, targets), (logits.argmax(dim=1) == targets).double().mean()


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


def binary_cross_entropy(model: nn.Module, batch: tuple[Tensor, Tensor]) -> Tensor:
    """Mean cross-entropy of a sigmoid output and a label.

    Args:
        model: From inputs to one logit per sample, of shape (samples, 1).
        batch: Inputs, and the labels 0.0 or 1.0 in the logits' shape.

    Returns:
        A scalar.

    Example:
        >>> import torch
        >>> binary_cross_entropy(nn.Identity(), (torch.zeros(2, 1), torch.tensor([[0.0], [1.0]])))
        tensor(0.6931)
    """
    inputs, targets = batch
    return nn.functional.binary_cross_entropy_with_logits(model(inputs), targets)


def binary_accuracy(model: nn.Module, batch: tuple[Tensor, Tensor]) -> Tensor:
    """The share of samples whose sigmoid output lies on the label's side of one half.

    Args:
        model: From inputs to one logit per sample, of shape (samples, 1).
        batch: Inputs, and the labels 0.0 or 1.0 in the logits' shape.

    Returns:
        A scalar between 0 and 1.

    Example:
        >>> import torch
        >>> binary_accuracy(nn.Identity(), (torch.tensor([[-1.0], [2.0]]), torch.tensor([[0.0], [0.0]])))
        tensor(0.5000, dtype=torch.float64)
    """
    inputs, targets = batch
    return ((model(inputs) > 0) == (targets > 0.5)).double().mean()


def next_symbol(model: nn.Module, batch: tuple[Tensor, Tensor]) -> Tensor:
    """Mean cross-entropy of the next symbol at every place, in nats.

    Args:
        model: From symbols, of shape (samples, places), to logits of shape (samples, places, symbols).
        batch: Symbols, and the symbol that follows each.

    Returns:
        A scalar.

    Example:
        >>> import torch
        >>> next_symbol(lambda symbols: torch.zeros(2, 3, 4), (torch.zeros(2, 3), torch.zeros(2, 3, dtype=torch.int64)))
        tensor(1.3863)
    """
    inputs, targets = batch
    return nn.functional.cross_entropy(model(inputs).flatten(0, 1), targets.flatten())


def bits_per_symbol(model: nn.Module, batch: tuple[Tensor, Tensor]) -> Tensor:
    """The same in bits."""
    return next_symbol(model, batch) / math.log(2)


def nats_and_bits(model: nn.Module, batch: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    """Both from one pass through the network."""
    nats = next_symbol(model, batch)
    return nats, nats / math.log(2)
