"""What the texts of the rules that divide by an average call pitfalls, measured: RMSProp, Adam and those after them."""

import math
import warnings

import numpy as np
import pytest
import torch

import thalweg.torch
from pitfalls import after, down, lengths, says, strays
from thalweg.rules import RULES
from thalweg.rules.decay import decoupled, l2


@says("rmsprop", "between lr / 2 on either side")
def test_rmsprop_ends_by_jumping_from_side_to_side():
    for start in (1.2345678, -0.987):
        late = down("rmsprop", 0.01, 5000, start)[-10:]
        np.testing.assert_allclose(np.abs(late), 0.005, rtol=0.01)
        assert (late[1:] * late[:-1] < 0).all()


@says("rmsprop", "ten times as large as the rest makes a step of 7.1 lr", "after a long silence 10 lr")
@says("rmsprop_corrected", "ten times as large as the rest still makes a step of 7.1 lr")
@says("adam_nesterov", "ten times as large as the rest makes a step of 2.6 lr", "1.8 lr in `adam`")
@says("nadam", "ten times as large as the hundred before it makes a step of 4.4 lr", "1.3 lr in `adam`")
@pytest.mark.parametrize(
    ("name", "calm", "far"),
    [
        ("rmsprop", 3000, 7.1),
        ("rmsprop_corrected", 3000, 7.1),
        ("adam_nesterov", 10_000, 2.6),
        ("adam", 10_000, 1.8),
        ("nadam", 100, 4.4),
        ("adam", 100, 1.3),
    ],
)
def test_an_outlier_makes_a_long_step(name, calm, far):
    assert round(lengths(name, after(calm, 10.0))[-1], 1) == far


def test_a_lone_gradient_makes_a_step_of_ten_times_lr_in_rmsprop():
    assert lengths("rmsprop", [*[0.0] * 100, 1.0])[-1] == pytest.approx(10)


@says("rmsprop", "ten times as large, weights decay a tenth as fast")
def test_rmsprop_divides_l2_decay_as_it_divides_the_gradient():
    def decayed(rule, size):
        numbers = [1.0, size**2]
        for t in range(1, 1001):
            numbers = rule(numbers[0], size * (-1) ** t, t, *numbers[1:], lr=1e-3, decay=0.01)
        return 1 - numbers[0]

    rule = RULES["rmsprop"]
    assert decayed(l2(rule), 1.0) / decayed(l2(rule), 10.0) == pytest.approx(10, rel=0.02)
    assert decayed(decoupled(rule), 1.0) == pytest.approx(decayed(decoupled(rule), 10.0))


@says("rmsprop_inside", "gradients of .01", "start at 1", "a hundredth of lr, and the 77th the first of more than half")
@says("rmsprop_inside", "three times lr")
def test_where_the_average_of_rmsprop_starts_makes_it_another_recipe():
    def first_steps(v):
        found = []
        for t in range(1, 101):
            x, v = RULES["rmsprop_inside"](0.0, 0.01, t, v, lr=1.0)
            found.append(-x)
        return np.array(found)

    assert round(first_steps(0.0)[0]) == 3
    assert first_steps(1.0)[0] == pytest.approx(0.01, rel=0.1)
    assert (first_steps(1.0) > 0.5).argmax() + 1 == 77


@says("rmsprop_inside_corrected", "1e-8 is a floor of 1e-4", "gradients of 1e-5")
@says("adan", "`eps_root` of 1e-8 gradients of 1e-5")
@says("yogi", "Gradients of .001")
@says("adam_eps_hat", "1e-7, gradients of 3.2e-6")
@pytest.mark.parametrize(
    ("name", "size", "times", "hyper", "share"),
    [
        ("rmsprop_inside_corrected", 1e-5, 10, {}, 0.1),
        ("rmsprop_inside_corrected", 1e-4, 10, {}, 1 / math.sqrt(2)),
        ("adan", 1e-5, 10, {"eps_root": 1e-8}, 0.1),
        ("yogi", 1e-3, 10_000, {}, 0.5),
        ("adam", 1e-8, 10, {}, 0.5),
        ("adam_eps_hat", 3.2e-6, 1, {}, 0.5),
    ],
)
def test_gradients_of_the_size_of_epsilon_make_short_steps(name, size, times, hyper, share):
    assert lengths(name, [size] * times, **hyper)[-1] == pytest.approx(share, rel=0.01)


def test_no_step_of_yogi_is_longer_where_gradients_are_as_small_as_epsilon():
    assert lengths("yogi", [1e-3] * 10_000).max() <= 0.5


@says("rmsprop_momentum", "30 lr, before they come down to 10 lr")
def test_momentum_adds_up_the_long_first_steps_of_rmsprop():
    steps = lengths("rmsprop_momentum", after(3000))
    assert (steps.argmax() + 1, round(steps.max()), round(steps[-1])) == (11, 30, 10)


