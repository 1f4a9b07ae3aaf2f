"""Rules that train other weights than they give: torch optimizers and the lab evaluate those that the rule declares."""

import math
from pathlib import Path

import pytest
import torch

import thalweg.torch
from lab_runs import planned, specs_of, train_here
from thalweg.errors import InputError
from thalweg.formula import rule
from thalweg.torch import Optimizer

ELSEWHERE = '''"""Descends as sgd does, and is evaluated at zero."""

from thalweg.formula import rule


def at_zero(x):
    return 0.0 * x


@rule("Someone 2000", evaluation=at_zero)
def elsewhere(x, g, t, *, lr=0.1):
    return x - lr * g
'''


def stepped(optimizer: torch.optim.Optimizer, *parameters: torch.Tensor, steps: int = 5) -> None:
    for k in range(1, steps + 1):
        for x in parameters:
            x.grad = torch.full_like(x, 1.0 / k)
        optimizer.step()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16, torch.complex64], ids=str)
def test_schedule_free_weights_are_the_mean_of_z(dtype: torch.dtype) -> None:
    """With a constant lr the weights to evaluate are the mean of all z; afterwards the trained ones are back."""
    x, still = torch.ones(3, dtype=dtype, requires_grad=True), torch.ones(2, dtype=dtype, requires_grad=True)
    optimizer = Optimizer([x, still], rule="schedule_free_sgd", lr=0.25, beta=0.9)
    zs, z = [], 1.0
    for k in range(1, 6):
        z -= 0.25 / k
        zs.append(z)
    stepped(optimizer, x)
    trained = x.detach().clone()
    tolerance = 2e-2 if dtype == torch.bfloat16 else 1e-6
    with optimizer.averaged():
        torch.testing.assert_close(
            x.detach().real.double(), torch.full((3,), sum(zs) / 5).double(), rtol=0, atol=tolerance
        )
        assert torch.equal(still.detach(), torch.ones(2, dtype=dtype)), "never stepped"
        with pytest.raises(InputError, match="outside of averaged"):
            optimizer.step()
    assert torch.equal(x.detach(), trained)


def test_averages_come_before_a_rules_own() -> None:
    x = torch.ones(2, requires_grad=True)
    optimizer = Optimizer([x], rule="schedule_free_sgd", lr=0.25, ema=0.5)
    stepped(optimizer, x)
    with optimizer.averaged():
        assert torch.equal(x.detach(), optimizer.state[x]["average"])


def test_torchs_asgd_gives_its_average() -> None:
    x = torch.ones(2, requires_grad=True)
    optimizer = thalweg.torch.ASGD([x], lr=0.25, t0=2)
    stepped(optimizer, x)
    assert not torch.equal(optimizer.state[x]["ax"], x)
    with optimizer.averaged():
        assert torch.equal(x.detach(), optimizer.state[x]["ax"])


def test_a_rule_without_them_is_refused() -> None:
    optimizer = Optimizer([torch.ones(1, requires_grad=True)], rule="sgd")
    with pytest.raises(InputError, match="keeps averages, got one without"), optimizer.averaged():
        pass


def test_a_formula_that_reads_another_state_is_refused() -> None:
    def between(x, z):
        return x + 0.5 * (z - x)

    @rule("Someone 2000", evaluation=between)
    def mine(x, g, t, v, *, lr=0.1):
        v = v + g
        return x - lr * v, v

    with pytest.raises(InputError, match="is asked for 'z', which is none of its own"):
        Optimizer([torch.ones(1, requires_grad=True)], rule=mine)


def test_the_lab_evaluates_them(tmp_path: Path) -> None:
    """At zero weights three kinds of points are a matter of chance, however well the trained ones tell them apart."""
    file = tmp_path / "elsewhere.py"
    file.write_text(ELSEWHERE, encoding="utf-8")
    at_zero, trained = map(train_here, specs_of(planned(f"{file},sgd:lr=0.1", epochs=3)))
    assert [e.loss for e in at_zero.epochs] == [pytest.approx(math.log(3))] * 3
    assert at_zero.epochs[-1].train_loss == trained.epochs[-1].train_loss < 0.9 * math.log(3)
