"""Torch optimizers as a GPU steps them: on one where there is one, else in Triton's interpreter on the CPU."""

import contextlib
import os
from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from thalweg.frameworks.torch.on_device import DeviceSweep
from thalweg.sweep.gpu import interpreting

HAS_GPU = torch.cuda.is_available()
os.environ.setdefault("TRITON_INTERPRET", "0" if HAS_GPU else "1")
triton = pytest.importorskip("triton", reason="Triton is not installed")
if not HAS_GPU and type(triton.language.sum).__name__ != "InterpretedFunction":
    pytest.skip("Triton was imported for a GPU before: run these tests alone", allow_module_level=True)

DEVICE = "cuda" if HAS_GPU else "cpu"
SHAPES = ((40, 30), (5,), (), (1, 7))
Make = Callable[[list[Tensor]], torch.optim.Optimizer]


def stepping() -> contextlib.AbstractContextManager[None]:
    """Within the context the tensors on `DEVICE` are stepped as a GPU's."""
    return contextlib.nullcontext() if HAS_GPU else interpreting()


class Hurried(TorchFunctionMode):
    """Refuses whatever would have the host wait for a device."""

    WAITING = ("item", "tolist", "__bool__", "__float__", "__int__", "cpu", "numpy", "__index__", "nonzero")

    def __torch_function__(self, func: Callable, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        assert getattr(func, "__name__", "") not in self.WAITING, func
        return func(*args, **(kwargs or {}))


def weights(dtype: torch.dtype = torch.float32, shapes: Sequence[tuple] = SHAPES, device: str = "cpu") -> list[Tensor]:
    """Parameters, the same on every device."""
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(shape, generator=generator).to(dtype).to(device).requires_grad_() for shape in shapes]


def feed(xs: Sequence[Tensor], step: int, size: float = 1.0) -> None:
    """Give gradients, those of a step always the same; they stay where they are."""
    generator = torch.Generator().manual_seed(100 + step)
    for x in xs:
        g = (size * torch.randn(x.shape, generator=generator)).to(x.dtype).to(x.device)
        if x.grad is None:
            x.grad = g
        else:
            x.grad.copy_(g)


def trained(make: Make, device: str, dtype: torch.dtype = torch.float32, steps: int = 4, **given: Any) -> Any:
    """Weights and optimizer after some steps on the CPU by its own kernels, or on the device."""
    xs = weights(dtype, device=device if device == "cpu" else DEVICE, **given)
    optimizer = make(xs)
    with stepping() if device == "gpu" else contextlib.nullcontext():
        for step in range(steps):
            feed(xs, step)
            optimizer.step()
    return xs, optimizer


def sweeps(optimizer: Any) -> list[Any]:
    """Who stepped each batch in the last step."""
    return [batch.sweep for batch in optimizer._book.batches]


def is_device_step(optimizer: Any) -> bool:
    """Whether kernels on the device have stepped everything."""
    return all(isinstance(sweep, DeviceSweep) for sweep in sweeps(optimizer)) and not optimizer._book.others


def off(bits: Tensor, expected: Tensor) -> int:
    """The largest distance of two tensors' numbers, in roundings of their type; of NaNs with NaNs 0."""
    a, b = bits.detach().cpu(), expected.detach().cpu()
    same = (a == b) | (a.isnan() & b.isnan())
    whole = {2: torch.int16, 4: torch.int32, 8: torch.int64}[a.dtype.itemsize]
    steps = [torch.where(x.view(whole) < 0, -(x.view(whole) & torch.iinfo(whole).max), x.view(whole)) for x in (a, b)]
    apart = (steps[0].double() - steps[1].double()).abs()
    return int(torch.where(same, 0.0, apart).max()) if a.numel() else 0


def furthest(one: Any, other: Any) -> dict[str, int]:
    """How far two trainings' weights and states lie apart, in roundings."""
    (xs, a), (ys, b) = one, other
    found = {"x": max(off(x, y) for x, y in zip(xs, ys, strict=True))}
    for x, y in zip(xs, ys, strict=True):
        assert a.state[x].keys() == b.state[y].keys()
        for key, value in a.state[x].items():
            found[key] = max(found.get(key, 0), off(torch.as_tensor(value), torch.as_tensor(b.state[y][key])))
    return found
