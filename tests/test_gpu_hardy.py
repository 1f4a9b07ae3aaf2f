"""What users do to an optimizer on a GPU between steps, and what must not come of it."""

import copy
import math
from typing import Any

import pytest
import torch

import thalweg.torch
from on_gpu import DEVICE, HAS_GPU, Hurried, feed, furthest, sweeps, weights
from thalweg.errors import InputError
from thalweg.sweep import mirror
from thalweg.torch import SGD, Adam, GradScaler

pytestmark = pytest.mark.usefixtures("gpu")
CAPTURING = ("sweep.mirror", "sweep.gpu", "frameworks.torch.on_device", "frameworks.torch.decision")


def one(number: float = 1.0, size: int = 3, **given: Any) -> torch.Tensor:
    x = torch.full((size,), number, device=DEVICE, **given).requires_grad_()
    x.grad = torch.ones_like(x)
    return x


@pytest.mark.parametrize("then", [0.0, 0.25])
def test_a_learning_rate_that_is_a_number_after_it_was_a_tensor(then: float) -> None:
    x, y = one(), one()
    a, b = Adam([x], lr=torch.tensor(0.1, device=DEVICE)), Adam([y], lr=0.1)
    for lr in (None, then, 0.1):
        for optimizer in (a, b):
            optimizer.param_groups[0]["lr"] = optimizer.param_groups[0]["lr"] if lr is None else lr
            optimizer.step()
    assert furthest(([x], a), ([y], b))["x"] <= 1


@pytest.mark.parametrize("again", ["a late gradient", "saved", "copied"])
def test_a_first_step_that_was_left_out_is_still_to_come(again: str) -> None:
    """Torch's SGD tells the first step by the lack of a buffer: its first gradient is not dampened."""
    x, y = one(), one()
    y.grad = None
    optimizer = SGD([x, y], lr=1.0, momentum=0.9, dampening=0.5, nonfinite="skip")
    x.grad.fill_(math.inf)
    optimizer.step()
    if again == "saved":
        optimizer.load_state_dict(optimizer.state_dict())
        assert not optimizer.state
    elif again == "copied":
        x, y = (kept := copy.deepcopy((optimizer, x, y)))[1:]
        optimizer = kept[0]
    x.grad = torch.ones_like(x)
    y.grad = torch.ones_like(y)
    optimizer.step()
    assert x.tolist() == y.tolist() == [0.0] * 3 and optimizer.skipped == 1


@pytest.mark.parametrize("scaled", [False, True])
def test_schedules_stand_still_in_steps_that_are_left_out(scaled: bool) -> None:
    x, scaler = one(), GradScaler(DEVICE, init_scale=1.0)
    optimizer = SGD([x], lr=lambda t: 1 / t, nonfinite="ignore" if scaled else "skip")
    for number in (math.inf, 1.0):
        x.grad = torch.full_like(x, number)
        if scaled:
            scaler.scale(torch.ones((), device=DEVICE))
            scaler.step(optimizer)
            scaler.update(1.0)
        else:
            optimizer.step()
    assert x.tolist() == [0.0] * 3


def test_looking_is_forgotten_when_gradients_change() -> None:
    x, y = one(), one()
    a, b = SGD([x], lr=1.0, nonfinite="skip"), SGD([y], lr=1.0, clip_norm=1.0)
    x.grad.fill_(math.inf)
    assert a.look() == 3
    x.grad = torch.ones_like(x)
    a.step()
    assert x.tolist() == [0.0] * 3 and a.skipped == 0
    assert b.look() == 0
    y.grad.mul_(1e6)
    b.step()
    assert (1 - y).norm().item() == pytest.approx(1.0, rel=1e-5)


def test_default_types_change_no_count(monkeypatch: pytest.MonkeyPatch) -> None:
    found = []
    for default in (torch.float32, torch.bfloat16):
        x = one(dtype=torch.float32)
        torch.set_default_dtype(default)
        try:
            optimizer = SGD([x], lr=0.5, momentum=0.9, dampening=0.5)
            for _ in range(3):
                optimizer.step()
        finally:
            torch.set_default_dtype(torch.float32)
        found.append(x.tolist())
    assert found[0] == found[1]


def test_a_first_step_in_inference_mode_and_another_outside() -> None:
    with torch.inference_mode():
        x = torch.ones(3, device=DEVICE)
        x.grad = torch.ones_like(x)
        optimizer = SGD([x], lr=torch.tensor(0.5, device=DEVICE), clip_norm=1e6)
        optimizer.step()
    y = one()
    optimizer.param_groups[0]["params"][0] = y
    optimizer.param_groups[0]["lr"] = 0.25
    optimizer.step()
    assert x.tolist() == [0.5] * 3 and y.tolist() == [0.75] * 3


def test_weights_of_another_type_at_the_same_place_are_noticed() -> None:
    x = torch.ones(8, dtype=torch.float32, device=DEVICE).requires_grad_()
    x.grad = torch.ones_like(x)
    optimizer = SGD([x], lr=0.5)
    optimizer.step()
    x.grad = None
    x.data = x.data.view(torch.bfloat16)[:8]
    x.grad = torch.ones_like(x)
    before = x.detach().float()
    optimizer.step()
    assert torch.equal(x.detach().float(), before - 0.5)


