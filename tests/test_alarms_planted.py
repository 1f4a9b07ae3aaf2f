"""Small trainings in which something goes wrong, and twins in which it does not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
import torch
from torch import nn
from torch.nn import functional

import thalweg


@pytest.fixture(autouse=True, scope="module")
def _on_one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # more of them only wait for one another
    yield
    torch.set_num_threads(threads)


@dataclass(frozen=True)
class Training:
    """A network of one hidden layer that learns to sort points, by batches of 32, and what is done to it."""

    optimizer: Callable[..., torch.optim.Optimizer] = torch.optim.Adam
    lr: float = 1e-3
    steps: int = 200
    every: int = 1
    betas: tuple[float, float] | None = None
    scale: Callable[[int], float] = lambda step: 1.0  # what the loss is multiplied by in a step
    dtype: torch.dtype = torch.float32

    def alarms(self, seed: int) -> set[str]:
        """The alarms that it raises."""
        torch.manual_seed(seed)
        teacher = nn.Linear(24, 6)
        model = nn.Sequential(nn.Linear(24, 32), nn.ReLU(), nn.Linear(32, 6)).to(self.dtype)
        given = {} if self.betas is None else {"betas": self.betas}
        optimizer = self.optimizer(model.parameters(), lr=self.lr, **given)
        with thalweg.watch.attach(optimizer, every=self.every, model=model, to=()) as watcher:
            for step in range(1, self.steps + 1):
                points = torch.randn(32, 24)
                kinds = (3 * teacher(points) + torch.randn(32, 6)).argmax(dim=1)
                loss = functional.cross_entropy(model(points.to(self.dtype)).float(), kinds)
                optimizer.zero_grad()
                (self.scale(step) * loss).backward()
                watcher.loss(loss)
                optimizer.step()
        return {raised.alarm for raised in watcher.alarms}


def grows(step: int) -> float:
    """Gradients thirty times as large from a step on, as where the loss gets steep."""
    return 30.0 if step > 200 else 1.0


def begins_large(step: int) -> float:
    """The first five gradients a hundred times as large as all others."""
    return 100.0 if step <= 5 else 1.0


@pytest.mark.parametrize(
    ("optimizer", "seed"), [(torch.optim.Adam, 1), (thalweg.torch.Adam, 2)], ids=["torch", "thalweg"]
)
def test_updates_grow_where_a_second_moment_remembers_for_longer_than_gradients_keep_their_size(optimizer, seed):
    slow, quick = ((0.9, beta2) for beta2 in (0.999, 0.95))
    assert "update_growth" in Training(optimizer, steps=256, betas=slow, scale=grows).alarms(seed)
    assert "update_growth" not in Training(optimizer, steps=256, betas=quick, scale=grows).alarms(seed)
    assert Training(optimizer, steps=256, betas=slow).alarms(seed) == set()


@pytest.mark.parametrize(
    ("optimizer", "seed"), [(torch.optim.Adagrad, 1), (thalweg.torch.Adagrad, 2)], ids=["torch", "thalweg"]
)
def test_first_gradients_that_are_too_large_are_told_of_adagrad_only(optimizer, seed):
    assert "first_gradients" in Training(optimizer, lr=0.02, scale=begins_large).alarms(seed)
    assert Training(optimizer, lr=0.02).alarms(seed) == set()
    assert "first_gradients" not in Training(torch.optim.RMSprop, scale=begins_large).alarms(seed)


@pytest.mark.parametrize("seed", [1, 2])
def test_second_moments_in_16_bits_stand_still_at_a_beta_that_moves_them_by_less_than_a_digit(seed):
    short = Training(lr=0.01, steps=96, dtype=torch.bfloat16)
    assert "stale_moment" in short.alarms(seed)
    assert "stale_moment" not in Training(lr=0.01, steps=96, dtype=torch.bfloat16, betas=(0.9, 0.9)).alarms(seed)
    assert "stale_moment" not in Training(lr=0.01, steps=96).alarms(seed)


class Saddle(nn.Module):
    """A surface that falls on both sides of a line, and rises along it away from the saddle at zero."""

    def __init__(self, aside: float) -> None:
        super().__init__()
        self.place = nn.Parameter(torch.tensor([0.2, aside]))

    def forward(self) -> torch.Tensor:
        along, aside = self.place
        return 0.5 * along**2 - 0.5 * aside**2 + 0.25 * aside**4 + 0.25


def descent(model: nn.Module, optimizer: torch.optim.Optimizer, loss: Callable[[], torch.Tensor]) -> set[str]:
    """The alarms of 300 steps."""
    with thalweg.watch.attach(optimizer, model=model, to=()) as watcher:
        for _ in range(300):
            value = loss()
            optimizer.zero_grad()
            value.backward()
            watcher.loss(value)
            optimizer.step()
    return {raised.alarm for raised in watcher.alarms}


@pytest.mark.parametrize(("aside", "seen"), [(1e-6, True), (1e-2, False), (0.3, False)])
def test_a_start_on_the_ridge_that_leads_to_a_saddle(aside, seen):
    model = Saddle(aside)
    assert ("plateau" in descent(model, torch.optim.SGD(model.parameters(), lr=0.02), model)) == seen


@pytest.mark.parametrize(("between", "seen"), [(nn.Sigmoid, True), (nn.Tanh, False)])
def test_a_plateau_of_saturated_layers(between, seen):
    torch.manual_seed(1)
    hidden = [layer for _ in range(4) for layer in (nn.Linear(24, 24), between())]
    model = nn.Sequential(*hidden, nn.Linear(24, 6))
    points, kinds = torch.randn(128, 24), torch.randint(0, 6, (128,))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    found = descent(model, optimizer, lambda: functional.cross_entropy(model(points), kinds))
    assert ("plateau" in found) == seen


def heads(every: int, to_none: bool) -> set[str]:
    """A body whose two heads take turns, and a part that is frozen and yet in the optimizer."""
    torch.manual_seed(1)
    model = nn.ModuleDict({name: nn.Linear(12, 12) for name in ("frozen", "body", "left", "right")})
    model["frozen"].requires_grad_(False)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    with thalweg.watch.attach(optimizer, every=every, model=model, to=()) as watcher:
        for step in range(256):
            points = torch.randn(16, 12)
            given = model["body"](model["frozen"](points)).relu()
            loss = (model["left" if step % 2 else "right"](given) - points).pow(2).mean()
            optimizer.zero_grad(set_to_none=to_none)
            loss.backward()
            watcher.loss(loss)
            optimizer.step()
    return {raised.alarm for raised in watcher.alarms}


@pytest.mark.parametrize("every", [1, 2, 16])
@pytest.mark.parametrize("to_none", [True, False])
def test_frozen_layers_and_those_that_have_a_gradient_at_some_steps_only_are_not_dead(every, to_none):
    assert "dead" not in heads(every, to_none)
