"""Mixed precision: torch's GradScaler, and ours, with every class, against torch's optimizers under the same scaler."""

import copy
import math
from collections.abc import Iterator

import pytest
import torch
from torch import Tensor
from torch.nn.utils import clip_grad_norm_

import thalweg.torch

CLASSES: list[tuple[str, dict]] = [
    ("SGD", {"lr": 0.01}),
    ("SGD", {"lr": 0.01, "momentum": 0.9, "dampening": 0.5, "weight_decay": 0.1}),
    ("Adagrad", {}),
    ("Rprop", {}),
    ("RMSprop", {"momentum": 0.9}),
    ("Adadelta", {}),
    ("Adam", {"amsgrad": True}),
    ("AdamW", {}),
    ("NAdam", {}),
]
EVERY = pytest.mark.parametrize(("name", "hyper"), CLASSES, ids=[f"{n}-{len(h)}" for n, h in CLASSES])
SCALERS = pytest.mark.parametrize("scaler", [torch.amp.GradScaler, thalweg.torch.GradScaler], ids=["torch", "ours"])
TYPES = pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
BOUND = {torch.float32: 3e-6, torch.float64: 1e-12}
STEPS, INFINITE = 15, (0, 7, 8)
GROWING = {"init_scale": 2.0**10, "growth_interval": 2}


def model(dtype: torch.dtype) -> list[Tensor]:
    torch.manual_seed(0)
    made = [torch.randn(30, 7, dtype=dtype), torch.randn(5, dtype=dtype), torch.randn(4, 6, dtype=dtype)[:, ::2]]
    return [x.requires_grad_() for x in made]


def gradients(step: int, xs: list[Tensor], bad: bool) -> list[Tensor]:
    torch.manual_seed(100 + step)
    made = [torch.randn_like(x) for x in xs]
    if bad:
        made[step % 3][1] = (math.inf, math.nan)[step % 2]
    return made


def scaled_steps(optimizer: torch.optim.Optimizer, scaler: torch.amp.GradScaler, xs: list[Tensor]) -> Iterator[int]:
    """Scaled gradients before each `yield`, a step and an update of the scale after it."""
    for step in range(STEPS):
        scaler.scale(torch.zeros(()))
        for x, g in zip(xs, gradients(step, xs, step in INFINITE), strict=True):
            x.grad = g * scaler.get_scale()
        yield step
        scaler.step(optimizer)
        scaler.update()


def assert_close(ours: list[Tensor], theirs: list[Tensor], bound: float | None = None) -> None:
    bound = bound or BOUND[ours[0].dtype]
    torch.testing.assert_close(ours, theirs, rtol=bound, atol=bound)


@EVERY
@SCALERS
@TYPES
@pytest.mark.parametrize("clip", ["none", "by hand", "clip_norm"])
def test_numbers_are_torchs(name: str, hyper: dict, scaler: type, dtype: torch.dtype, clip: str) -> None:
    """With a scale that grows and shrinks, and steps left out; unscaled and clipped by hand, or by us."""
    a, b = model(dtype), model(dtype)
    options = {"clip_norm": 0.5} if clip == "clip_norm" else {}
    ours = getattr(thalweg.torch, name)(a, **hyper, **options)
    theirs = getattr(torch.optim, name)(b, **hyper)
    first, second = scaler("cpu", **GROWING), torch.amp.GradScaler("cpu", **GROWING)
    scales = set()
    pair = zip(scaled_steps(ours, first, a), scaled_steps(theirs, second, b), strict=True)
    for _ in pair:
        if clip == "by hand":
            first.unscale_(ours)
            clip_grad_norm_(a, 0.5)
        if clip != "none":
            second.unscale_(theirs)
            clip_grad_norm_(b, 0.5)
        assert first.get_scale() == second.get_scale()
        scales.add(first.get_scale())
    assert_close(a, b, 3e-6 if name == "NAdam" else None)  # whose product of momenta torch keeps in float32
    assert len(scales) > 2
    assert first.state_dict() == second.state_dict()


@SCALERS
def test_a_step_left_out_changes_nothing_and_zeroes_where_asked(scaler: type) -> None:
    xs = model(torch.float32)
    optimizer, scale = thalweg.torch.Adam(xs, ema=0.9, zero_grad=True), scaler("cpu", **GROWING)
    for step in scaled_steps(optimizer, scale, xs):
        before = copy.deepcopy((xs, optimizer.state_dict()))
        scale.step(optimizer)
        scale.update()
        assert all((x.grad == 0).all() for x in xs) or (scaler is torch.amp.GradScaler and step in INFINITE)
        after = copy.deepcopy((xs, optimizer.state_dict()))
        same = all(torch.equal(x, y) for x, y in zip(before[0], after[0], strict=True))
        assert same == (step in INFINITE)
        if step in INFINITE[1:]:
            torch.testing.assert_close(before[1]["state"], after[1]["state"], rtol=0, atol=0)


@SCALERS
@pytest.mark.parametrize("mode", ["ignore", "skip", "raise"])
def test_what_the_scaler_found_is_left_out_and_not_raised(scaler: type, mode: str) -> None:
    a, b = model(torch.float64), model(torch.float64)
    ours = thalweg.torch.AdamW(a, nonfinite=mode, clip_norm=1.0, clip_value=0.1, ema=0.5)
    plain = thalweg.torch.AdamW(b, clip_norm=1.0, clip_value=0.1)
    first = scaler("cpu", **GROWING)
    for step in scaled_steps(ours, first, a):
        for x, g in zip(b, gradients(step, b, False), strict=True):
            x.grad = g
        if step not in INFINITE:
            plain.step()
    assert_close(a, b)
    assert ours.skipped == (len(INFINITE) if scaler is thalweg.torch.GradScaler else 0)  # torch's does not call step


@SCALERS
def test_two_optimizers_under_one_scaler(scaler: type) -> None:
    a, b = model(torch.float64), model(torch.float64)
    ours = [thalweg.torch.Adam(a[:1], clip_norm=1.0), thalweg.torch.SGD(a[1:], lr=0.1)]
    theirs = [torch.optim.Adam(b[:1]), torch.optim.SGD(b[1:], lr=0.1)]
    first, second = scaler("cpu", **GROWING), torch.amp.GradScaler("cpu", **GROWING)
    for step in range(STEPS):
        for xs, each in ((a, first), (b, second)):
            each.scale(torch.zeros(()))
            for x, g in zip(xs, gradients(step, xs, step in INFINITE), strict=True):
                x.grad = g * each.get_scale()
        second.unscale_(theirs[0])
        clip_grad_norm_(b[:1], 1.0)
        for each, optimizers in ((first, ours), (second, theirs)):
            for optimizer in optimizers:
                each.step(optimizer)
            each.update()
    assert_close(a, b)


def test_a_gradient_changed_by_a_hook_after_our_scaler_looked_is_seen() -> None:
    w = torch.zeros(3, requires_grad=True)
    optimizer, scaler = thalweg.torch.SGD([w], lr=1.0, clip_norm=1.0), thalweg.torch.GradScaler("cpu", init_scale=4.0)

    def zero_two(*_: object) -> None:
        w.grad.mul_(torch.tensor([100.0, 0.0, 0.0]))

    optimizer.register_step_pre_hook(zero_two)
    scaler.scale(w.sum()).backward()
    scaler.step(optimizer)
    torch.testing.assert_close(w, torch.tensor([-1.0, 0.0, 0.0]))
