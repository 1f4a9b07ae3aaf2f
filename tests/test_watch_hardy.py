"""What users do to an optimizer that is watched, and what must neither end the training nor make figures wrong."""

from __future__ import annotations

import weakref

import numpy as np
import pytest
import torch

import thalweg.torch
import thalweg.watch
from thalweg.watch.outputs import Output
from thalweg.watch.watcher import Watcher

pytestmark = pytest.mark.usefixtures("one_thread")
SGDS = pytest.mark.parametrize("sgd", [torch.optim.SGD, thalweg.torch.SGD], ids=["torch", "thalweg"])
ADAMS = pytest.mark.parametrize("adam", [torch.optim.Adam, thalweg.torch.Adam], ids=["torch", "thalweg"])
EVERY = pytest.mark.parametrize("every", [1, 3])


def weights(*shape: int) -> torch.nn.Parameter:
    return torch.nn.Parameter(torch.linspace(-1, 1, int(np.prod(shape))).reshape(shape))


def step(optimizer: torch.optim.Optimizer, *xs: torch.Tensor) -> None:
    optimizer.zero_grad()
    sum((x * x).sum() for x in xs).backward()
    optimizer.step()


@EVERY
@ADAMS
def test_a_model_that_is_cast_once_it_is_watched(adam, every) -> None:
    model = torch.nn.Linear(400, 80)
    optimizer = adam(model.parameters(), lr=0.01)
    with thalweg.watch.attach(optimizer, every=every, to=()) as watcher:
        model.to(torch.bfloat16)
        for _ in range(12):
            optimizer.zero_grad()
            model(torch.ones(2, 400, dtype=torch.bfloat16)).square().mean().backward()
            optimizer.step()
    assert [part.dtype for part in watcher.history.subject.layers] == ["bfloat16"] * 2
    norm = model.weight.detach().double().norm().item()
    assert watcher.history["weight_norm"][-1, 0] == pytest.approx(norm, rel=0.1)


@EVERY
@SGDS
@pytest.mark.parametrize("change", ["smaller", "strides"])
def test_weights_that_get_other_memory(sgd, every, change) -> None:
    x, still = weights(64, 8, 5, 5), weights(3)
    still.requires_grad_(False)
    optimizer = sgd([x, still], lr=0.1)
    with thalweg.watch.attach(optimizer, every=every, to=()) as watcher:
        for k in range(12):
            if k == 5:
                x.grad = None
                new = x.data[:2, :2, :1, :1].clone() if change == "smaller" else x.data.clone()
                x.data = new if change == "smaller" else new.contiguous(memory_format=torch.channels_last)
            before = x.detach().clone()
            step(optimizer, x)
    assert watcher.history["update_norm"][-1, 0] == pytest.approx((x.detach() - before).norm().item(), rel=1e-4)


@ADAMS
def test_a_step_before_any_gradient(adam) -> None:
    x = weights(10)
    optimizer = adam([x], lr=0.1)
    with thalweg.watch.attach(optimizer, to=()) as watcher:
        optimizer.step()
        for _ in range(3):
            step(optimizer, x)
    assert np.isnan(watcher.history["gradient_norm"][0]).all() and np.isfinite(watcher.history["update_norm"][1:]).all()


@SGDS
def test_groups_without_parameters(sgd) -> None:
    x = weights(10)
    optimizer, empty = sgd([x], lr=0.1), sgd([{"params": []}], lr=0.1)
    with thalweg.watch.attach(optimizer, to=()) as watcher, thalweg.watch.attach(empty, to=()) as nothing:
        for k in range(40):
            if k == 6:
                optimizer.add_param_group({"params": []})
            step(optimizer, x)
            empty.step()
    assert watcher.history["update_norm"].shape == (40, 3) and nothing.history["update_norm"].shape == (40, 1)


@SGDS
def test_a_parameter_that_moves_to_another_group(sgd) -> None:
    x, y = weights(10), weights(5)
    optimizer = sgd([{"params": [x]}, {"params": [y], "lr": 1e-4}], lr=0.1)
    with thalweg.watch.attach(optimizer, to=()) as watcher:
        for k in range(10):
            if k == 5:
                optimizer.param_groups[1]["params"].insert(0, optimizer.param_groups[0]["params"].pop())
            before = x.detach().clone()
            step(optimizer, x, y)
    assert watcher.history["lr"][-1, 0] == pytest.approx(1e-4)
    assert (x - before).norm().item() == pytest.approx(1e-4 * 2 * before.norm().item(), rel=1e-3)
    assert watcher.history["update_norm"][-1, 0] == pytest.approx((x - before).norm().item(), rel=1e-3)


class Twice(torch.optim.SGD):
    """Calls its closure with an argument, which is a model's way to say whether to go backwards."""

    def step(self, closure=None):
        loss = closure(True) if closure else None
        super().step()
        return loss


