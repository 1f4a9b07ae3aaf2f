"""Optimizers inside others: wrappers, subclasses, scalers, schedulers."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import thalweg.torch
import thalweg.watch
from watch_runs import batches, network

ADAMS = pytest.mark.parametrize("adam", [torch.optim.Adam, thalweg.torch.Adam], ids=["torch", "thalweg"])


def backward(model, inputs, labels) -> torch.Tensor:
    loss = torch.nn.functional.cross_entropy(model(inputs), labels)
    loss.backward()
    return loss


@ADAMS
def test_lightnings_wrapper(adam) -> None:
    from lightning.pytorch.core.optimizer import LightningOptimizer

    model = network()
    optimizer = adam(model.parameters())
    with thalweg.watch.attach(LightningOptimizer(optimizer), model=model, to=()) as watcher:
        for inputs, labels in batches(3):
            backward(model, inputs, labels)
            optimizer.step()
    assert len(watcher.history) == 3 and watcher.history.subject.groups[0].rule == "adam"


@ADAMS
def test_accelerates_wrapper(adam) -> None:
    from accelerate import Accelerator

    accelerator = Accelerator(cpu=True)
    model, optimizer = accelerator.prepare(network(), adam(network().parameters()))
    optimizer = accelerator.prepare(adam(model.parameters()))
    with thalweg.watch.attach(optimizer, model=model, to=()) as watcher:
        for inputs, labels in batches(3):
            accelerator.backward(torch.nn.functional.cross_entropy(model(inputs), labels))
            optimizer.step()
            optimizer.zero_grad()
    assert len(watcher.history) == 3 and np.isfinite(watcher.history["gradient_norm"]).all()
    assert watcher.history.subject.parts[0].name == "0.weight"


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_shard_of_the_zero_redundancy_optimizer(tmp_path) -> None:
    from torch.distributed.optim import ZeroRedundancyOptimizer

    torch.distributed.init_process_group("gloo", init_method=f"file://{tmp_path}/meeting", rank=0, world_size=1)
    try:
        model = network()
        optimizer = ZeroRedundancyOptimizer(model.parameters(), torch.optim.Adam, lr=0.01)
        with thalweg.watch.attach(optimizer, model=model, to=()) as watcher:
            for inputs, labels in batches(2):
                backward(model, inputs, labels)
                optimizer.step()
        assert len(watcher.history) == 2 and np.isfinite(watcher.history["update_norm"]).all()
    finally:
        torch.distributed.destroy_process_group()


class Doubly(torch.optim.SGD):
    """A step around torch's step, both of which have torch's hooks."""

    @torch.no_grad()
    def step(self, closure=None):
        before = [x.clone() for x in self.param_groups[0]["params"]]
        loss = super().step(closure)
        for x, old in zip(self.param_groups[0]["params"], before, strict=True):
            x.lerp_(old, 0.5)  # half of torch's step
        return loss


def test_a_step_around_torchs_is_seen_as_one() -> None:
    torch.optim.SGD(network().parameters())  # now torch's class has hooks, too
    model = network()
    optimizer = Doubly(model.parameters(), lr=0.1)
    with thalweg.watch.attach(optimizer, model=model, to=()) as watcher:
        for inputs, labels in batches(4):
            optimizer.zero_grad()
            backward(model, inputs, labels)
            optimizer.step()
        with pytest.raises(RuntimeError):
            optimizer.step(closure=lambda: torch.zeros(1).backward())
        optimizer.step()
    history = watcher.history
    assert history.steps.tolist() == [1, 2, 3, 4, 5]
    np.testing.assert_allclose(history["update_norm"], 0.05 * history["gradient_norm"], rtol=1e-4)
    assert history.subject.groups[0].rule is None  # the rule is not torch's any more
    np.testing.assert_allclose(history["effective_lr"], 0.05, rtol=1e-2)


@ADAMS
def test_schedulers_move_the_learning_rate(adam) -> None:
    model = network()
    optimizer = adam(model.parameters(), lr=1.0)
    scheduler = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.5)
    with thalweg.watch.attach(optimizer, every=2, model=model, to=()) as watcher:
        for inputs, labels in batches(4):
            backward(model, inputs, labels)
            optimizer.step()
            scheduler.step()
    np.testing.assert_allclose(watcher.history["lr"][:, -1], [0.5, 0.125])


def test_a_schedule_of_thalwegs_too() -> None:
    model = network()
    optimizer = thalweg.torch.SGD(model.parameters(), lr=lambda t: 1.0 / t)
    with thalweg.watch.attach(optimizer, to=()) as watcher:
        for inputs, labels in batches(4):
            backward(model, inputs, labels)
            optimizer.step()
    np.testing.assert_allclose(watcher.history["lr"][:, 0], [1, 1 / 2, 1 / 3, 1 / 4], rtol=1e-6)
    np.testing.assert_allclose(watcher.history["effective_lr"][-1], 1 / 4, rtol=1e-6)


@pytest.mark.parametrize("optimizer_of", [torch.optim.SGD, thalweg.torch.SGD], ids=["torch", "thalweg"])
def test_gradients_of_a_scaled_loss_are_those_of_the_loss(optimizer_of) -> None:
    found = []
    for scaled in (False, True):
        model = network()
        optimizer = optimizer_of(model.parameters(), lr=0.1, momentum=0.9)
        ours = optimizer_of is thalweg.torch.SGD
        scaler = (thalweg.torch.GradScaler if ours else torch.amp.GradScaler)("cpu", 1024.0, enabled=scaled)
        with thalweg.watch.attach(optimizer, model=model, to=()) as watcher:
            for inputs, labels in batches(6):
                optimizer.zero_grad()
                scaler.scale(torch.nn.functional.cross_entropy(model(inputs), labels)).backward()
                scaler.step(optimizer)
                scaler.update()
        found.append(watcher.history)
    for name in ("gradient_norm", "gradient_cosine", "effective_lr", "momentum_cosine", "lost_share"):
        np.testing.assert_allclose(found[1][name], found[0][name], rtol=1e-3, atol=1e-3, err_msg=name)


@ADAMS
def test_flags_that_change_are_followed(adam) -> None:
    model = network()
    optimizer = adam(model.parameters())
    with thalweg.watch.attach(optimizer, every=20, model=model, to=()) as watcher:
        for k, (inputs, labels) in enumerate(batches(60)):
            if k == 25:
                optimizer.param_groups[0]["weight_decay"] = 0.5
            optimizer.zero_grad()
            backward(model, inputs, labels)
            optimizer.step()
    assert watcher.history.subject.groups[0].rule == "l2(adam)"
    assert watcher.history.steps.tolist() == [20, 40, 60]
    assert np.isfinite(watcher.history["effective_lr"]).all()


def test_a_compiled_step_is_watched_outside_of_its_graph() -> None:
    model = network()
    optimizer = thalweg.torch.SGD(model.parameters(), lr=0.1)
    stepped = torch.compile(optimizer.step, backend="eager")
    with thalweg.watch.attach(optimizer, model=model, to=()) as watcher:
        for inputs, labels in batches(3):
            backward(model, inputs, labels)
            stepped()
    assert len(watcher.history) == 3
