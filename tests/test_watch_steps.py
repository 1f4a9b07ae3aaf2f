"""Watched optimizers: they make the same steps, and what they tell of them is true."""

import copy
import math
import pickle

import numpy as np
import pytest
import torch
from torch import Tensor

import thalweg.torch
from thalweg.errors import InputError
from thalweg.frameworks.torch.framed import Framed
from thalweg.frameworks.torch.observer import framed_of, inverse_scale, observe
from watch_sums import assert_sums


class Sums:
    """An observer that keeps what it is told, with the gradients as it found them."""

    def __init__(self, optimizer: Framed, wants: bool = True) -> None:
        self.optimizer, self.wants = optimizer, wants
        self.told: list[np.ndarray | None] = []
        self.wanted: list[list[list[float]]] = []
        self.skips = 0
        self.end = observe(optimizer, self)

    @property
    def xs(self) -> list[Tensor]:
        return [x for group in self.optimizer.param_groups for x in group["params"]]

    def before(self) -> bool:
        scale = inverse_scale(self.optimizer)
        self.kept = [(real(x), None if x.grad is None else real(x.grad) * scale) for x in self.xs]
        return self.wants

    def after(self, sums: np.ndarray | None) -> None:
        self.told.append(sums)
        moved = [real(x) - old for x, (old, _) in zip(self.xs, self.kept, strict=True)]
        self.wanted.append([sums_of(d, x, g) for d, (x, g) in zip(moved, self.kept, strict=True)])

    def skipped(self) -> None:
        self.skips += 1
        self.found = [None if x.grad is None else real(x.grad) for x in self.xs]

    def check(self, steps: int) -> None:
        assert len(self.told) == steps
        for sums, wanted in zip(self.told, self.wanted, strict=True):
            for found, row in zip(sums, wanted, strict=True):
                assert_sums(found, row, f"{sums}, {wanted}") if row[0] == row[0] else assert_nan(found)


def sums_of(d: Tensor, x: Tensor, g: Tensor | None) -> list[float]:
    if g is None:
        return [math.nan] * 4
    return [s.item() for s in ((g * g).sum(), (x * x).sum(), (d * d).sum(), (d * g).sum())]


def bits(x: Tensor) -> Tensor:
    return x.detach().contiguous().reshape(-1).view(torch.uint8)


def assert_nan(row: np.ndarray) -> None:
    assert np.isnan(row).all()


def real(x: Tensor) -> Tensor:
    x = x.detach().to_dense()
    return (torch.view_as_real(x) if x.is_complex() else x).to(torch.float64, copy=True).flatten()


def model(dtype: torch.dtype) -> list[Tensor]:
    """Plain, in another memory order, empty, and one that no kernel walks."""
    torch.manual_seed(0)
    made = [torch.randn(shape, dtype=dtype) for shape in ((300, 7), (5,), (), (0,))]
    made.append(torch.randn(2, 3, 4, 5, dtype=dtype).to(memory_format=torch.channels_last))
    made.append(torch.randn(4, 6, dtype=dtype)[:, ::2])
    return [x.requires_grad_() for x in made]


def feed(step: int, xs: list[Tensor], scale: float = 1.0, missing: bool = True) -> None:
    torch.manual_seed(100 + step)
    for k, x in enumerate(xs):
        g = torch.randn_like(x) * scale
        x.grad = None if missing and step % 8 == k else g


FRAMES: dict[str, tuple[str, torch.dtype, dict]] = {
    "complex": ("SGD", torch.complex64, {}),
    "zero": ("Adagrad", torch.float32, {"zero_grad": True, "threads": 2}),
    "clipped": ("AdamW", torch.float64, {"clip_norm": 0.5, "clip_value": 0.1, "ema": 0.9, "nonfinite": "skip"}),
    "stochastic": ("AdamW", torch.bfloat16, {"rounding": "stochastic", "state_dtype": "float32", "zero_grad": True}),
    "kahan": ("SGD", torch.bfloat16, {"rounding": "kahan", "ema": 0.9}),
}


