"""Corners of the frame: types together, infinities, names that collide, state of other origin, and what is kept."""

import copy
import gc
import math
import weakref

import pytest
import torch
from torch.nn.utils import clip_grad_norm_

import thalweg.torch
from thalweg.errors import FormulaError, InputError
from thalweg.formula import rule
from thalweg.frameworks.torch import step as step_module
from thalweg.schedules import cosine


def test_clip_norm_is_of_all_types_together() -> None:
    kinds = (torch.float64, torch.float32, torch.complex128)
    a, b = ([torch.zeros(5, dtype=kind, requires_grad=True) for kind in kinds] for _ in range(2))
    ours, plain = thalweg.torch.SGD(a, lr=1.0, clip_norm=0.5), thalweg.torch.SGD(b, lr=1.0)
    for x, y in zip(a, b, strict=True):
        x.grad = torch.randn_like(x)
        y.grad = x.grad.clone()
    clip_grad_norm_(b, 0.5)
    ours.step()
    plain.step()
    assert math.sqrt(sum(x.abs().double().square().sum().item() for x in a)) == pytest.approx(0.5, rel=1e-5)
    for x, y in zip(a, b, strict=True):
        torch.testing.assert_close(x, y, rtol=1e-6, atol=1e-7)


def test_infinite_gradients_are_taken_as_torch_takes_them_by_default() -> None:
    a, b = (torch.ones(4, requires_grad=True) for _ in range(2))
    ours, theirs = thalweg.torch.Adam([a], clip_norm=1.0), torch.optim.Adam([b])
    a.grad, b.grad = (torch.tensor([1.0, math.inf, 2.0, -1.0]) for _ in range(2))
    clip_grad_norm_([b], 1.0)
    ours.step()
    theirs.step()
    torch.testing.assert_close(a, b, equal_nan=True)


@rule("a rule of one's own")
def scaling(x, g, t, average, *, lr=0.1, scale=2.0):
    average = 0.5 * average + 0.5 * g
    return x - lr * scale * average, average


@pytest.mark.parametrize(("frame", "letter"), [({"clip_norm": 1.0}, "scale"), ({"ema": 0.9}, "average")])
def test_a_rule_that_has_a_letter_of_the_frame_is_refused_with_that_argument_only(frame: dict, letter: str) -> None:
    w = torch.ones(2, requires_grad=True)
    w.grad = torch.ones(2)
    optimizer = thalweg.torch.Optimizer([w], rule=scaling, **frame)
    with pytest.raises(FormulaError, match=f"rule 'scaling' calls something '{letter}', as the frame does"):
        optimizer.step()
    assert torch.equal(w, torch.ones(2))
    thalweg.torch.Optimizer([w], rule=scaling, clip_value=0.5).step()
    torch.testing.assert_close(w, torch.full((2,), 0.95))


def test_a_rule_whose_state_is_called_step_is_refused() -> None:
    @rule("a rule of one's own")
    def stepping(x, g, t, step, *, lr=0.1):
        return x - lr * g, step + 1

    with pytest.raises(InputError, match="'step'"):
        thalweg.torch.Optimizer([torch.ones(2, requires_grad=True)], rule=stepping)


def test_averages_may_begin_with_a_checkpoint_that_has_none() -> None:
    """Dampening spares the first gradient, and the first step is behind us."""
    a, b = (torch.ones(3, dtype=torch.float64, requires_grad=True) for _ in range(2))
    plain = torch.optim.SGD([a], lr=0.1, momentum=0.9, dampening=0.5)
    a.grad, b.grad = torch.ones_like(a), torch.ones_like(b)
    plain.step()
    resumed = thalweg.torch.SGD([b], lr=0.1, momentum=0.9, dampening=0.5, ema=0.5)
    b.data = a.data.clone()
    resumed.load_state_dict(copy.deepcopy(plain.state_dict()))
    before = b.detach().clone()
    plain.step()
    resumed.step()
    torch.testing.assert_close(a, b, rtol=1e-12, atol=0)
    with resumed.averaged():
        torch.testing.assert_close(b, (before + a) / 2, rtol=1e-12, atol=0)


def test_a_step_or_another_swap_within_averaged_is_refused() -> None:
    w = torch.ones(3, requires_grad=True)
    w.grad = torch.ones(3)
    optimizer = thalweg.torch.SGD([w], lr=1.0, ema=0.5)
    optimizer.step()
    with optimizer.averaged():
        for refused in (optimizer.step, lambda: optimizer.averaged().__enter__()):
            with pytest.raises(InputError, match="averaged"):
                refused()
        assert torch.equal(w, torch.full((3,), 0.5))
    optimizer.step()
    assert torch.equal(w, torch.full((3,), -1.0))


def test_hundred_optimizers_in_turn_sort_their_parameters_once(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    plain = step_module.sort_parameters
    monkeypatch.setattr(step_module, "sort_parameters", lambda *a: (calls.append(1), plain(*a))[1])
    xs = [torch.zeros(3, requires_grad=True) for _ in range(100)]
    optimizers = [thalweg.torch.Optimizer([x], rule="adam", clip_norm=1.0 + k) for k, x in enumerate(xs)]
    for step in range(3):
        for x in xs:
            x.grad = torch.full_like(x, step + 1.0)
        for optimizer in optimizers:
            optimizer.step()
    assert len(calls) == 100


def test_an_optimizer_that_is_no_longer_used_is_freed() -> None:
    x, y = torch.zeros(5, requires_grad=True), torch.zeros(5, requires_grad=True)
    x.grad, y.grad = torch.ones(5), torch.ones(5)
    optimizer = thalweg.torch.Adam([x], clip_norm=1.0, ema=0.9, zero_grad=True, lr=cosine(0.1, 10))
    optimizer.step()
    left = [weakref.ref(optimizer), *map(weakref.ref, (x, optimizer.state[x]["exp_avg"], optimizer.state[x]["step"]))]
    del optimizer, x
    thalweg.torch.Adam([y]).step()
    gc.collect()
    assert [reference() for reference in left] == [None] * 4
