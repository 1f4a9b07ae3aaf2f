"""What the texts of rules call pitfalls, measured: limits of lr, steps that die, signs.

Every number in those texts stands in a phrase that a test here, or beside this file, quotes.
"""

import functools
import math
import re
from importlib import import_module

import numpy as np
import pytest

from pitfalls import SAID, after, down, floats, lengths, pitfalls, says, strays
from thalweg.rules import RULES

# A digit that does not belong to a name, as that in beta2 does.
NUMBER = re.compile(r"(?<![A-Za-z\d])\d|√")


def test_every_number_is_in_a_phrase_that_a_test_quotes():
    import_module("test_pitfalls_of_averages")
    assert [(name, phrase) for name, phrase in SAID if phrase not in pitfalls(name)] == []
    assert {name: left for name in RULES if NUMBER.search(left := unquoted(name))} == {}


def unquoted(name: str) -> str:
    """What is left of a rule's pitfalls without the phrases that tests quote."""
    quoted = sorted((phrase for rule, phrase in SAID if rule == name), key=len, reverse=True)
    return functools.reduce(lambda text, phrase: text.replace(phrase, ""), quoted, pitfalls(name))


@says("sgd", "lr times curvature is above 2")
@says("momentum", "`2 * (1 + rho)`, 3.8 at rho .9")
@says("momentum_dampened", "at rho .9 lr times curvature may be 38", "`momentum` has 3.8")
@says("nesterov", "`2 * (1 + mu) / (1 + 2 * mu)`, 1.36 at mu .9", "`momentum` bears 3.8 and `sgd` 2")
@says("nesterov_velocity", "the 1.36 of `nesterov`, not the 3.8 of `momentum_velocity`")
@says("optimistic_gradient_descent", "`2 / (alpha + 2 * optimism)`, .67 by default")
@pytest.mark.parametrize(
    ("name", "limit", "hyper"),
    [
        ("sgd", 2, {}),
        ("momentum", 3.8, {}),
        ("momentum", 2 * 1.5, {"rho": 0.5}),
        ("momentum_velocity", 3.8, {}),
        ("momentum_dampened", 38, {"dampening": 0.9}),
        ("nesterov", 3.8 / 2.8, {}),
        ("nesterov", 3 / 2, {"mu": 0.5}),
        ("nesterov_velocity", 3.8 / 2.8, {}),
        ("nesterov_lookahead", 3.8 / 2.8, {}),
        ("optimistic_gradient_descent", 2 / 3, {}),
        ("optimistic_gradient_descent", 2 / 5, {"alpha": 2.0, "optimism": 1.5}),
    ],
)
def test_just_below_its_limit_a_rule_converges_and_just_above_it_diverges(name, limit, hyper):
    below, above = (np.abs(down(name, limit * share, 1000, **hyper)) for share in (0.99, 1.01))
    assert below[-100:].max() < 0.01
    assert above[-100:].max() > 100


@says("momentum", "`(1 - √rho)²`, .0026 at .9", "it halves in 13 steps at rho .9, in 138 at .99")
def test_momentum_swings_from_a_small_lr_on_and_no_lr_makes_the_swing_die_sooner():
    for rho, half in ((0.9, 13), (0.99, 138)):
        limit = (1 - math.sqrt(rho)) ** 2
        assert (
            down("momentum", 0.95 * limit, 1000, rho=rho).min() >= 0 > down("momentum", 2 * limit, 1000, rho=rho).min()
        )
        for lr in (0.1, 1.0, 3.0):
            path = np.abs(down("momentum", lr, 12 * half, rho=rho))
            halvings = math.log2(path[: 2 * half].max() / path[10 * half :].max())
            assert halvings == pytest.approx(10, abs=0.5)
        assert round(math.log(2) / -math.log(math.sqrt(rho))) == half
    assert round((1 - math.sqrt(0.9)) ** 2, 4) == 0.0026


@says("momentum_dampened", "ten times at .9", "`1 / (1 - dampening)`")
def test_the_first_gradient_outweighs_the_later_ones_under_dampening():
    first, later = (lengths("momentum_dampened", g, dampening=0.9, rho=0.0) for g in ([1.0], [0.0, 1.0]))
    assert first[0] / later[1] == pytest.approx(10)


@says("momentum_velocity", "with lr 0", "`mu / (1 - mu)` times its last step, nine times at mu .9 and 99 times at .99")
def test_velocity_outlives_lr():
    for mu, times in ((0.9, 9), (0.99, 99)):
        x, v = RULES["momentum_velocity"](0.0, 1.0, 1, 0.0, lr=0.1, mu=mu)
        last = x
        for t in range(2, 3000):
            x, v = RULES["momentum_velocity"](x, 0.0, t, v, lr=0.0, mu=mu)
        assert (x - last) / last == pytest.approx(times)


def test_the_look_ahead_method_is_momentum_if_the_gradient_is_not_taken_ahead():
    stream = np.random.default_rng(0).normal(size=50)
    assert np.array_equal(lengths("nesterov_lookahead", stream), lengths("momentum_velocity", stream))


