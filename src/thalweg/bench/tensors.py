"""Parameters to step: leaf tensors with gradients, of any number and size."""

from __future__ import annotations

import torch
from torch import Tensor

LARGE = 10  # tensors of the large model


def parameters(tensors: int, elements: int, dtype: torch.dtype = torch.float32, gradient: float = 1.0) -> list[Tensor]:
    """Leaf tensors with gradients, normally distributed, the same numbers every time.

    Args:
        tensors: How many.
        elements: Of each.
        dtype: Of weights and gradients.
        gradient: The standard deviation of the gradients.

    Example:
        >>> [x.grad.shape for x in parameters(2, 3)]
        [torch.Size([3]), torch.Size([3])]
    """
    generator = torch.Generator().manual_seed(0)
    weights, gradients = torch.randn(2, elements, generator=generator)
    made = [weights.to(dtype, copy=True).requires_grad_() for _ in range(tensors)]
    for x in made:
        x.grad = (gradients * gradient).to(dtype, copy=True)
    return made


def large(elements: int, dtype: torch.dtype = torch.float32, gradient: float = 1.0) -> list[Tensor]:
    """The large model: so many parameters in ten tensors."""
    return parameters(LARGE, elements // LARGE, dtype, gradient)
