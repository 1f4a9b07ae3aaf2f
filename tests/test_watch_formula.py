"""The figures that only a rule's formula can tell, for each family of rules."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import thalweg.torch
from watch_runs import network, norm, trained

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.mark.parametrize(
    ("make", "gain"),
    [
        (lambda p: torch.optim.SGD(p, lr=0.1), lambda v, t: 0.1),
        (lambda p: torch.optim.SGD(p, lr=0.01, momentum=0.8), lambda v, t: 0.01 * (1 - 0.8**t) / (1 - 0.8)),
        (lambda p: torch.optim.SGD(p, lr=0.01, momentum=0.8, nesterov=True), lambda v, t: 0.05 * (1 - 0.8 ** (t + 1))),
        (lambda p: thalweg.torch.Optimizer(p, rule="momentum_velocity", lr=0.01, mu=0.5), lambda v, t: 0.02),
        (
            lambda p: torch.optim.AdamW(p, lr=0.01),
            lambda v, t: 0.01 / (np.sqrt(v["exp_avg_sq"] / (1 - 0.999**t)) + 1e-8),
        ),
        (lambda p: torch.optim.Adam(p, lr=0.01, weight_decay=0.1, eps=1.0), None),
        (lambda p: torch.optim.RMSprop(p, lr=0.01), lambda v, t: 0.01 / (np.sqrt(v["square_avg"]) + 1e-8)),
        (
            lambda p: torch.optim.RMSprop(p, lr=0.01, momentum=0.5),
            lambda v, t: 0.02 / (np.sqrt(v["square_avg"]) + 1e-8),
        ),
        (
            lambda p: torch.optim.RMSprop(p, lr=0.01, centered=True),
            lambda v, t: 0.01 / (np.sqrt(v["square_avg"] - v["grad_avg"] ** 2) + 1e-8),
        ),
        (lambda p: torch.optim.Adagrad(p, lr=0.1), lambda v, t: 0.1 / (np.sqrt(v["sum"]) + 1e-10)),
        (
            lambda p: torch.optim.Adadelta(p),
            lambda v, t: np.sqrt(v["acc_delta"] + 1e-6) / np.sqrt(v["square_avg"] + 1e-6),
        ),
        (lambda p: torch.optim.Adamax(p, lr=0.01), lambda v, t: 0.01 / v["exp_inf"]),
        (
            lambda p: thalweg.torch.Optimizer(p, rule="adan", lr=0.01),
            lambda v, t: 0.01 / (np.sqrt(v["n"] / (1 - 0.99**t)) + 1e-8),
        ),
    ],
    ids=[
        *("sgd", "momentum", "nesterov", "velocity", "adamw", "l2", "rmsprop", "rmsprop_momentum", "centered"),
        *("adagrad", "adadelta", "adamax", "adan"),
    ],
)
def test_effective_learning_rate_of_each_family(make, gain) -> None:
    """How far one gradient moves its weight in all, with second moments as they stand."""
    watcher, recorded, _ = trained(make, 40)
    if gain is None:  # decay takes no part, and epsilon is in the denominator
        gain = lambda v, t: 0.01 / (np.sqrt(v["exp_avg_sq"] / (1 - 0.999**t)) + 1.0)  # noqa: E731
    for layer in range(5):
        expected = np.sort(np.broadcast_to(gain(recorded.states[-1][layer], 40), recorded.g[-1][layer].shape))
        middle = expected[int(np.ceil(0.5 * len(expected))) - 1 :][:2]
        found = watcher.history["effective_lr"][-1, layer]
        assert middle.min() * 0.999 <= found <= middle.max() * 1.001


def test_effective_learning_rate_of_a_sign_is_per_gradient() -> None:
    watcher, recorded, _ = trained(lambda p: thalweg.torch.Optimizer(p, rule="sign_sgd", lr=0.01), 40)
    for layer in range(5):
        expected = np.sort(0.01 / np.abs(recorded.g[-1][layer]))
        middle = expected[int(np.ceil(0.5 * len(expected))) - 1 :][:2]
        assert middle.min() * 0.999 <= watcher.history["effective_lr"][-1, layer] <= middle.max() * 1.001


def test_epsilon_rules_where_it_is_large() -> None:
    shares = []
    for eps in (1e-8, 1.0):
        watcher, *_ = trained(lambda p, eps=eps: torch.optim.Adam(p, lr=0.01, eps=eps), 40)
        shares.append(watcher.history["epsilon_share"][-1])
    assert (shares[0] == 0).all() and (shares[1] == 1).all()


def test_adagrad_falls_like_the_root_of_its_sums() -> None:
    watcher, recorded, _ = trained(lambda p: torch.optim.Adagrad(p, lr=0.1), 96)
    found = watcher.history["fall"]
    for layer in range(5):
        medians = [np.median(0.1 / np.sqrt(recorded.states[step][layer]["sum"])) for step in (9, 95)]
        assert found[-1, layer] == pytest.approx(medians[1] / medians[0], rel=0.2)
    assert (found[-1] < 0.5).all() and (found[0] > found[-1]).all()


@pytest.mark.parametrize("every", [3, 64])
def test_a_fall_is_counted_from_step_10_wherever_measurements_lie(every) -> None:
    watcher, recorded, _ = trained(lambda p: thalweg.torch.Adagrad(p, lr=0.1), 96, every)
    early, late = (recorded.states[step - 1][2]["sum"] for step in (10, int(watcher.history.steps[-1])))
    expected = np.median(1 / np.sqrt(late)) / np.median(1 / np.sqrt(early))
    assert watcher.history["fall"][-1, 2] == pytest.approx(expected, rel=0.2)


@pytest.mark.filterwarnings("ignore:.*lost to rounding")
@pytest.mark.parametrize("rounding", ["nearest", "kahan"])
def test_bfloat16_loses_updates_and_second_moments(rounding) -> None:
    def make(parameters):
        return thalweg.torch.Adam(parameters, lr=1e-5, rounding=rounding)

    watcher, recorded, _ = trained(make, 64, model=network(torch.bfloat16))
    lost, stale = (watcher.history[name][-1] for name in ("lost_share", "stale_share"))
    if rounding == "kahan":
        assert np.isnan(lost).all()
        return
    for layer in range(5):
        kept = recorded.x_after[63][layer] == recorded.x[63][layer]
        assert lost[layer] == pytest.approx(kept.mean(), abs=1e-6)
        same = recorded.states[63][layer]["exp_avg_sq"] == recorded.states[62][layer]["exp_avg_sq"]
        assert stale[layer] == pytest.approx(same.mean(), abs=1e-6)
    assert (lost > 0.5).all()


def test_a_rule_that_nobody_knows_has_the_figures_that_need_none() -> None:
    class Mine(torch.optim.Optimizer):
        def __init__(self, params):
            super().__init__(params, {"lr": 0.1})

        @torch.no_grad()
        def step(self, closure=None):
            for x in self.param_groups[0]["params"]:
                x.data = x.data - 0.05 * x.grad  # at another place every time
                x.grad.mul_(7)  # which says nothing of the gradient that came

    watcher, recorded, _ = trained(Mine, 40)
    np.testing.assert_allclose(watcher.history["effective_lr"][-1], 0.05, rtol=1e-3)
    np.testing.assert_allclose(watcher.history["gradient_norm"][-1, 0], norm(recorded.g[-1][0]), rtol=1e-6)
    assert np.isnan(watcher.history["epsilon_share"]).all() and watcher.history.subject.groups[0].rule is None