def test_a_closure_with_arguments() -> None:
    x = weights(10)
    optimizer = Twice([x], lr=0.1)

    def closure(backward):
        optimizer.zero_grad()
        loss = (x * x).sum()
        if backward:
            loss.backward()
        return loss

    with thalweg.watch.attach(optimizer, to=()) as watcher:
        for _ in range(3):
            optimizer.step(closure)
    assert np.isfinite(watcher.history["gradient_norm"]).all() and np.isfinite(watcher.history.loss).all()


class Closing(Output):
    """Closes its watcher as soon as it is told anything."""

    watcher: Watcher

    def begin(self, subject):
        pass

    def measured(self, measured):
        self.watcher.close()

    raised = measured

    def close(self):
        pass


@SGDS
@pytest.mark.parametrize("place", ["closure", "output"])
def test_a_watcher_that_is_closed_within_a_step(sgd, place) -> None:
    x, output = weights(10), Closing()
    optimizer = sgd([x], lr=0.1)
    watcher = output.watcher = thalweg.watch.attach(optimizer, every=2, to=output if place == "output" else ())
    optimizer.register_step_post_hook(lambda *_: None)

    def closure():
        if place == "closure" and watcher.step == 4:
            watcher.close()
        optimizer.zero_grad()
        loss = (x * x).sum()
        loss.backward()
        return loss

    for _ in range(40):
        optimizer.step(closure)
    assert watcher.step == (4 if place == "closure" else 32)
    with thalweg.watch.attach(optimizer, to=()) as another:
        optimizer.step(closure)
    assert another.step == 1


def test_what_nobody_thought_of_ends_the_watching_and_not_the_training(monkeypatch, capsys) -> None:
    monkeypatch.undo()  # of what lets such an error through in tests
    x = weights(10)
    optimizer = torch.optim.SGD([x], lr=0.1)
    watcher = thalweg.watch.attach(optimizer, to=())
    step(optimizer, x)
    monkeypatch.setattr(type(watcher._measuring), "after", lambda self, sums: 1 / 0)
    for _ in range(3):
        step(optimizer, x)
    assert "watching ends at step 1 (ZeroDivisionError: division by zero)" in capsys.readouterr().err
    assert watcher.step == 1 and not optimizer._optimizer_step_pre_hooks


@pytest.mark.filterwarnings("ignore:.*quantize")
@pytest.mark.parametrize("kind", ["meta", "quantized"])
def test_frozen_parameters_that_hold_no_plain_numbers(kind) -> None:
    x = weights(10)
    frozen = torch.empty(3, device="meta") if kind == "meta" else torch.quantize_per_tensor(x.data, 0.1, 0, torch.qint8)
    optimizer = torch.optim.Adam([x, torch.nn.Parameter(frozen, requires_grad=False)])
    with thalweg.watch.attach(optimizer, to=()) as watcher:
        for _ in range(3):
            step(optimizer, x)
    assert np.isfinite(watcher.history["update_norm"][:, 0]).all()


def test_groups_that_are_listed_anew_at_every_question() -> None:
    class Several(torch.optim.SGD):
        @property
        def param_groups(self):
            return [*self.__dict__["param_groups"]]

        @param_groups.setter
        def param_groups(self, groups):
            self.__dict__["param_groups"] = groups

        def add_param_group(self, group):
            self.__dict__["param_groups"].append({"lr": 0.1, **group, "params": list(group["params"])})

        @torch.no_grad()
        def step(self, closure=None):
            for x in self.param_groups[0]["params"]:
                x -= 0.1 * x.grad

    x = weights(10)
    optimizer = Several([x], lr=0.1)
    with thalweg.watch.attach(optimizer, every=4, to=()) as watcher:
        for _ in range(40):
            step(optimizer, x)
    assert np.isfinite(watcher.history["update_cosine"][2:, 0]).all()


@pytest.mark.parametrize("every", [1, 4])
def test_no_gradient_lives_longer_than_its_user_wants(every) -> None:
    x = weights(10)
    optimizer = torch.optim.SGD([x], lr=0.1)
    with thalweg.watch.attach(optimizer, every=every, to=()):
        for _ in range(8):
            step(optimizer, x)
            seen = weakref.ref(x.grad)
            optimizer.zero_grad()
            assert seen() is None


@pytest.mark.filterwarnings("ignore:.*script_method")
@pytest.mark.parametrize("whole", [False, True], ids=["step", "loop"])
def test_a_step_that_torch_compiles(whole) -> None:
    ends = []
    for watched in (False, True):
        x = weights(10)
        optimizer = torch.optim.SGD([x], lr=0.1)
        watcher = thalweg.watch.attach(optimizer, to=()) if watched else None

        def train(x=x, optimizer=optimizer) -> None:
            optimizer.zero_grad()
            (x * x).sum().backward()
            optimizer.step()

        compiled = torch.compile(train if whole else optimizer.step, backend="eager")
        for _ in range(3):
            if whole:
                compiled()
            else:
                optimizer.zero_grad()
                (x * x).sum().backward()
                compiled()
        ends.append(x.detach().clone())
        if watcher is not None:
            watcher.close()
            assert watcher.step == 3 and np.isfinite(watcher.history["update_norm"]).all()
    assert torch.equal(*ends)