@pytest.mark.filterwarnings("ignore:.*lost to rounding")
@pytest.mark.parametrize("frame", FRAMES)
def test_a_watched_optimizer_makes_the_same_steps_and_tells_the_truth(frame: str) -> None:
    name, dtype, arguments = FRAMES[frame]
    a, b = model(dtype), model(dtype)
    plain, ours = (
        getattr(thalweg.torch, name)([{"params": xs[:2]}, {"params": xs[2:], "lr": 0.003}], lr=0.01, **arguments)
        for xs in (a, b)
    )
    watch = Sums(ours)
    for step in range(6):
        feed(step, a)
        feed(step, b)
        watch.wants = step != 4
        plain.step()
        ours.step()
        for one, other in zip(a, b, strict=True):
            assert torch.equal(bits(one), bits(other))
            assert one.grad is None or torch.equal(one.grad, other.grad)
            for key, value in plain.state[one].items():
                assert torch.equal(bits(value), bits(ours.state[other][key]))
    assert watch.told.pop(4) is None and watch.wanted.pop(4)
    watch.check(5)


@pytest.mark.parametrize("sparse_axes", [1, 2])
@pytest.mark.parametrize("zero_grad", [False, True])
def test_sparse_gradients(sparse_axes: int, zero_grad: bool) -> None:
    runs = []
    for watched in (False, True):
        torch.manual_seed(0)
        x = torch.randn(50, 4, requires_grad=True)
        optimizer = thalweg.torch.SGD([x, torch.zeros(2, requires_grad=True)], lr=0.1, zero_grad=zero_grad)
        watch = Sums(optimizer) if watched else None
        for step in range(3):
            torch.manual_seed(step)
            rows = torch.tensor([[1, 7, 7]])
            places = rows if sparse_axes == 1 else torch.cat((rows, rows % 3))
            shape = (3, 4) if sparse_axes == 1 else (3,)
            x.grad = torch.sparse_coo_tensor(places, torch.randn(shape), (50, 4), check_invariants=True)
            optimizer.step()
        runs.append(x)
        if watch:
            watch.check(3)
    assert torch.equal(*runs)


def test_a_differentiable_step() -> None:
    runs = []
    for watched in (None, Sums, lambda optimizer: thalweg.watch.attach(optimizer, every=1, to=())):
        start = torch.ones(3, dtype=torch.float64, requires_grad=True)
        x = start.clone()
        x.grad = x.detach() * 2
        optimizer = thalweg.torch.Adam([x], lr=0.1, differentiable=True)
        watch = None if watched is None else watched(optimizer)
        optimizer.step()
        (x**2).sum().backward()
        runs.append((x.detach(), start.grad))
        if isinstance(watch, Sums):
            watch.check(1)
    assert all(torch.equal(a, b) for run in runs[1:] for a, b in zip(run, runs[0], strict=True))


@pytest.mark.parametrize(("mode", "zero_grad"), [("skip", True), ("raise", False)])
def test_a_step_that_is_left_out_is_told_so_with_its_gradients(mode: str, zero_grad: bool) -> None:
    x = torch.ones(4, requires_grad=True)
    optimizer = thalweg.torch.Adam([x], nonfinite=mode, zero_grad=zero_grad)
    watch = Sums(optimizer)
    x.grad = torch.tensor([1.0, math.inf, math.nan, 2.0])
    if mode == "raise":
        with pytest.raises(RuntimeError, match="got 2 infinite or NaN"):
            optimizer.step()
    else:
        optimizer.step()
    assert watch.skips == 1 and not watch.told and (x == 1).all()
    assert int((~watch.found[0].isfinite()).sum()) == 2
    x.grad = torch.ones(4)
    optimizer.step()
    watch.check(1)


