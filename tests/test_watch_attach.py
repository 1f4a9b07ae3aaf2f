"""What can be watched, by which names, and what happens to an optimizer while it is watched."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import thalweg.torch
import thalweg.watch
from thalweg.errors import InputError
from thalweg.watch.alarm import Raised
from watch_runs import batches, network

ADAMS = pytest.mark.parametrize("adam", [torch.optim.Adam, thalweg.torch.Adam], ids=["torch", "thalweg"])


pytestmark = pytest.mark.usefixtures("one_thread")


def train(model, optimizer, steps: int, watcher=None) -> None:
    for inputs, labels in batches(steps):
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(model(inputs), labels)
        loss.backward()
        if watcher is not None:
            watcher.loss(loss)
        optimizer.step()


class Noted:
    """An output that notes what it is told."""

    def __init__(self) -> None:
        self.begun, self.rows, self.alarms, self.closed = [], [], [], 0

    def begin(self, subject) -> None:
        self.begun.append(subject)

    def measured(self, measured) -> None:
        self.rows.append(measured)

    def raised(self, raised: Raised) -> None:
        self.alarms.append(raised)

    def close(self) -> None:
        self.closed += 1


def names(watcher) -> list[str]:
    return [part.name for part in watcher.history.subject.layers]


@ADAMS
def test_names_come_from_the_model_else_from_the_optimizer_else_they_are_numbers(adam) -> None:
    model = network()
    bare, named = adam(model.parameters()), adam([(f"my {n}", x) for n, x in model.named_parameters()])
    expected = [name for name, _ in model.named_parameters()]
    for optimizer, given, found in (
        (bare, model, expected),
        (named, model, expected),
        (named, None, [f"my {name}" for name in expected]),
        (bare, None, [f"parameter {k}" for k in range(5)]),
    ):
        with thalweg.watch.attach(optimizer, model=given, to=()) as watcher:
            assert names(watcher) == found


@ADAMS
def test_the_subject_says_who_is_watched(adam) -> None:
    model = network(torch.bfloat16)
    groups = [
        {"params": [*model[0].parameters()], "lr": 0.5},
        {"params": [*model[2].parameters()], "betas": (0.5, 0.9)},
    ]
    with thalweg.watch.attach(adam(groups, weight_decay=0.1), every=7, model=model, to=()) as watcher:
        subject = watcher.history.subject
    assert subject.every == 7
    assert [(part.name, part.group, part.is_group, part.elements, part.sampled) for part in subject.parts] == [
        ("0.weight", 0, False, 48, 48),
        ("0.bias", 0, False, 6, 6),
        ("2.weight", 1, False, 36, 36),
        ("group 0", 0, True, 54, 54),
        ("group 1", 1, True, 36, 36),
    ]
    assert {(part.dtype, part.state_dtype) for part in subject.parts} == {("bfloat16", "bfloat16")}
    first, second = subject.groups
    assert (first.optimizer, first.rule, first.number) == ("Adam", "l2(adam)", 0)
    assert first.hyper == {"lr": 0.5, "beta1": 0.9, "beta2": 0.999, "eps": 1e-8, "decay": 0.1}
    assert second.hyper["beta1"] == 0.5 and second.given["weight_decay"] == 0.1


@pytest.mark.parametrize(
    ("given", "options", "expected"),
    [
        ("adam", {}, "expected an optimizer of Thalweg or torch, got a str"),
        (torch.optim.Adam, {}, "got the class Adam"),
        (None, {"every": 0}, "expected every to be a whole number above 0, got 0"),
        (None, {"every": 2.0}, "got 2.0"),
        (None, {"every": True}, "got True"),
        (None, {"model": "mine"}, "expected model to be a torch module, got a str"),
        (None, {"to": ("terminl",)}, "did you mean 'terminal'"),
    ],
)
def test_what_cannot_be_watched_is_refused_in_a_sentence(given, options, expected) -> None:
    optimizer = torch.optim.Adam(network().parameters()) if given is None else given
    with pytest.raises(InputError, match=expected):
        thalweg.watch.attach(optimizer, **{"to": (), **options})
    if given is None:
        thalweg.watch.attach(optimizer, to=()).close()  # nothing was left half done


def test_an_optimizer_without_torchs_hooks_is_refused() -> None:
    class Bare(torch.optim.Optimizer):
        def __init__(self, params):
            self.param_groups = [{"params": list(params)}]

    with pytest.raises(InputError, match="got a Bare, whose __init__ does not"):
        thalweg.watch.attach(Bare(network().parameters()), to=())


def test_an_optimizer_in_backward_is_refused() -> None:
    optimizer = thalweg.torch.in_backward(network().parameters(), "sgd", lr=0.1)
    with pytest.raises(InputError, match="steps in backward"):
        thalweg.watch.attach(optimizer, to=())


@ADAMS
def test_nobody_is_watched_twice_at_once(adam) -> None:
    optimizer = adam(network().parameters())
    watcher = thalweg.watch.attach(optimizer, to=())
    with pytest.raises(InputError, match="watches yet, got a watched one"):
        thalweg.watch.attach(optimizer, to=())
    watcher.close()
    thalweg.watch.attach(optimizer, to=()).close()


@ADAMS
def test_several_optimizers_are_watched_at_once(adam) -> None:
    models = [network(), network()]
    optimizers = [adam(model.parameters(), lr=lr) for model, lr in zip(models, (0.1, 0.01), strict=True)]
    watchers = [thalweg.watch.attach(optimizer, to=()) for optimizer in optimizers]
    for model, optimizer, steps in zip(models, optimizers, (3, 5), strict=True):
        train(model, optimizer, steps)
    for watcher, lr, steps in zip(watchers, (0.1, 0.01), (3, 5), strict=True):
        watcher.close()
        assert len(watcher.history) == steps and watcher.history["lr"][0, 0] == np.float32(lr)


@ADAMS
def test_outputs_are_told_of_everything_in_order(adam) -> None:
    noted = Noted()
    model = network()
    optimizer = adam(model.parameters(), lr=0.01)
    with thalweg.watch.attach(optimizer, model=model, to=[noted]) as watcher:
        train(model, optimizer, 40, watcher)
        assert [row.step for row in noted.rows] == list(range(1, 33)) and not noted.closed
    assert [row.step for row in noted.rows] == list(range(1, 41))
    assert len(noted.begun) == noted.closed == 1
    np.testing.assert_array_equal(
        noted.rows[5].values["gradient_norm"].astype(np.float32), watcher.history["gradient_norm"][5]
    )
    assert tuple(noted.alarms) == watcher.alarms


@ADAMS
@pytest.mark.parametrize("every", [1, 2])
def test_parameters_that_come_later_get_their_columns(adam, every) -> None:
    noted, model = Noted(), network()
    optimizer = adam(model[0].parameters())
    with thalweg.watch.attach(optimizer, every, model, to=[noted]) as watcher:
        train(model, optimizer, 10)
        optimizer.add_param_group({"params": [*model[4].parameters()], "lr": 0.5})
        train(model, optimizer, 10)
        watcher.flush()
        assert names(watcher) == ["0.weight", "0.bias", "4.weight", "4.bias"]
    rows = watcher.history["gradient_norm"]
    assert watcher.history.steps.tolist() == list(range(every, 21, every))
    early = watcher.history.steps <= 10
    assert np.isnan(rows[early][:, [2, 3, 5]]).all() and np.isfinite(rows[~early]).all()
    assert np.isfinite(rows[:, [0, 1, 4]]).all()
    assert [len(subject.parts) for subject in noted.begun] == [3, 6]


@ADAMS
def test_layers_without_a_gradient_have_no_figures_and_disturb_nobody(adam) -> None:
    model = network()
    model[0].requires_grad_(False)
    optimizer = adam(model.parameters())
    with thalweg.watch.attach(optimizer, model=model, to=()) as watcher:
        assert [part.learns for part in watcher.history.subject.parts] == [False, False, True, True, True, True]
        train(model, optimizer, 33)
        model[0].requires_grad_(True)
        train(model, optimizer, 31)
    found = watcher.history["gradient_norm"]
    assert np.isnan(found[:33, :2]).all() and np.isfinite(found[33:, :2]).all() and np.isfinite(found[:, 2:]).all()
    assert np.isnan(watcher.history["nonfinite"][:33, :2]).all() and (watcher.history["nonfinite"][:, 2:] == 0).all()
    assert np.isfinite(watcher.history["effective_lr"][-1]).all()


@ADAMS
def test_a_state_that_is_loaded_on_the_way(adam) -> None:
    model = network()
    optimizer = adam(model.parameters())
    with thalweg.watch.attach(optimizer, model=model, to=()) as watcher:
        train(model, optimizer, 20)
        saved = optimizer.state_dict()
        train(model, optimizer, 5)
        optimizer.load_state_dict(saved)
        train(model, optimizer, 15)
    assert watcher.history.steps.tolist() == list(range(1, 41))
    second = torch.cat([dict.get(optimizer.state, x)["exp_avg_sq"].reshape(-1) for x in model.parameters()])
    assert watcher.history["second_moment"][-1, -1] == pytest.approx(second.mean().sqrt().item(), rel=1e-5)


@ADAMS
def test_watching_begins_where_the_optimizer_is(adam) -> None:
    model = network()
    optimizer = adam(model.parameters())
    train(model, optimizer, 10)
    with thalweg.watch.attach(optimizer, every=4, to=()) as watcher:
        train(model, optimizer, 10)
    assert watcher.history.steps.tolist() == [12, 16, 20]


@ADAMS
def test_what_a_closure_returns_is_the_loss(adam) -> None:
    model = network()
    optimizer = adam(model.parameters())
    losses = []

    def closure():
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(model(inputs), labels)
        loss.backward()
        losses.append(loss.item())
        return loss

    with thalweg.watch.attach(optimizer, to=()) as watcher:
        for inputs, labels in batches(6):  # noqa: B007 - the closure reads them
            optimizer.step(closure)
    np.testing.assert_allclose(watcher.history.loss, losses, rtol=1e-6)
    assert np.isfinite(watcher.history["gradient_norm"]).all() and np.isfinite(watcher.history["update_norm"]).all()


@ADAMS
def test_a_loss_may_be_told_behind_the_step(adam) -> None:
    model = network()
    optimizer = adam(model.parameters())
    told = []
    with thalweg.watch.attach(optimizer, to=()) as watcher:
        for inputs, labels in batches(5):
            optimizer.zero_grad()
            loss = torch.nn.functional.cross_entropy(model(inputs), labels)
            loss.backward()
            optimizer.step()
            watcher.loss(loss)
            told.append(loss.item())
        with pytest.raises(InputError, match="expected the loss as a number or a tensor with one, got list"):
            watcher.loss([1.0])
    np.testing.assert_allclose(watcher.history.loss, told, rtol=1e-6)
    assert watcher.history.losses == [(k + 1, loss) for k, loss in enumerate(told)]


@ADAMS
def test_nan_is_seen_at_once(adam) -> None:
    model = network()
    optimizer = adam(model.parameters())
    with thalweg.watch.attach(optimizer, model=model, to=()) as watcher:
        train(model, optimizer, 5)
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(model(torch.ones(2, 8)), torch.tensor([0, 1])).backward()
        model[0].bias.grad[2:4] = torch.tensor([float("nan"), float("inf")])
        optimizer.step()
        assert watcher.history.last == 6  # not at the end of a block
        assert watcher.history["nonfinite"][-1].tolist() == [0, 2, 0, 0, 0, 2]
        assert any(alarm.alarm == "nonfinite" for alarm in watcher.alarms)


def test_a_step_that_is_left_out_is_seen() -> None:
    model = network()
    optimizer = thalweg.torch.Adam(model.parameters(), nonfinite="skip")
    with thalweg.watch.attach(optimizer, model=model, to=()) as watcher:
        train(model, optimizer, 3)
        model[0].bias.grad[0] = float("inf")
        optimizer.step()
    assert watcher.history.steps.tolist() == [1, 2, 3, 4]
    assert watcher.history["nonfinite"][-1].tolist() == [0, 1, 0, 0, 0, 1]
    assert np.isnan(watcher.history["update_norm"][-1]).all()