@pytest.mark.parametrize("step", [3, 3.0, torch.tensor(3.0, dtype=torch.float64), torch.tensor(3)], ids=str)
def test_step_numbers_of_every_kind(step: Any) -> None:
    x, y = one(), one()
    a, b = Adam([x]), Adam([y])
    for optimizer, parameter, number in ((a, x, step), (b, y, torch.tensor(3.0))):
        optimizer.step()
        optimizer.state[parameter]["step"] = number
        optimizer.step()
    assert x.tolist() == y.tolist() and float(a.state[x]["step"]) == 4.0


def test_a_default_device_is_nobody_elses() -> None:
    xs = weights(device=DEVICE)
    optimizer = Adam(xs, clip_norm=1.0)
    with torch.device("meta"):
        assert mirror.Mirror((2,), torch.int64, torch.device(DEVICE)).numbers.device.type == DEVICE
    feed(xs, 0)
    optimizer.step()


def test_plain_sgd_with_its_rate_in_a_tensor_does_not_wait() -> None:
    x = one()
    optimizer = SGD([x], lr=torch.tensor(0.5, device=DEVICE))
    with Hurried():
        optimizer.step()
        optimizer.step()
    assert x.tolist() == [0.0] * 3


# -- graphs, as far as they can be told apart without a GPU --

without_gpu = pytest.mark.skipif(HAS_GPU, reason="a GPU has captures of its own")


@pytest.fixture
def capture(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(mirror, "_pinned", lambda like: torch.empty(like.shape, dtype=torch.as_tensor(like).dtype))

    def switch(is_on: bool) -> None:
        for module in (*CAPTURING, "frameworks.torch.book"):
            monkeypatch.setattr(f"thalweg.{module}.is_capturing", lambda device: is_on)

    return switch


@without_gpu
@pytest.mark.parametrize("why", ["first", "loaded", "added"])
def test_what_would_have_to_be_sorted_is_not_captured(why: str, capture: Any) -> None:
    x = one()
    optimizer = Adam([x])
    if why != "first":
        optimizer.step()
    if why == "loaded":
        optimizer.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    if why == "added":
        optimizer.add_param_group({"params": [one()]})
    capture(True)
    with pytest.raises(InputError, match="before one is captured in a graph, got none since"):
        optimizer.step()
    capture(False)
    optimizer.step()


@without_gpu
def test_what_a_graph_works_with_stays_when_parameters_are_sorted_again(capture: Any) -> None:
    x = one(dtype=torch.bfloat16)
    optimizer = Adam([x], clip_norm=1.0, rounding="stochastic")
    optimizer.step()
    capture(True)
    optimizer.step()
    capture(False)
    (sweep,), counted = sweeps(optimizer), optimizer.state[x]["step"].data_ptr()
    optimizer.add_param_group({"params": [one(dtype=torch.bfloat16)]})
    optimizer.step()
    assert optimizer.state[x]["step"].data_ptr() == counted, "a graph counts there"
    assert any(kept is sweep for kept in mirror._captured)


@without_gpu
def test_a_second_graph_does_not_read_the_first_ones_table(capture: Any) -> None:
    x = one()
    optimizer = Adam([x], clip_norm=1.0)
    optimizer.step()
    (sweep,) = sweeps(optimizer)
    tables = []
    capture(True)
    for _ in range(2):
        optimizer.look()
        tables.append(sweep.table.parts()[1].table.data_ptr())
    assert tables[0] != tables[1]


@without_gpu
def test_a_scale_does_not_reach_a_graph_without_one(capture: Any) -> None:
    x, scaler = one(), GradScaler(DEVICE, init_scale=1024.0)
    optimizer = SGD([x], lr=1.0, clip_norm=100.0)
    optimizer.step()
    capture(True)
    optimizer.step()
    captured = mirror._captured[-8:]
    capture(False)
    scaler.scale(torch.ones((), device=DEVICE))
    scaler.step(optimizer)
    given = [kept for kept in captured if isinstance(kept, torch.Tensor) and kept.shape == (5,)]
    assert given and all(kept.tolist() == [1.0, 100.0, 1e-6, 0.0, 0.0] for kept in given)


def test_a_scale_by_hand_in_some_steps_sorts_nothing_again() -> None:
    xs = weights(device=DEVICE)
    optimizer, scaler = Adam(xs), GradScaler(DEVICE, init_scale=8.0)
    scaler.scale(torch.ones((), device=DEVICE))
    books = []
    for step in range(4):
        feed(xs, step)
        if step % 2:
            optimizer.step()
        else:
            scaler.step(optimizer)
            scaler.update(8.0)
        books.append(optimizer._book)
    assert books[1] is books[2] is books[3]


def test_two_optimizers_under_one_scaler() -> None:
    xs, ys = weights(device=DEVICE), weights(device=DEVICE)
    a, b = thalweg.torch.AdamW(xs, clip_norm=1.0), SGD(ys, lr=0.1)
    scaler = GradScaler(DEVICE, init_scale=4.0)
    scaler.scale(torch.ones((), device=DEVICE))
    feed(xs, 0)
    feed(ys, 0)
    xs[0].grad[0, 0] = math.inf
    before = [x.detach().clone() for x in xs]
    scaler.step(a)
    scaler.step(b)
    scaler.update()
    assert all(torch.equal(x, y) for x, y in zip(xs, before, strict=True)) and a.skipped == 1
    assert not torch.equal(ys[0], before[0]) and scaler.get_scale() == 2.0
