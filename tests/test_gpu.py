"""The torch optimizers on a GPU: every rule, every type, every argument of the frame, and nobody waits for it."""

import copy
import functools
import math
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import on_gpu
import thalweg.torch
import thalweg.watch
from on_gpu import DEVICE, HAS_GPU, Hurried, feed, furthest, is_device_step, stepping, trained, weights
from thalweg.formula import Rule
from thalweg.rules import RULES
from thalweg.watch.figure import NAMES

pytestmark = pytest.mark.filterwarnings("ignore:.*lost to rounding")
ON_GPU = pytest.mark.usefixtures("gpu")
TRAINABLE = [rule for rule in RULES.values() if rule.point is None]
EVERY_RULE = pytest.mark.parametrize("rule", TRAINABLE, ids=lambda r: r.name)
SMALL = ((9, 7), (5,))


def assert_as_on_the_cpu(make: Callable, dtype: torch.dtype = torch.float32, roundings: int = 0, **given: Any) -> Any:
    """Exactly, but for the per-step values, whose powers a device computes in its own way."""
    host, device = trained(make, "cpu", dtype, **given), trained(make, "gpu", dtype, **given)
    assert is_device_step(device[1])
    found = furthest(device, host)
    assert max(found.values()) <= roundings, found
    return device


@EVERY_RULE
def test_every_rule_steps_as_on_the_cpu(rule: Rule) -> None:
    assert_as_on_the_cpu(lambda xs: thalweg.torch.Optimizer(xs, rule, exact=True), shapes=SMALL, steps=3)


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16, torch.float16], ids=str)
@EVERY_RULE
def test_every_rule_in_every_type(rule: Rule, dtype: torch.dtype) -> None:
    make = functools.partial(thalweg.torch.Optimizer, rule=rule, exact=True)
    assert_as_on_the_cpu(make, dtype, 8 if dtype == torch.float64 else 0, shapes=SMALL, steps=3)


CLASSES = {
    "SGD": functools.partial(thalweg.torch.SGD, lr=0.1),
    "SGD-dampened": functools.partial(thalweg.torch.SGD, lr=0.1, momentum=0.9, dampening=0.5),
    "SGD-nesterov": functools.partial(thalweg.torch.SGD, lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.1),
    "RMSprop": functools.partial(thalweg.torch.RMSprop, centered=True, momentum=0.9),
    "Rprop": thalweg.torch.Rprop,
    "Adagrad": functools.partial(thalweg.torch.Adagrad, lr_decay=0.1),
    "Adadelta": thalweg.torch.Adadelta,
    "Adam": functools.partial(thalweg.torch.Adam, amsgrad=True, maximize=True),
    "AdamW": thalweg.torch.AdamW,
    "NAdam": thalweg.torch.NAdam,
    "RAdam": thalweg.torch.RAdam,
    "Adamax": thalweg.torch.Adamax,
    "ASGD": thalweg.torch.ASGD,
}
EVERY_CLASS = pytest.mark.parametrize("make", CLASSES.values(), ids=CLASSES)
FRAMES = {
    "clip_norm": {"clip_norm": 0.5},
    "clip_value": {"clip_value": 0.1},
    "ema": {"ema": 0.9},
    "zero_grad": {"zero_grad": True},
    "skip": {"nonfinite": "skip"},
    "raise": {"nonfinite": "raise"},
    "all": {"clip_norm": 0.5, "clip_value": 0.1, "ema": 0.9, "zero_grad": True, "nonfinite": "skip"},
}


@EVERY_CLASS
def test_every_class_steps_as_on_the_cpu(make: Callable) -> None:
    assert_as_on_the_cpu(functools.partial(make, exact=True), shapes=SMALL)


@pytest.mark.parametrize("frame", FRAMES.values(), ids=FRAMES)
def test_every_argument_of_the_frame(frame: dict) -> None:
    make = functools.partial(thalweg.torch.AdamW, exact=True, **frame)
    (xs, optimizer) = assert_as_on_the_cpu(make, roundings=2 if "clip_norm" in frame else 0)
    assert all(bool((x.grad == 0).all()) == frame.get("zero_grad", False) for x in xs)
    assert optimizer.skipped == 0


@pytest.mark.parametrize("state_dtype", [None, "float32"])
@pytest.mark.parametrize("rounding", ["nearest", "stochastic", "kahan"])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=["bfloat16", "float16"])
def test_every_rounding(dtype: torch.dtype, rounding: str, state_dtype: str | None) -> None:
    """Random bits too are the CPU's."""
    if (rounding, dtype) == ("stochastic", torch.float16):
        pytest.skip("refused, as on the CPU")
    make = functools.partial(
        thalweg.torch.Adam, rounding=rounding, state_dtype=state_dtype, seed=-3, clip_norm=1.0, exact=True
    )
    assert_as_on_the_cpu(make, dtype)