@says(
    "rmsprop_centered", "138 steps at beta .99: after 1000 of size 1 a step is 152 lr, and after 3666", "50 million lr"
)
@says("rmsprop_inside_centered", "gradients of 1 bring steps up to 3162 lr", "half of that in 143 steps")
def test_the_deviation_of_equal_gradients_vanishes():
    steps = lengths("rmsprop_centered", after(3700))
    assert steps[2137] / steps[1999] == pytest.approx(2, rel=0.01)
    assert round(steps[999]) == 152
    assert steps[3665] == pytest.approx(0.5e8, rel=0.01)
    inside = lengths("rmsprop_inside_centered", after(500))
    assert (round(inside[-1]), (inside > inside[-1] / 2).argmax() + 1) == (3162, 143)


@says("adadelta", "lr .001", "10,000 equal gradients move a weight by .05, and with lr 1 by 50")
@pytest.mark.parametrize(("lr", "way"), [(0.001, 0.05), (1.0, 50.0)])
def test_nothing_makes_up_for_a_small_lr_in_adadelta(lr, way):
    steps = lengths("adadelta", after(10_000), rho=0.95, eps=1e-7)
    assert lr * steps.sum() == pytest.approx(way, rel=0.01)


@says("adam", "5.2 lr when gradients grow tenfold (to 1.1 lr at beta2 .95", "lr / 2 for 3494 steps")
@says("amsgrad", "gradient of 100 among gradients of 1", ".30 lr", ".9 lr with the 3751st")
@says("adamax", "gradient of 100 among gradients of 1", ".011 lr, those of `adam` to .3 lr")
def test_the_second_moment_is_slow():
    calm = 10_000
    for beta2, peak in ((0.999, 5.2), (0.95, 1.1)):
        assert round(lengths("adam", after(calm, *[10.0] * 200), beta2=beta2)[calm:].max(), 1) == peak
    fallen = lengths("adam", after(calm, *[0.1] * 4000))[calm:]
    assert np.flatnonzero(fallen < 0.5).max() + 1 == 3494
    adam, amsgrad, adamax = (
        lengths(name, after(calm, 100.0, *after(4000)))[calm + 1 :] for name in ("adam", "amsgrad", "adamax")
    )
    assert [round(steps[100:].min(), 3) for steps in (adam, amsgrad, adamax)] == [0.316, 0.302, 0.011]
    assert np.flatnonzero(adam < 0.9).max() + 2 == 3751
    assert amsgrad[-1] == pytest.approx(amsgrad[200], rel=1e-4)


@says("adam_uncorrected", "at .9999 the twelfth is 20.7 times too long, while at .95 none is")
def test_beta2_decides_how_much_too_long_uncorrected_steps_are():
    large, small = (
        lengths("adam_uncorrected", after(1000), beta2=b) / lengths("adam", after(1000), beta2=b)
        for b in (0.9999, 0.95)
    )
    assert (large.argmax() + 1, round(large.max(), 1)) == (12, 20.7)
    assert small.max() < 1.1


@says("amsgrad_corrected", "back at .97 lr after 1000")
def test_a_large_first_gradient_stays_in_amsgrad_if_it_is_corrected_first():
    corrected, amsgrad = (lengths(n, [10.0, *after(3000)]) for n in ("amsgrad_corrected", "amsgrad"))
    assert corrected[100:].max() == pytest.approx(0.1, rel=1e-3)
    assert round(amsgrad[1000], 2) == 0.97


@says("adamw", "at lr .001 and decay .01 a weight without gradients halves in 69,314 steps")
def test_decay_that_is_coupled_to_a_small_lr_is_slow():
    x = 1.0
    for t in range(1, 69_315):
        x = RULES["adamw"](x, 0.0, t, 0.0, 0.0, lr=1e-3, decay=0.01)[0]
    assert x == pytest.approx(0.5, rel=1e-5)


@says("yogi", "lr / 2 for 96,000 of them")
def test_the_second_moment_of_yogi_needs_longer_still():
    v, m, found = 1.0, 0.1, []
    for t in range(100_001, 197_001):
        x, m, v = RULES["yogi"](0.0, 0.1, t, m, v, lr=1.0, eps=0.0)
        found.append(-x)
    assert np.flatnonzero(np.array(found) < 0.5).max() + 1 == 96_000


@says("ademamix", "`1 + alpha` times lr, 6 by default", "5109 on", "5108 steps")
def test_the_slow_average_makes_steps_longer_and_outvotes_a_gradient_that_turns_round():
    assert (lengths("ademamix", after(6000)) >= 3).argmax() + 1 == 5109
    numbers, found = (0.0, 1.0, 1.0, 1.0), []
    for t in range(1_000_001, 1_006_001):
        numbers = RULES["ademamix"](0.0, -1.0 if found else 1.0, t, *numbers[1:], lr=1.0)
        found.append(-numbers[0])
    assert found[0] == pytest.approx(6)
    assert np.flatnonzero(np.array(found[1:]) > 0).max() + 1 == 5108


@says("adopt", "lr / 2 for 34,974 of them, and in `adam` for 28")
@pytest.mark.parametrize(("name", "late"), [("adopt", 34_974), ("adam", 28)])
def test_a_large_first_gradient_fills_the_moment(name, late):
    steps = lengths(name, [10.0, *after(late + 500)])
    assert np.flatnonzero(steps < 0.5).max() + 1 == late


