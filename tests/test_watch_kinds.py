"""Tensors of every kind, and how far the sample may be off."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import thalweg.torch
import thalweg.watch
from thalweg.errors import InputError
from watch_runs import network, trained

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.mark.parametrize("make", [torch.optim.SparseAdam, torch.optim.SGD, thalweg.torch.Adagrad])
def test_sparse_gradients(make) -> None:
    table = torch.nn.Embedding(50, 3, sparse=True)
    optimizer = make(table.parameters(), lr=0.1)
    before = table.weight.detach().clone()
    with thalweg.watch.attach(optimizer, model=table, to=()) as watcher:
        table(torch.tensor([3, 7, 7])).square().sum().backward()
        gradient = table.weight.grad.to_dense()
        optimizer.step()
    moved = table.weight.detach() - before
    assert watcher.history["gradient_norm"][0, 0] == pytest.approx(gradient.norm().item(), rel=1e-5)
    assert watcher.history["update_norm"][0, 0] == pytest.approx(moved.norm().item(), rel=1e-5)
    assert watcher.history["weight_norm"][0, 0] == pytest.approx(before.norm().item(), rel=1e-5)
    assert 0.5 < watcher.history["zero_share"][0, 0] <= 1


ODD = {
    "shared": lambda: [*dict.fromkeys([*network().parameters()])],
    "empty": lambda: [
        torch.nn.Parameter(torch.ones(3)),
        torch.nn.Parameter(torch.ones(0)),
        torch.nn.Parameter(torch.ones(2, 0)),
    ],
    "scalar": lambda: [torch.nn.Parameter(torch.tensor(2.0))],
    "double": lambda: [torch.nn.Parameter(torch.ones(4, dtype=torch.float64))],
    "half": lambda: [torch.nn.Parameter(torch.ones(4, dtype=torch.float16))],
    "complex": lambda: [torch.nn.Parameter(torch.full((4,), 1 + 2j))],
    "transposed": lambda: [torch.nn.Parameter(torch.arange(12.0).reshape(3, 4).t())],
    "strided": lambda: [torch.nn.Parameter(torch.arange(24.0).reshape(4, 6)[:, ::2])],
    "large": lambda: [torch.nn.Parameter(torch.randn(400, 3)), torch.nn.Parameter(torch.randn(7))],
}


@pytest.mark.parametrize("make", [torch.optim.SGD, thalweg.torch.SGD], ids=["torch", "thalweg"])
@pytest.mark.parametrize("kind", list(ODD))
def test_tensors_of_every_kind(make, kind) -> None:
    xs = ODD[kind]()
    optimizer = make(xs, lr=0.25, momentum=0.5)
    with thalweg.watch.attach(optimizer, to=()) as watcher:
        for _ in range(3):
            for x in xs:
                x.grad = torch.full_like(x, 1.0).contiguous() if kind == "transposed" else torch.full_like(x, 1.0)
            before = [x.detach().clone() for x in xs]
            optimizer.step()
    for k, (x, old) in enumerate(zip(xs, before, strict=True)):
        wide = torch.complex128 if x.is_complex() else torch.float64
        for name, expected in (("update_norm", (x.detach() - old)), ("weight_norm", old), ("gradient_norm", x.grad)):
            assert watcher.history[name][-1, k] == pytest.approx(expected.to(wide).norm().item(), rel=1e-3, abs=1e-6)
        if x.numel():
            assert watcher.history["effective_lr"][-1, k] == pytest.approx(0.25 * 1.75, rel=2e-3)
    assert not watcher.alarms or kind != "large"


def test_errors_are_those_of_the_sample() -> None:
    """Over many weights of one kind the figures of the sample lie within a few of their errors of the exact ones."""
    watcher, recorded, _ = trained(lambda p: torch.optim.Adam(p, lr=0.01), 32, model=network(width=60))
    layer, off = 2, {}  # 3600 weights, of which 128 are in the sample
    g, past = recorded.g[31][layer], recorded.g[30][layer]
    u, before = (recorded.x_after[s][layer] - recorded.x[s][layer] for s in (31, 30))
    m, v = (recorded.states[31][layer][key] for key in ("exp_avg", "exp_avg_sq"))

    def cosine(a, b):
        return (a * b).sum() / np.sqrt((a * a).sum() * (b * b).sum())

    exact = {
        "gradient_cosine": cosine(g, past),
        "update_cosine": cosine(u, before),
        "momentum_cosine": cosine(m, g),
        "first_moment": np.sqrt((m**2).mean()),
        "second_moment": np.sqrt(v.mean()),
        "effective_lr": np.median(0.01 / (np.sqrt(v / (1 - 0.999**32)) + 1e-8)),
    }
    for name, expected in exact.items():
        error = watcher.error(name)[layer]
        assert 0 < error < 0.3 * max(abs(expected), 0.5), name
        off[name] = abs(watcher.history[name][-1, layer] - expected) / error
    assert max(off.values()) < 4, off
    assert (watcher.error("gradient_norm") == 0).all() and watcher.error("first_moment")[4] == 0
    with pytest.raises(InputError, match="got 'norm'"):
        watcher.error("norm")