def test_the_fast_form_is_near() -> None:
    assert_as_on_the_cpu(thalweg.torch.Adam, roundings=4)


# -- what gradients do --


@pytest.mark.parametrize("make", [CLASSES["SGD-dampened"], CLASSES["Adam"]], ids=["SGD", "Adam"])
def test_missing_gradients_gradients_that_move_and_other_orders(make: Callable) -> None:
    def train(device: str) -> Any:
        xs = weights(device=device)
        optimizer = make(xs, exact=True)
        for step in range(6):
            feed(xs, step)
            for k, x in enumerate(xs):
                if (step + k) % 3 == 1:
                    x.grad = None
                elif (step + k) % 3 == 2:
                    x.grad = x.grad.clone()
            if step == 4 and xs[0].grad is not None:
                xs[0].grad = xs[0].grad.t().contiguous().t()
            optimizer.step()
        return xs, optimizer

    with stepping():
        found = train(DEVICE)
        assert is_device_step(found[1])
    assert max(furthest(found, train("cpu")).values()) == 0


def test_addresses_that_no_wide_read_can_begin_at() -> None:
    """Parameters and gradients as views of one stretch of memory, as distributed training lays them."""

    def train(device: str) -> Any:
        sizes = (3, 2500, 17, 9000, 1)
        flat, grads = (torch.zeros(sum(sizes), device=device) for _ in range(2))
        flat.copy_(torch.randn(len(flat), generator=torch.Generator().manual_seed(1)))
        xs = [part.requires_grad_() for part in flat.split(sizes)]
        optimizer = thalweg.torch.Adam(xs, clip_norm=1.0, exact=True)
        for step in range(4):
            feed(xs, step)
            for x, g in zip(xs, grads.split(sizes), strict=True):
                x.grad = g.copy_(x.grad) if step % 2 else x.grad.clone()
            optimizer.step()
        return xs, optimizer

    with stepping():
        found = train(DEVICE)
        assert is_device_step(found[1])
    assert max(furthest(found, train("cpu")).values()) <= 2


def test_groups_types_and_parameters_that_come_later() -> None:
    def train(device: str) -> Any:
        xs = [
            *weights(device=device),
            *weights(torch.bfloat16, device=device),
            *weights(torch.complex64, device=device),
        ]
        optimizer = thalweg.torch.AdamW([{"params": xs[::2]}, {"params": xs[1::2], "lr": 0.1}], exact=True)
        for step in range(5):
            feed(xs, step)
            if step == 2:
                late = weights(shapes=((6,),), device=device)
                optimizer.add_param_group({"params": late, "weight_decay": 0.5})
                xs = [*xs, *late]
                feed(xs, step)
            optimizer.param_groups[0]["lr"] *= 0.9
            optimizer.step()
        return [torch.view_as_real(x) if x.is_complex() else x for x in xs]

    with stepping():
        found = train(DEVICE)
    assert max(on_gpu.off(x, y) for x, y in zip(found, train("cpu"), strict=True)) == 0


def test_sparse_gradients_beside_dense_ones() -> None:
    def train(device: str) -> list[Tensor]:
        torch.manual_seed(0)
        embedding, x = torch.nn.Embedding(10, 4, sparse=True), torch.ones(4, requires_grad=True)
        embedding.to(device)
        x = x.detach().to(device).requires_grad_()
        optimizer = thalweg.torch.SGD([*embedding.parameters(), x], lr=0.1, momentum=0.9, clip_norm=1.0)
        for step in range(3):
            optimizer.zero_grad()
            ((embedding(torch.tensor([1, 1, step], device=device)) * x) ** 2).sum().backward()
            optimizer.step()
        return [embedding.weight.detach(), x]

    with stepping():
        found = train(DEVICE)
    for a, b in zip(found, train("cpu"), strict=True):
        torch.testing.assert_close(a.cpu(), b, rtol=1e-6, atol=1e-7)


# -- decisions on the device --


@pytest.mark.parametrize("make", [CLASSES["SGD-dampened"], CLASSES["Adam"]], ids=["SGD", "Adam"])
@pytest.mark.parametrize("bad", [math.inf, math.nan])
@pytest.mark.parametrize("first", [0, 2])
@ON_GPU
def test_a_step_with_infinite_gradients_is_left_out(make: Callable, bad: float, first: int) -> None:
    xs, ys = weights(device=DEVICE), weights(device=DEVICE)
    a = make(xs, nonfinite="skip", ema=0.9, zero_grad=True, clip_norm=1.0)
    b = make(ys, ema=0.9, zero_grad=True, clip_norm=1.0)
    for step in range(5):
        feed(xs, step)
        feed(ys, step)
        if step in (first, 3):
            xs[0].grad[3, 4] = bad
            a.step()
            assert all((x.grad == 0).all() for x in xs)
        else:
            a.step()
            b.step()
    assert a.skipped == 2 and b.skipped == 0
    assert max(furthest((xs, a), (ys, b)).values()) == 0
    assert copy.deepcopy(a).skipped == 2