@pytest.mark.parametrize("scaler_class", [torch.amp.GradScaler, thalweg.torch.GradScaler], ids=["torch", "ours"])
def test_sums_are_of_unscaled_gradients(scaler_class: type) -> None:
    runs = []
    for watched in (False, True):
        xs = model(torch.float32)
        optimizer = thalweg.torch.SGD(xs, lr=0.1, clip_norm=1.0)
        scaler = scaler_class("cpu", init_scale=2.0**10, growth_interval=2)
        watch = Sums(optimizer) if watched else None
        for step in range(4):
            feed(step, xs, scaler.scale(torch.ones(())).item(), missing=False)
            if step == 2:
                xs[1].grad[2] = math.inf
            scaler.step(optimizer)
            scaler.update()
        runs.append([x.detach() for x in xs])
        if watch:
            watch.check(3)
            assert watch.skips == (1 if scaler_class is thalweg.torch.GradScaler else 0)
            torch.manual_seed(100)
            assert watch.told[0][0][0] == pytest.approx(torch.randn(300, 7).double().square().sum().item(), rel=1e-5)
    assert all(map(torch.equal, *runs))


class Failing(Sums):
    """Raises when it is told."""

    def after(self, sums: np.ndarray | None) -> None:
        raise KeyError


def test_an_observer_is_not_saved_and_its_errors_do_not_undo_a_step() -> None:
    x = torch.ones(3, requires_grad=True)
    optimizer = thalweg.torch.SGD([x], lr=thalweg.schedules.linear(1.0, 0.0, 10))
    watch = Failing(optimizer)
    for other in (copy.deepcopy(optimizer), pickle.loads(pickle.dumps(optimizer))):
        assert other._observer is None
    with pytest.raises(InputError, match="nobody watches yet"):
        observe(optimizer, watch)
    rates = []
    for _ in range(2):
        x.grad = torch.zeros(3)
        with pytest.raises(KeyError):
            optimizer.step()
        rates.append(optimizer.param_groups[0]["lr"])
    assert rates[0] > rates[1], "the schedule goes on"
    watch.end()
    watch.end()
    optimizer.step()


def test_in_backward_nobody_watches() -> None:
    layer = torch.nn.Linear(2, 1)
    optimizer = thalweg.torch.in_backward(layer, thalweg.torch.SGD, lr=0.1)
    with pytest.raises(InputError, match="in backward, where no step is seen"):
        Sums(optimizer)
    optimizer.remove()
    watch = Sums(optimizer)
    layer(torch.ones(2)).sum().backward()
    optimizer.step()
    watch.check(1)
    with pytest.raises(InputError, match="close the watcher first"):
        optimizer.attach()
    watch.end()
    optimizer.attach()
    optimizer.remove()


class Wrapping:
    """As Lightning's: it says that it is of the class that it stands for."""

    def __init__(self, optimizer: torch.optim.Optimizer) -> None:
        self.optimizer = optimizer
        self.__class__ = type("Wrapping", (Wrapping, type(optimizer)), {})


def test_wrappers_are_seen_through() -> None:
    ours = thalweg.torch.SGD([torch.ones(1, requires_grad=True)])
    assert framed_of(ours) is framed_of(Wrapping(ours)) is ours
    assert framed_of(Wrapping(torch.optim.SGD(ours.param_groups))) is None


@pytest.mark.slow
def test_lightnings_wrapper_is_seen_through() -> None:
    from lightning.pytorch.core.optimizer import LightningOptimizer

    ours = thalweg.torch.SGD([torch.ones(1, requires_grad=True)])
    assert framed_of(LightningOptimizer(ours)) is ours
    assert framed_of(LightningOptimizer(torch.optim.SGD(ours.param_groups))) is None


def test_steps_that_others_have_in_hand_or_rehearse_are_not_told() -> None:
    from torch.distributed.checkpoint.state_dict import get_optimizer_state_dict
    from torch.utils.flop_counter import FlopCounterMode

    layer = torch.nn.Linear(2, 1)
    optimizer = thalweg.torch.Adam(layer.parameters())
    watch = Sums(optimizer)
    get_optimizer_state_dict(layer, optimizer)
    assert not watch.told
    layer(torch.ones(2)).sum().backward()
    with FlopCounterMode(display=False):
        optimizer.step()
    assert not watch.told
    optimizer.step()
    watch.check(1)
