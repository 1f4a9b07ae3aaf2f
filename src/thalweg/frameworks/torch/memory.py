"""Where tensors lie: which of them a kernel may walk as plain memory, and how to bring others into that order."""

from __future__ import annotations

import sys

import torch
from torch import Tensor

from thalweg.sweep.gpu import has_triton, is_on_gpu

PLAIN = (Tensor, torch.nn.Parameter)  # subclasses may keep their numbers elsewhere
KERNEL_DTYPES = {
    torch.float64: "float64",
    torch.float32: "float32",
    torch.bfloat16: "bfloat16",
    torch.float16: "float16",
    torch.complex128: "float64",
    torch.complex64: "float32",
}


def is_sharded(x: Tensor) -> bool:
    """Whether a tensor is one of torch's DTensors, of which this process holds a part.

    Example:
        >>> is_sharded(torch.zeros(3))
        False
    """
    if type(x) in PLAIN:
        return False
    library = sys.modules.get("torch.distributed.tensor")  # importing takes long, and who has a DTensor has done it
    return isinstance(x, getattr(library, "DTensor", ()))


def overseen() -> bool:
    """Whether torch has its operations go through somebody's hands, who would not see what a kernel does.

    So it is within `make_fx`, `FakeTensorMode` and other dispatch modes, and within `torch.func`'s transformations,
    whose tensors need not have memory of their own.

    Example:
        >>> overseen()
        False
    """
    return torch._C._len_torch_dispatch_stack() > 0 or torch._C._functorch.peek_interpreter_stack() is not None  # type: ignore[attr-defined]


def walkable(x: Tensor) -> bool:
    """Whether a kernel may write a parameter: its elements fill one stretch of memory, in any order of its axes.

    That is memory of the CPU, or of a GPU where Triton is installed.

    Example:
        >>> walkable(torch.zeros(2, 3).t()), walkable(torch.zeros(2, 3)[:, ::2])
        (True, False)
    """
    if overseen():
        return False
    return type(x) in PLAIN and _has_kernels(x) and x.dtype in KERNEL_DTYPES and dense(x)


def _has_kernels(x: Tensor) -> bool:
    return has_triton() if is_on_gpu(x) else x.device.type == "cpu"


def dense(x: Tensor) -> bool:
    """Whether the elements fill one stretch of memory without gaps or overlaps."""
    if x.is_contiguous():
        return True
    expected = 1
    for stride, size in sorted((stride, size) for stride, size in zip(x.stride(), x.shape, strict=True) if size > 1):
        if stride != expected:
            return False
        expected *= size
    return True


def aligned(other: Tensor, x: Tensor) -> Tensor:
    """`other` with its elements in the same order in memory as those of `x`: itself if that is so, else a copy.

    Args:
        other: A gradient or state, of the shape of `x`.
        x: A dense parameter.
    """
    if same_order(other, x):
        return other
    return torch.empty_like(x, dtype=other.dtype, requires_grad=False).copy_(other)


def same_order(other: Tensor, x: Tensor) -> bool:
    """Whether a tensor is plain memory on the same device as another one, and both walk their memory alike."""
    if type(other) not in PLAIN or other.device != x.device or other.layout != torch.strided:
        return False
    if other.is_conj() or other.is_neg() or other.is_complex() != x.is_complex() or other.dtype not in KERNEL_DTYPES:
        return False
    if other.stride() == x.stride():
        return True
    axes = zip(other.stride(), x.stride(), x.shape, strict=True)
    return all(a == b for a, b, size in axes if size > 1)


def foldable(x: Tensor) -> bool:
    """Whether a tensor of the same shape could lie at the same address in another order.

    Example:
        >>> foldable(torch.zeros(3, 4)), foldable(torch.zeros(1, 7))
        (True, False)
    """
    return sum(size > 1 for size in x.shape) > 1


def real_view(x: Tensor) -> Tensor:
    """A complex tensor as a real one with a last axis of two, on the same memory; a real one as it is.

    Example:
        >>> real_view(torch.zeros(3, dtype=torch.complex64)).shape
        torch.Size([3, 2])
    """
    return torch.view_as_real(x) if x.is_complex() else x