@ON_GPU
def test_raising_says_where_and_changes_nothing() -> None:
    xs = weights(device=DEVICE)
    optimizer = thalweg.torch.Adam(xs, nonfinite="raise")
    feed(xs, 0)
    xs[2].grad.fill_(math.inf)
    before = [x.detach().clone() for x in xs]
    with pytest.raises(RuntimeError, match="parameter number 2"):
        optimizer.step()
    assert all(torch.equal(x, y) for x, y in zip(xs, before, strict=True)) and not optimizer.state


SCALERS = {"thalweg": thalweg.torch.GradScaler, "torch": torch.amp.GradScaler}


@pytest.mark.parametrize("scaler", SCALERS.values(), ids=SCALERS)
@pytest.mark.parametrize("frame", [{}, {"clip_norm": 0.5}, {"nonfinite": "skip", "ema": 0.5}], ids=str)
def test_with_a_scaler_of_gradients(scaler: Callable, frame: dict) -> None:
    """Scaled, with an infinity in one step, and unscaled by hand in another."""

    def train(device: str) -> Any:
        xs = weights(device=device)
        optimizer = thalweg.torch.Adam(xs, exact=True, **frame)
        scale = scaler(device, init_scale=1024.0, growth_interval=2)
        for step in range(6):
            optimizer.zero_grad()
            scale.scale(sum((x * (k + step)).square().sum() for k, x in enumerate(xs))).backward()
            if step == 3:
                xs[0].grad[0, 0] = math.inf
            if step == 4:
                scale.unscale_(optimizer)
            scale.step(optimizer)
            scale.update()
        assert scale.get_scale() == 2048.0
        return xs, optimizer

    with stepping():
        found = train(DEVICE)
        assert is_device_step(found[1])
    assert max(furthest(found, train("cpu")).values()) <= 2


HURRIED = {
    "plain": {},
    "clipped": {"clip_norm": 1.0, "ema": 0.9, "zero_grad": True},
    "skipping": {"nonfinite": "skip", "clip_value": 0.1},
    "stochastic": {"rounding": "stochastic"},
}


@pytest.mark.parametrize("frame", HURRIED.values(), ids=HURRIED)
@pytest.mark.parametrize("lr", [0.01, torch.tensor(0.01)], ids=["number", "tensor"])
@ON_GPU
def test_nobody_waits_within_a_step(frame: dict, lr: Any) -> None:
    xs = weights(torch.bfloat16 if "rounding" in frame else torch.float32, device=DEVICE)
    lr = lr.to(DEVICE) if isinstance(lr, Tensor) else lr
    optimizer = thalweg.torch.AdamW(xs, lr=lr, capturable=isinstance(lr, Tensor), **frame)
    feed(xs, 0)
    optimizer.step()
    with Hurried():
        for step in range(3):
            feed(xs, step)
            optimizer.step()
    optimizer.skipped  # noqa: B018 - waits, and may


@ON_GPU
def test_nobody_waits_with_our_scaler() -> None:
    xs = weights(device=DEVICE)
    optimizer, scaler = thalweg.torch.Adam(xs, clip_norm=1.0), thalweg.torch.GradScaler(DEVICE)
    scaler.scale(torch.ones((), device=DEVICE))
    for step in range(3):
        feed(xs, step)
        with Hurried() if step else stepping():
            found = scaler._check_inf_per_device(optimizer)
            optimizer.grad_scale, optimizer.found_inf = scaler._get_scale_async(), next(iter(found.values()))
            optimizer.step()


@pytest.mark.parametrize(
    "make", [CLASSES["SGD"], CLASSES["Adam"], CLASSES["Adadelta"]], ids=["SGD", "Adam", "Adadelta"]
)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["float32", "float64"])
@ON_GPU
def test_a_learning_rate_in_a_tensor_is_read_in_every_step(make: Callable, dtype: torch.dtype) -> None:
    lr = torch.tensor(0.5, dtype=dtype, device=DEVICE)
    xs, ys = weights(device=DEVICE), weights(device=DEVICE)
    a, b = make(xs, lr=lr), make(ys, lr=0.5)
    for step in range(4):
        feed(xs, step)
        feed(ys, step)
        a.step()
        b.step()
        lr.mul_(0.5)
        b.param_groups[0]["lr"] *= 0.5
    assert max(furthest((xs, a), (ys, b)).values()) == 0


# -- what else users do --