@pytest.mark.parametrize("skipped", [33, 1026, 1030, 1056, 1057])
def test_a_skipped_step_in_a_row_that_is_read(skipped) -> None:
    x = weights(500)
    slope = torch.linspace(-1, 1, 500)
    optimizer = thalweg.torch.Adam([x], lr=1e-2, nonfinite="skip")
    generator = torch.Generator().manual_seed(0)
    with thalweg.watch.attach(optimizer, every=64, to=()) as watcher:
        for k in range(1, 1201):
            x.grad = slope + 0.3 * torch.randn(500, generator=generator)
            if k == skipped:
                x.grad[0] = torch.inf
            optimizer.step()
    assert [one.alarm for one in watcher.alarms if one.alarm == "oscillation"] == []
    assert watcher.history["oscillation"][-1, 0] < 0.3


def test_after_a_skipped_step_the_one_before_it_is_no_neighbour() -> None:
    x = weights(500)
    optimizer = thalweg.torch.SGD([x], lr=1e-3, nonfinite="skip")
    with thalweg.watch.attach(optimizer, every=16, to=()) as watcher:
        for k in range(1, 257):
            x.grad = torch.ones(500) * (-1.0 if k < 190 else 1.0)
            if k == 191:
                x.grad[0] = torch.inf
            optimizer.step()
    found = watcher.history["gradient_cosine"][:, 0][watcher.history.steps >= 192]
    assert np.isnan(found[0]) and found[1:] == pytest.approx(1)


@pytest.mark.parametrize("every", [1, 2, 3, 5, 10, 16])
@pytest.mark.parametrize("warms_up", [False, True])
def test_a_fall_does_not_depend_on_the_distance_of_measurements_nor_on_a_schedule(every, warms_up) -> None:
    x = weights(20)
    optimizer = torch.optim.Adagrad([x], lr=0.1)
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda k: (k + 1) / 1000 if warms_up else 1.0)
    with thalweg.watch.attach(optimizer, every=every, to=()) as watcher:
        for _ in range(1120):
            x.grad = torch.ones(20)
            optimizer.step()
            scheduler.step()
    assert watcher.history["fall"][-1, 0] == pytest.approx((10 / 1120) ** 0.5, rel=0.03)


@pytest.mark.parametrize("every", [1, 7, 64])
@SGDS
def test_the_effective_rate_is_that_of_its_step_whatever_a_schedule_did_since(sgd, every) -> None:
    x = weights(20)
    optimizer = sgd([x], lr=1.0)
    scheduler = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.0, 200)
    with thalweg.watch.attach(optimizer, every=every, to=()) as watcher:
        for k in range(200):
            x.grad = torch.ones(20)
            optimizer.step()
            scheduler.step()
            if k % 50 == 30:
                watcher.flush()
    last = watcher.history["effective_lr"][-1, 0]
    assert last == pytest.approx(watcher.history["lr"][-1, 0], rel=1e-3)


@SGDS
@pytest.mark.parametrize("scale", [1e-24, 1e22])
def test_gradients_whose_squares_are_no_float32(sgd, scale) -> None:
    x = weights(100)
    optimizer = sgd([x], lr=1e-30)
    with thalweg.watch.attach(optimizer, to=()) as watcher:
        for _ in range(128):
            x.grad = torch.full((100,), scale)
            optimizer.step()
    assert watcher.history["gradient_norm"][-1] == pytest.approx(10 * scale, rel=1e-3)
    assert "dead" not in {one.alarm for one in watcher.alarms}


def test_layers_without_a_gradient_dilute_no_mean_of_their_group() -> None:
    x, still = weights(100), weights(9900)
    still.requires_grad_(False)
    optimizer = torch.optim.Adam([x, still])
    with thalweg.watch.attach(optimizer, to=()) as watcher:
        for _ in range(40):
            x.grad = torch.arange(100) % 2 * 1.0
            optimizer.step()
    for name in ("first_moment", "second_moment", "zero_share"):
        layer, _, group = watcher.history[name][-1]
        assert group == pytest.approx(layer), name
    assert watcher.history["zero_share"][-1, 2] == pytest.approx(0.5)


def test_losses_after_the_last_measurement_are_looked_at_too() -> None:
    x = weights(10)
    optimizer = torch.optim.SGD([x], lr=1e-3)
    with thalweg.watch.attach(optimizer, every=64, to=()) as watcher:
        for k in range(1, 121):
            watcher.loss(float("nan") if k > 70 else 1.0)
            step(optimizer, x)
    assert "divergence" in {one.alarm for one in watcher.alarms}