@says("optimistic_gradient_descent", "√5 = 2.2 times")
def test_optimism_amplifies_noise():
    noise = np.random.default_rng(0).normal(size=20_000)
    assert lengths("optimistic_gradient_descent", noise).std() == pytest.approx(math.sqrt(5) * noise.std(), rel=0.02)


@says("asgd", "1.5 million steps")
def test_lr_of_averaged_descent_falls_by_half_in_a_million_and_a_half_steps():
    eta = [RULES["asgd"](0.0, 0.0, t, 0.0, 1.0, 0.01)[3] for t in (1_450_000, 1_550_000)]
    assert eta[0] > 0.005 > eta[1]


@says("sign_sgd", "1 in nine steps and -10 in the tenth", ".8 lr a step")
def test_signs_follow_the_majority():
    stream = [*[1.0] * 9, -10.0]
    assert sum(stream) < 0
    assert lengths("sign_sgd", stream).mean() == pytest.approx(0.8)


@says("sign_sgd", "x²/2 with noise of 1 by 4 lr at lr .04, and by 8 lr at .01")
@says("signum", "x²/2 with noise of 1 and lr .01 it strays 14 lr", "`sign_sgd` 8")
@pytest.mark.parametrize(("name", "lr", "far"), [("sign_sgd", 0.04, 4), ("sign_sgd", 0.01, 8), ("signum", 0.01, 14)])
def test_signs_of_noisy_gradients_stray(name, lr, far):
    assert round(strays(name, lr)[0] / lr) == far


@says("adagrad", "the hundredth step is a tenth of the first, the 10,000th a hundredth")
@says("adagrad", "first gradient of 100 among gradients of 1", "until step 10,000")
def test_the_steps_of_adagrad_die_and_large_first_gradients_stay_in_the_sum():
    assert lengths("adagrad", after(10_000))[[0, 99, 9999]] == pytest.approx([1, 0.1, 0.01])
    assert lengths("adagrad", [100.0, *after(10_000)])[1:].max() < 0.01
    s = [RULES["adagrad"](0.0, 1.0, t, 100.0**2 + t - 2)[1] for t in (10_000, 10_002)]
    assert s[0] < 2 * 100**2 < s[1] + 1e-9


@says("adagrad_lr_decay", "lr_decay .01", "30 lr")
def test_all_steps_of_adagrad_with_lr_decay_have_a_sum():
    assert lengths("adagrad_lr_decay", after(100), lr_decay=0.01)[99] == pytest.approx(1 / (10 * (1 + 99 * 0.01)))
    t = np.arange(1, 1_000_000)
    rest = 2 / (0.01 * math.sqrt(t[-1]))
    assert round((1 / (np.sqrt(t) * (1 + (t - 1) * 0.01))).sum() + rest) == 30


@says("adagrad_inside", "those of .001 take 100,000 steps")
def test_small_gradients_double_the_start_of_the_sum_late():
    s = RULES["adagrad_inside"].initial["s"]
    for t in range(1, 100_001):
        s = RULES["adagrad_inside"](0.0, 0.001, t, s)[1]
    assert s == pytest.approx(0.2, rel=1e-9)


def test_half_of_lr_is_half_of_every_weight_of_ftrl():
    x, z, n = RULES["ftrl"](0.0, -1.0, 1, 0.0, 0.1)
    assert RULES["ftrl"](x, 0.0, 2, z, n, lr=RULES["ftrl"].hyper["lr"] / 2)[0] == pytest.approx(x / 2)


@says("rprop_minus", "21 %", "88 %")
@says("irprop_minus", "82 %", "88 % of `rprop_minus`")
@says("rprop_plus", "82 %")
@pytest.mark.parametrize(("name", "right"), [("rprop_minus", 0.88), ("rprop_plus", 0.82), ("irprop_minus", 0.82)])
def test_step_lengths_shrink_where_too_few_mini_batches_have_the_sign_right(name, right):
    """On the average over many flips, from a length of 1 in every step."""
    grown, rule = [], RULES[name]
    for share in (right - 0.01, right + 0.01):
        signs = np.where(np.random.default_rng(1).random(20_000) < share, 1.0, -1.0)
        state, logarithm = floats(rule)[1:], 0.0
        for t, g in enumerate(signs.tolist(), start=1):
            state[1] = 1.0
            _, *state = rule(0.0, g, t, *state)
            logarithm += math.log(state[1])
        grown.append(logarithm)
    assert grown[0] < 0 < grown[1]
    assert round(math.log(1.2) / math.log(2 * 1.2), 2) == 0.21


@says("rprop_minus", "grow to 50 by step 48")
def test_step_lengths_of_rprop_reach_fifty():
    eta = [RULES["rprop_minus"].hyper["lr"]]
    for t in range(1, 60):
        eta.append(RULES["rprop_minus"](0.0, 1.0, t, float(t > 1), eta[-1])[2])
    assert eta.index(50.0) == 48
