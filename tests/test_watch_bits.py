"""Watching changes no bit of the training, and leaves no trace."""

from __future__ import annotations

import copy
import gc
import pickle
import weakref

import numpy as np
import pytest
import torch

import thalweg.torch
import thalweg.watch
from watch_runs import batches, network, trained

TORCHS = [
    *("ASGD", "SGD", "Adadelta", "Adagrad", "Adam", "AdamW", "Adamax", "NAdam", "RAdam", "RMSprop", "Rprop"),
    "Adafactor",
]
RULES = [
    *("momentum_velocity", "adagrad_inside", "rmsprop_inside", "rmsprop_centered_momentum", "amsgrad", "yogi", "adan"),
    *("lion", "adabelief", "schedule_free_adamw", "ftrl", "irprop_minus"),
]
FRAMES = {
    "clipped": {"clip_norm": 0.1, "clip_value": 0.01},
    "averaged": {"ema": 0.9, "zero_grad": True},
    "kahan": {"rounding": "kahan", "state_dtype": "float32"},
    "stochastic": {"rounding": "stochastic", "seed": 3},
}


pytestmark = pytest.mark.usefixtures("one_thread")


def makers():
    yield pytest.param(lambda p: torch.optim.LBFGS(p, max_iter=3), id="torch-LBFGS")
    for name in TORCHS:
        yield pytest.param(lambda p, name=name: getattr(torch.optim, name)(p), id=f"torch-{name}")
    for name in TORCHS[:-1]:
        yield pytest.param(lambda p, name=name: getattr(thalweg.torch, name)(p), id=f"thalweg-{name}")
    yield pytest.param(lambda p: torch.optim.Adam(p, fused=True), id="torch-fused")
    yield pytest.param(lambda p: torch.optim.SGD(p, momentum=0.9, foreach=True), id="torch-foreach")
    for rule in RULES:
        yield pytest.param(lambda p, rule=rule: thalweg.torch.Optimizer(p, rule=rule), id=rule)
    for name, options in FRAMES.items():
        yield pytest.param(lambda p, options=options: thalweg.torch.Adam(p, **options), id=name)


def ended(make, every: int, watch: bool, dtype: torch.dtype = torch.float32):
    """Everything that is left of a short training, LBFGS's included."""
    torch.manual_seed(5)
    model = network(dtype)
    optimizer = make(model.parameters())
    watcher = thalweg.watch.attach(optimizer, every=every, to=()) if watch else None
    for inputs, labels in batches(34, dtype):

        def closure(inputs=inputs, labels=labels):
            optimizer.zero_grad()
            loss = torch.nn.functional.cross_entropy(model(inputs).float(), labels)
            loss.backward()
            return loss

        if isinstance(optimizer, torch.optim.LBFGS):
            optimizer.step(closure)
        else:
            closure()
            optimizer.step()
    if watcher is not None:
        watcher.close()
        assert len(watcher.history) == 34 // every
    versions = [x._version for x in model.parameters()]
    return [*model.parameters()], optimizer.state_dict(), versions, torch.get_rng_state(), optimizer


def assert_equal(a, b) -> None:
    if isinstance(a, torch.Tensor):
        assert torch.equal(a, b) or torch.equal(a.isnan(), b.isnan())
    elif isinstance(a, dict):
        assert a.keys() == b.keys()
        for key in a:
            assert_equal(a[key], b[key])
    elif isinstance(a, (list, tuple)):
        assert len(a) == len(b)
        for one, other in zip(a, b, strict=True):
            assert_equal(one, other)
    else:
        assert a == b or a != a


@pytest.mark.filterwarnings("ignore:.*lost to rounding")
@pytest.mark.parametrize("make", list(makers()))
def test_watching_changes_no_bit(make, request) -> None:
    dtype = torch.bfloat16 if request.node.callspec.id in ("kahan", "stochastic") else torch.float32
    alone = ended(make, 1, watch=False, dtype=dtype)
    for every in (1, 3):
        assert_equal(alone[:4], ended(make, every, watch=True, dtype=dtype)[:4])


def test_nothing_is_left_on_the_optimizer() -> None:
    for make in (torch.optim.Adam, thalweg.torch.Adam):
        *_, untouched = ended(lambda p, make=make: make(p), 1, watch=False)
        *_, watched = ended(lambda p, make=make: make(p), 1, watch=True)
        assert not watched._optimizer_step_pre_hooks and not watched._optimizer_step_post_hooks
        for key in vars(untouched):
            assert key in vars(watched)
        assert getattr(watched, "_observer", None) is None
        assert getattr(watched.state, "seen", None) == getattr(untouched.state, "seen", None)


def test_nobody_has_looked_into_the_state() -> None:
    """Thalweg looks again in every step where states lie once somebody may hold them, which takes time."""
    model = network()
    optimizer = thalweg.torch.Adam(model.parameters())
    with thalweg.watch.attach(optimizer, to=(), model=model) as watcher:
        for inputs, labels in batches(33):
            torch.nn.functional.cross_entropy(model(inputs), labels).backward()
            optimizer.step()
        watcher.error("effective_lr")
    assert not optimizer.state.seen and len(watcher.history) == 33


@pytest.mark.parametrize("make", [torch.optim.Adam, thalweg.torch.Adam])
def test_a_watched_optimizer_is_copied_and_pickled_as_if_nobody_watched(make) -> None:
    model = network()
    optimizer = make(model.parameters())
    with thalweg.watch.attach(optimizer, to=()) as watcher:
        for again in (copy.deepcopy(optimizer), pickle.loads(pickle.dumps(optimizer))):
            thalweg.watch.attach(again, to=()).close()
            for x in again.param_groups[0]["params"]:
                x.grad = torch.ones_like(x)
            again.step()
        watcher.flush()
        assert len(watcher.history) == 0


@pytest.mark.parametrize("make", [torch.optim.Adam, thalweg.torch.Adam])
def test_neither_keeps_the_other_alive(make) -> None:
    def begin():
        model = network()
        optimizer = make(model.parameters())
        watcher = thalweg.watch.attach(optimizer, to=())
        torch.nn.functional.cross_entropy(model(torch.ones(2, 8)), torch.tensor([0, 1])).backward()
        optimizer.step()
        return model, optimizer, watcher

    model, optimizer, watcher = begin()
    gone, weights = weakref.ref(optimizer), weakref.ref(next(model.parameters()))
    del optimizer, model
    gc.collect()
    assert gone() is None
    assert watcher.history.steps.tolist() == [1]  # it was closed when the optimizer went
    gc.collect()
    assert weights() is None

    _, optimizer, watcher = begin()
    kept = weakref.ref(watcher)
    del watcher
    gc.collect()
    assert kept() is not None  # who does not keep the watcher still wants to be told
    kept().close()
    gc.collect()
    assert kept() is None
    assert optimizer.param_groups


def test_a_closed_watcher_sees_nothing_more() -> None:
    watcher, recorded, _ = trained(lambda p: thalweg.torch.SGD(p, lr=0.1), 5)
    watcher.close()
    watcher.flush()
    assert watcher.history.steps.tolist() == [1, 2, 3, 4, 5]
    np.testing.assert_allclose(watcher.history.loss, recorded.losses, rtol=1e-6)