@says("radam", "step 61 at .99 and in step 5508 at .9999", "at 2/3 or less")
def test_beta2_is_the_length_of_the_warm_up_of_radam():
    for beta2, half in ((0.99, 61), (0.9999, 5508)):
        share = lengths("radam", [1e6] * (half + 50), beta2=beta2)
        assert (share[20:] >= 0.5).argmax() + 21 == half
    for beta2, adaptive in ((2 / 3, False), (0.7, True)):
        assert (lengths("radam", [1e6] * 100, beta2=beta2)[-1] < 2) == adaptive


@says("adabelief", "1e-13, is a floor of 3e-7", "not of 1e-8: noise of 1e-7", "noise of 1 does")
def test_what_epsilon_piles_up_to_shortens_the_steps_of_adabelief():
    noise = np.random.default_rng(0).normal(size=20_000).tolist()
    small, large = (lengths("adabelief", (s * g for g in noise))[10_000:].std() for s in (1e-7, 1.0))
    assert 0.2 < small / large < 1 / 3
    assert round(math.sqrt(1e-13), 7) == 3e-7


def kept_in_bfloat16(rule: str, stream, start: float = 0.0, **hyper: float) -> tuple[float, dict]:
    """The weight and its state in bfloat16 after these gradients, rounded to the nearest number."""
    weight = torch.nn.Parameter(torch.full((1,), start, dtype=torch.bfloat16))
    optimizer = thalweg.torch.Optimizer([weight], rule, **hyper)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "1 of 1 updates in this step were smaller than half the last bit")
        for g in stream:
            weight.grad = torch.full_like(weight, g)
            optimizer.step()
    return weight.item(), optimizer.state[weight]


@says("adam", "beta2 .999, where it never falls, and stops at .25 under gradients of 1")
def test_a_second_moment_in_bfloat16_stalls():
    def moment(*stream, **options):
        return kept_in_bfloat16("adam", stream, **options)[1]["v"].item()

    assert moment(*[1.0] * 400) == 0.25
    assert moment(*[1.0] * 400, state_dtype="float32") == pytest.approx(1 - 0.999**400)
    assert moment(*[1.0] * 20, *[0.0] * 50) == moment(*[1.0] * 20)


@says("sgd", "shorter than a 512th of the weight")
@says("lion", "at lr .0001 no weight above .0512")
@says("adamw", "below 1/512")
def test_weights_in_bfloat16_lose_short_steps():
    for start in np.geomspace(1, 2, 20, endpoint=False).tolist():
        start = torch.tensor(start).bfloat16().item()
        for sign in (1, -1):
            assert kept_in_bfloat16("sgd", [sign * start / 513], start, lr=1.0)[0] == start
            assert kept_in_bfloat16("sgd", [sign * start / 255], start, lr=1.0)[0] != start
    assert kept_in_bfloat16("lion", [1.0] * 5, 0.0515)[0] == torch.tensor(0.0515).bfloat16().item()
    assert kept_in_bfloat16("lion", [1.0] * 5, 0.02)[0] < torch.tensor(0.02).bfloat16().item()
    assert kept_in_bfloat16("adamw", [0.0] * 5, 1.5, lr=0.1, decay=10 / 513)[0] == 1.5
    assert kept_in_bfloat16("adamw", [0.0] * 5, 1.5, lr=0.1, decay=10 / 255)[0] < 1.5


def test_l2_decay_in_lion_only_counts_where_it_turns_a_sign():
    rule, stream = l2(RULES["lion"]), [1.0, -2.0, 0.5, 3.0, -1.0]

    def path(decay):
        numbers, found = (1.0, 0.0), []
        for t, g in enumerate(stream, start=1):
            numbers = rule(*numbers[:1], g, t, *numbers[1:], decay=decay)
            found.append(numbers[0])
        return found

    assert path(0.0) == path(0.01)
    assert path(0.0) != path(10.0)


@says("schedule_free_sgd", "x²/2 with noise of 1 and lr 1 the loss at `x` is 13 times")
def test_the_evaluation_weights_of_schedule_free_descent_are_nearer_to_the_minimum():
    weights, evaluated = strays("schedule_free_sgd", 1.0)
    assert round((weights / evaluated) ** 2) == 13


@says("schedule_free_sgd", "between 2 and `2 / (1 - beta)`", "at 10 to 227 times", "over 100 steps")
def test_schedule_free_descent_runs_away_before_it_comes_back():
    path, warmed = (np.abs(down("schedule_free_sgd", 10.0, 1000, warmup_steps=n)) for n in (0, 100))
    assert round(path.max()) == 227
    assert max(path[-1], warmed[-1]) < 1e-6
    assert warmed.max() == 1
    assert np.abs(down("schedule_free_sgd", 1.9, 100)).max() == 1
    assert np.abs(down("schedule_free_sgd", 2.1, 100)).max() > 1
    assert abs(down("schedule_free_sgd", 19.0, 3000)[-1]) < 1e-6
    assert abs(down("schedule_free_sgd", 21.0, 100)[-1]) > 1e6