def test_without_triton_torch_steps_them_and_that_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    with stepping():
        for module in ("book", "memory"):
            monkeypatch.setattr(f"thalweg.frameworks.torch.{module}.has_triton", lambda: False)
        xs = weights(device=DEVICE)
        optimizer = thalweg.torch.Adam(xs, clip_norm=1.0, nonfinite="skip")
        feed(xs, 0)
        with pytest.warns(UserWarning, match="expected Triton for parameters on a GPU, got none"):
            optimizer.step()
        assert len(optimizer._book.others) == len(xs)


def test_state_goes_from_device_to_cpu_and_back() -> None:
    make = functools.partial(thalweg.torch.AdamW, exact=True, ema=0.9)
    expected = trained(make, "cpu", steps=6)
    (xs, optimizer), (ys, other) = trained(make, "gpu", steps=3), trained(make, "cpu", steps=3)
    for start, target in (((xs, optimizer), "cpu"), ((ys, other), DEVICE)):
        moved = [x.detach().to(target, copy=True).requires_grad_() for x in start[0]]
        again = make(moved)
        again.load_state_dict(copy.deepcopy(start[1].state_dict()))
        with stepping() if target == DEVICE and start[0] is ys else torch.enable_grad():
            for step in range(3, 6):
                feed(moved, step)
                again.step()
        assert max(furthest((moved, again), expected).values()) == 0


AVERAGING = {
    "ema": functools.partial(thalweg.torch.Adam, ema=0.5),
    "own": functools.partial(thalweg.torch.Optimizer, rule="schedule_free_sgd"),
}


@pytest.mark.parametrize("make", AVERAGING.values(), ids=AVERAGING)
@ON_GPU
def test_the_weights_to_evaluate(make: Callable) -> None:
    xs = weights(device=DEVICE)
    optimizer = make(xs)
    for step in range(2):
        feed(xs, step)
        optimizer.step()
    before = [x.detach().clone() for x in xs]
    with optimizer.averaged():
        assert not torch.equal(xs[0], before[0])
    assert torch.equal(xs[0], before[0])


@ON_GPU
def test_steps_within_backward() -> None:
    found = []
    for within in (False, True):
        torch.manual_seed(0)
        model = torch.nn.Linear(6, 3).to(DEVICE)
        optimizer = thalweg.torch.Adam(model.parameters(), ema=0.9)
        if within:
            optimizer = thalweg.torch.in_backward(model, thalweg.torch.Adam, ema=0.9)
        for step in range(3):
            optimizer.zero_grad()
            model(torch.full((2, 6), step + 1.0, device=DEVICE)).square().sum().backward()
            optimizer.step()
        found.append([x.detach() for x in model.parameters()])
    assert all(torch.equal(a, b) for a, b in zip(*found, strict=True))


@ON_GPU
def test_updates_that_are_lost_are_told_of() -> None:
    xs = [torch.ones(100, dtype=torch.bfloat16, device=DEVICE, requires_grad=True)]
    optimizer = thalweg.torch.SGD(xs, lr=1e-5)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for step in range(3):
            feed(xs, step)
            optimizer.step()
            if HAS_GPU:
                torch.cuda.synchronize()
    assert sum("lost to rounding" in str(w.message) for w in caught) == 1


@ON_GPU
def test_nothing_at_all_and_tensors_without_elements() -> None:
    for shapes in (((0,),), ((0, 3), (4,))):
        xs = weights(shapes=shapes, device=DEVICE)
        optimizer = thalweg.torch.Adam(xs, clip_norm=1.0)
        optimizer.step()
        feed(xs, 0)
        optimizer.step()
        assert all(optimizer.state[x]["step"] == 1 for x in xs)


@pytest.mark.parametrize("make", [thalweg.torch.Adam, torch.optim.Adam], ids=["thalweg", "torch"])
def test_watching_a_device_tells_what_watching_the_cpu_does(make: Callable) -> None:
    def told(device: str) -> Any:
        torch.manual_seed(0)
        model = torch.nn.Sequential(torch.nn.Linear(6, 8), torch.nn.Tanh(), torch.nn.Linear(8, 2)).to(device)
        frame = {"clip_norm": 1.0, "nonfinite": "skip", "exact": True} if make is thalweg.torch.Adam else {}
        optimizer = make(model.parameters(), **frame)
        with thalweg.watch.attach(optimizer, every=2, model=model, to=()) as watcher:
            for step in range(9):
                optimizer.zero_grad()
                model(torch.full((4, 6), step / 9, device=device)).square().mean().backward()
                optimizer.step()
        return watcher.history

    with stepping():
        found = told(DEVICE)
    expected = told("cpu")
    assert found.steps.tolist() == expected.steps.tolist()
    for name in NAMES:
        np.testing.assert_allclose(found[name], expected[name], 1e-4, 1e-9, err_msg=name)
