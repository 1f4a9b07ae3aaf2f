"""What the texts of rules say about each other, measured."""

import math

import numpy as np
import pytest

from thalweg.compile.numpy import step
from thalweg.compile.trace import trace, trace_point
from thalweg.rules import RULES
from trajectories import STEPS, WIDTH, gap, gradients, starts, trajectory

CONSTANT = np.full(STEPS, 0.01)
HALVED = 0.01 * 0.5 ** (np.arange(STEPS) // 10)
PAIRS = [("momentum", "momentum_velocity"), ("nesterov", "nesterov_velocity")]


@pytest.mark.parametrize(("outside", "inside"), PAIRS)
def test_lr_inside_or_outside_the_sum_is_one_method_until_lr_changes(outside, inside):
    stream, x = gradients(), np.zeros(WIDTH)
    constant = gap(*(trajectory(RULES[name], x, stream, CONSTANT) for name in (outside, inside)))
    halved = gap(*(trajectory(RULES[name], x, stream, HALVED) for name in (outside, inside)))
    print(
        f"{outside} and {inside}: {constant:.1e} apart at a constant lr, {halved:.2f} when it is halved every 10 steps"
    )
    assert constant < 1e-13
    assert halved > 0.1


def test_the_look_ahead_and_the_velocity_form_are_one_method_in_other_variables():
    """On a quadratic, from the same start: what one calls x is what the other calls x + mu * v."""
    curvature, hyper = np.geomspace(0.1, 10, WIDTH), {"lr": 0.05, "mu": 0.9}
    ahead_rule, shifted_rule = RULES["nesterov_lookahead"], RULES["nesterov_velocity"]
    ahead, shifted, point = trace(ahead_rule), trace(shifted_rule), trace_point(ahead_rule)
    assert point is not None
    x = y = np.linspace(-1, 2, WIDTH)
    v = w = np.zeros(WIDTH)
    for t in range(1, STEPS + 1):
        (here,) = step(point, {"x": x, "v": v}, t, hyper)
        np.testing.assert_allclose(here, y, rtol=0, atol=1e-14)
        x, v = step(ahead, {"x": x, "g": curvature * here, "v": v}, t, hyper)
        y, w = step(shifted, {"x": y, "g": curvature * y, "v": w}, t, hyper)
    assert np.abs(y - x).max() < 1e-3 < np.abs(np.linspace(-1, 2, WIDTH)).max()


def test_dampening_spares_the_first_gradient_and_is_momentum_without_it():
    stream, x = gradients(), np.zeros(WIDTH)
    rule = RULES["momentum_dampened"]
    assert np.array_equal(trajectory(rule, x, stream), trajectory(RULES["momentum"], x, stream))
    first = trajectory(rule, x, stream, dampening=0.9)[1]
    assert np.array_equal(first, -0.01 * stream[0])


def test_lr_decay_is_a_schedule_of_adagrad():
    stream, x, t = gradients(), np.zeros(WIDTH), np.arange(1, STEPS + 1)
    decayed = trajectory(RULES["adagrad_lr_decay"], x, stream, lr_decay=0.1)
    scheduled = trajectory(RULES["adagrad"], x, stream, lrs=0.01 / (1 + (t - 1) * 0.1))
    assert gap(decayed, scheduled) < 1e-14


@pytest.mark.parametrize(("t", "factor"), [(1, 3.2), (12, 6.6)])
def test_without_bias_correction_early_steps_are_too_long(t, factor):
    """By (1 - beta1**t) / sqrt(1 - beta2**t): with equal gradients that is all that differs."""
    stream = np.ones((t, 1))
    corrected = np.diff(trajectory(RULES["adam"], np.zeros(1), stream), axis=0)[-1, 0]
    uncorrected = np.diff(trajectory(RULES["adam_uncorrected"], np.zeros(1), stream), axis=0)[-1, 0]
    assert uncorrected / corrected == pytest.approx((1 - 0.9**t) / math.sqrt(1 - 0.999**t), rel=1e-6)
    assert round(uncorrected / corrected, 1) == factor


def test_without_bias_correction_steps_are_right_to_a_tenth_from_step_1751():
    stream = np.ones((1751, 1))
    steps = [np.diff(trajectory(RULES[n], np.zeros(1), stream), axis=0) for n in ("adam_uncorrected", "adam")]
    too_long = (steps[0] / steps[1])[:, 0]
    assert np.flatnonzero(too_long > 1.1).max() + 1 == 1750
    assert too_long.argmax() + 1 == 12


def test_epsilon_hat_is_epsilon_that_fades_in():
    """With eps * sqrt(1 - beta2**t) for its epsilon the form of Keras is the one of torch."""
    stream, x = 1e-6 * gradients(), np.zeros(WIDTH)
    hat, plain = (trace(RULES[n]) for n in ("adam_eps_hat", "adam"))
    a, b = ({"x": x, "m": x, "v": x} for _ in range(2))
    for t, g in enumerate(stream, start=1):
        hyper = RULES["adam"].hyper
        faded = {**hyper, "eps": 1e-8 * math.sqrt(1 - 0.999**t)}
        a = dict(zip(hat.targets, step(hat, a | {"g": g}, t, faded), strict=True))
        b = dict(zip(plain.targets, step(plain, b | {"g": g}, t, hyper), strict=True))
    np.testing.assert_allclose(a["x"], b["x"], rtol=1e-12)
    assert gap(*(trajectory(RULES[n], x, stream, eps=1e-8) for n in ("adam", "adam_eps_hat"))) > 0.01


def test_the_order_of_maximum_and_correction_matters_in_amsgrad():
    """After a large first gradient Optax's denominator never falls; torch's does, as its correction fades."""
    stream = np.array([[1.0], *[[0.01]] * (STEPS - 1)])
    torch_like, optax_like = (
        np.abs(np.diff(trajectory(RULES[name], np.zeros(1), stream), axis=0))[:, 0]
        for name in ("amsgrad", "amsgrad_corrected")
    )
    moment = 0.1 * 0.9 ** np.arange(STEPS)
    for k in range(1, STEPS):
        moment[k] += 0.01 * (1 - 0.9**k)
    corrected = moment / (1 - 0.9 ** np.arange(1, STEPS + 1))
    np.testing.assert_allclose(optax_like, 1e-3 * corrected, rtol=1e-6)
    np.testing.assert_allclose(
        torch_like, optax_like * np.sqrt((1 - 0.999 ** np.arange(1, STEPS + 1)) / 0.001), rtol=1e-6
    )


def test_amsgrad_is_adam_while_the_second_moment_grows():
    stream, x = np.ones((STEPS, WIDTH)), np.zeros(WIDTH)
    assert np.array_equal(trajectory(RULES["amsgrad"], x, stream), trajectory(RULES["adam"], x, stream))


def test_centered_rmsprop_stays_finite_where_the_difference_of_averages_goes_negative():
    """Gradients that are constant to 1e-4, in float32 at beta .9: rounding makes E[g²] - E[g]² negative."""
    rule, beta, width = RULES["rmsprop_centered"], np.float32(0.9), 64
    stream = (1 + 1e-4 * np.random.default_rng(7).normal(size=(1000, width))).astype("float32")
    hyper = {**rule.hyper, "beta": 0.9}
    arrays = {"x": np.zeros(width, "float32"), **starts(rule, width, "float32")}
    square, mean = np.zeros((2, width), "float32")
    lowest = np.float32(np.inf)
    for t, g in enumerate(stream, start=1):
        arrays = dict(zip(trace(rule).targets, step(trace(rule), arrays | {"g": g}, t, hyper), strict=True))
        square = beta * square + (1 - beta) * g * g
        mean = beta * mean + (1 - beta) * g
        lowest = min(lowest, (square - mean * mean).min())
        assert all(np.isfinite(a).all() for a in arrays.values())
        assert (arrays["s"] > 0).all()
    assert lowest < 0
    spread = np.sqrt(arrays["s"])
    assert 2e-5 < spread.min() < spread.max() < 4e-4


def test_the_variance_of_centered_rmsprop_is_the_difference_of_averages():
    rule, state = RULES["rmsprop_centered"], starts(RULES["rmsprop_centered"])
    square = np.zeros(WIDTH)
    for t, g in enumerate(gradients(), start=1):
        _, m, s = step(trace(rule), {"x": g, "g": g, **state}, t, rule.hyper)
        state = {"m": m, "s": s}
        square = 0.99 * square + 0.01 * g * g
        np.testing.assert_allclose(s, square - m * m, rtol=1e-9)


def test_the_three_forms_of_rprop_differ_only_after_a_change_of_sign():
    names = ("rprop_minus", "rprop_plus", "irprop_minus")
    alike = np.ones((10, 1))
    paths = [trajectory(RULES[n], np.zeros(1), alike) for n in names]
    assert np.array_equal(paths[0], paths[1])
    assert np.array_equal(paths[0], paths[2])
    flipped = np.array([[1.0], [1.0], [-1.0]])
    onwards, back, rest = (trajectory(RULES[n], np.zeros(1), flipped)[:, 0] for n in names)
    assert onwards[3] > rest[3] == rest[2]
    assert onwards[3] == pytest.approx(onwards[2] + 0.5 * 0.012)
    assert back[3] == pytest.approx(back[1])


def test_step_lengths_of_rprop_keep_within_their_bounds():
    rule = RULES["irprop_minus"]
    for stream, bound in ((np.ones((80, 1)), 50.0), (np.array([[1.0], [-1.0]] * 60), 1e-6)):
        arrays = {"x": np.zeros(1), **starts(rule, 1)}
        for t, g in enumerate(stream, start=1):
            new = step(trace(rule), arrays | {"g": g}, t, rule.hyper)
            arrays = dict(zip(trace(rule).targets, new, strict=True))
        assert arrays["eta"] == bound


def test_adadelta_starts_slowly_and_grows_its_steps_like_the_root_of_time():
    path = trajectory(RULES["adadelta"], np.zeros(1), np.ones((4000, 1)))[:, 0]
    steps = -np.diff(path)
    assert steps[0] == pytest.approx(math.sqrt(1e-6 / 0.1), rel=1e-4)
    assert steps[3999] / steps[999] == pytest.approx(2, rel=0.05)


def test_nadam_starts_with_shorter_steps_than_adam():
    stream = np.ones((1000, 1))
    steps = [np.diff(trajectory(RULES[n], np.zeros(1), stream, lr=0.01), axis=0) for n in ("nadam", "adam")]
    share = (steps[0] / steps[1])[:, 0]
    assert (share.argmin() + 1, round(share.min(), 2)) == (4, 0.73)
    assert np.flatnonzero(np.abs(share - 1) > 0.01).max() + 1 == 36


@pytest.mark.parametrize(("decay", "half"), [(4e-3, 4245), (1.0, 17)], ids=["nadam", "Keras"])
def test_the_momentum_of_nadam_is_halfway_up_after_so_many_steps(decay, half):
    """From .45 to .9; the state of a step from a product of 1 is the step's momentum."""
    hyper = {**RULES["nadam"].hyper, "momentum_decay": decay}
    mu = [RULES["nadam"](0.0, 0.0, t, 0.0, 0.0, 1.0, **hyper)[3] for t in (half - 1, half)]
    assert mu[0] < 0.675 <= mu[1]


def test_without_a_schedule_the_product_of_nadam_is_a_power_of_beta1():
    """As in Optax."""
    numbers = (0.0, 0.0, 0.0, 1.0)
    for t in range(1, 20):
        numbers = RULES["nadam"](numbers[0], 0.5, t, *numbers[1:], momentum_decay=1e6)
        assert numbers[3] == pytest.approx(0.9**t, rel=1e-14)
