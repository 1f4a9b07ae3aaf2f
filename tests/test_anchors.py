"""Published figures of the field, found again with the catalogue's rules and the lab's own loop."""

import itertools
import math

import numpy as np
import pytest

import thalweg
from problem_runs import trained
from thalweg.lab.batches import data_order
from thalweg.lab.problems.noisy_quadratic import PROBLEM, curvature, load
from thalweg.lab.run import evaluate

# DeepOBS' baselines (10 seeds): the mean and the standard deviation of the last test loss at the tuned learning rate.
PUBLISHED = {"sgd": (87.3975, 0.1690), "momentum": (87.0450, 0.0252), "adam": (87.1119, 0.0242)}
# A NumPy replica of them (10 seeds) that reshuffles: at the published rates, and at those tuned again.
RESHUFFLED = [
    ("sgd", 0.01585, 87.51, 0.21),
    ("momentum", 0.002512, 88.79, 1.14),
    ("adam", 0.03981, 87.25, 0.08),
    ("sgd", 0.01, 87.400, 0.107),
    ("momentum", 6.31e-4, 87.474, 0.188),
    ("adam", 6.31e-2, 87.381, 0.187),
]
GRID = np.logspace(-5, 2, 36)  # DeepOBS' learning rates
RATES = {"sgd": 0.01585, "momentum": 0.002512, "adam": 0.03981}
SETTINGS = {"sgd": {}, "momentum": {"rho": 0.99}, "adam": {}}


def written(rule, lr):
    return ",".join([f"{rule}:lr={lr}", *(f"{name}={value}" for name, value in SETTINGS[rule].items())])


def assert_agrees(losses, mean, deviation, errors=3.5):
    """Two samples of ten have one mean, as far as so many standard errors of its difference can tell."""
    error = math.hypot(losses.std(ddof=1), deviation) / math.sqrt(len(losses))
    assert abs(losses.mean() - mean) < errors * error, (losses.mean(), losses.std(ddof=1), mean, deviation)


def descended(rule, lr, seeds, order):
    """The last test loss of each seed as `run` has it, all seeds at once and in float64, by the same rule."""
    parts = [load(None, seed) for seed in seeds]
    minima, size = np.stack([part.train[0] for part in parts]), PROBLEM.batch_size

    def batches():
        for epoch in itertools.count(1):
            if epoch == 1 or order == "reshuffled":
                orders = np.stack([data_order(seed, epoch, minima.shape[1]) for seed in seeds])
                shuffled = np.take_along_axis(minima, orders[:, :, None], axis=1)
                means = shuffled.reshape(len(seeds), -1, size, 100).mean(axis=2).swapaxes(0, 1)
            yield from means

    coming = batches()
    steps = PROBLEM.epochs * minima.shape[1] // size
    start = np.ones((len(seeds), 100))
    with np.errstate(over="ignore", invalid="ignore"):
        path = thalweg.minimize(
            rule, lambda x: (x - next(coming)) @ curvature(), start, steps=steps, lr=lr, **SETTINGS[rule]
        )
        away = path[-1][:, None] - parts[0].test[0]
        return 0.5 * ((away @ curvature()) * away).sum(axis=2).mean(axis=1)


def test_the_quadratic_starts_where_deepobs_starts():
    _, loss = evaluate(PROBLEM.model(0), PROBLEM, load(None, 0).test)
    assert loss == pytest.approx(353.44677, abs=2e-4)  # float32


@pytest.mark.parametrize("rule", RATES)
@pytest.mark.parametrize("order", ["repeated", "reshuffled"])
def test_all_seeds_at_once_are_the_runs_of_the_lab(rule, order):
    one = trained(PROBLEM, written(rule, RATES[rule]), 42, order=order)
    assert one.epochs[-1].loss == pytest.approx(descended(rule, RATES[rule], [3, 42], order)[1], rel=1e-5)
    orders = {epoch.order_digest for epoch in one.epochs}
    assert len(orders) == (1 if order == "repeated" else PROBLEM.epochs)


@pytest.mark.parametrize(("rule", "published"), PUBLISHED.items())
@pytest.mark.parametrize("first_seed", [0, 42])
def test_repeating_one_order_gives_the_published_losses(rule, published, first_seed):
    seeds = range(first_seed, first_seed + 10)
    assert_agrees(descended(rule, RATES[rule], seeds, "repeated"), *published)


@pytest.mark.parametrize(("rule", "published"), PUBLISHED.items())
@pytest.mark.slow
def test_runs_of_the_lab_give_the_published_losses_too(rule, published):
    runs = [trained(PROBLEM, written(rule, RATES[rule]), seed, order="repeated") for seed in range(10)]
    assert_agrees(np.array([one.epochs[-1].loss for one in runs]), *published)


@pytest.mark.parametrize(("rule", "lr", "mean", "deviation"), RESHUFFLED)
def test_reshuffling_gives_the_honest_losses(rule, lr, mean, deviation):
    assert_agrees(descended(rule, lr, range(10), "reshuffled"), mean, deviation)


def best_on_grid(rule, seeds, grid, order="repeated"):
    means = np.array([descended(rule, lr, seeds, order).mean() for lr in grid])
    return grid[np.argmin(np.where(np.isfinite(means), means, np.inf))]


@pytest.mark.parametrize(("rule", "published"), RATES.items())
@pytest.mark.slow
def test_the_grid_finds_the_published_learning_rates_on_one_repeated_order(rule, published):
    # DeepOBS tunes on one seed. Others than 42 find this rate or a neighbour: see the test below.
    assert best_on_grid(rule, [42], GRID) == pytest.approx(published, rel=1e-3)


@pytest.mark.parametrize(("rule", "published"), RATES.items())
@pytest.mark.slow
def test_ten_repeated_orders_agree_with_the_published_learning_rates_to_a_point_of_the_grid(rule, published):
    place = int(np.argmin(abs(np.log(GRID / published))))
    best = best_on_grid(rule, range(10), GRID[place - 2 : place + 3])
    assert GRID[place - 1] <= best <= GRID[place + 1]


@pytest.mark.slow
def test_reshuffling_takes_a_smaller_learning_rate_for_momentum():
    near = GRID[(GRID > 1e-4) & (GRID < 4e-3)]
    assert best_on_grid("momentum", range(10), near, "reshuffled") < RATES["momentum"] / 2


# Wilson et al. 2017, section 3.3: the first feature is the label, the next two are always there, and every sample has
# features that no other has, one if it is positive and five if it is negative.


def wilson(samples, positive, random):
    labels = np.where(random.uniform(size=samples) < positive, 1.0, -1.0)
    features = np.zeros((samples, 3 + 5 * samples))
    features[:, 0], features[:, 1:3] = labels, 1
    for place, label in enumerate(labels):
        features[place, 3 + 5 * place :][: 1 if label > 0 else 5] = 1
    return features, labels


def wilson_errors(rule, **hyper):
    """Least squares from zero: the share of wrong signs on 200 samples and on 10,000 fresh ones, and the weights."""
    random = np.random.RandomState(0)
    features, labels = wilson(200, 0.7, random)
    fresh = np.where(random.uniform(size=10_000) < 0.7, 1.0, -1.0)
    start = np.zeros(features.shape[1])
    weights = thalweg.minimize(rule, lambda w: features.T @ (features @ w - labels) / 200, start, steps=1500, **hyper)[
        -1
    ]
    # What only a fresh sample has was 0 in training, had no gradient, and has weight 0.
    guesses = weights[0] * fresh + weights[1] + weights[2]
    wrong = np.sign(guesses) != fresh
    return (np.sign(features @ weights) != labels).mean(), wrong.mean(), (fresh < 0).mean(), weights


@pytest.mark.parametrize(("rule", "hyper"), [("sgd", {"lr": 0.3}), ("momentum", {"lr": 0.1, "rho": 0.9})])
def test_wilson_descent_makes_no_error_on_fresh_samples(rule, hyper):
    train, test, _, weights = wilson_errors(rule, **hyper)
    assert (train, test) == (0, 0)
    assert weights[0] > 10 * abs(weights[1:]).max()


@pytest.mark.parametrize(("rule", "lr"), [("adagrad", 0.1), ("rmsprop", 0.001), ("adam", 0.001)])
def test_wilson_adaptive_methods_get_every_fresh_negative_wrong(rule, lr):
    train, test, negatives, weights = wilson_errors(rule, lr=lr)
    assert train == 0
    assert test == negatives == pytest.approx(0.3, abs=0.015)  # three standard errors of a share among 10,000
    assert weights[:3] == pytest.approx([0.25] * 3, abs=1e-5)
    assert abs(weights[weights != 0]) == pytest.approx(0.25, abs=1e-5)


def reddi(rule, steps):
    """Where online descent on [-1, 1] ends, the gradient being 1010 in one step of 101, else -10: best would be -1."""
    formula = thalweg.RULES[rule]
    x, state = 0.0, [0.0] * len(formula.state)
    for t in range(1, steps + 1):
        gradient = 1010.0 if t % 101 == 1 else -10.0
        x, *state = formula(x, gradient, t, *state, lr=0.5 / math.sqrt(t), beta1=0.9, beta2=0.99)
        x = min(1.0, max(-1.0, x))
    return x


WHOLE_ROUNDS = 101 * 990  # steps: Adam is at the worst point when a round ends, and a bit off it after each 1010


def test_reddi_adam_ends_at_the_worst_point_and_amsgrad_near_the_best():
    assert reddi("adam_uncorrected", WHOLE_ROUNDS) == reddi("adam", WHOLE_ROUNDS) == 1
    assert reddi("amsgrad_uncorrected", 10**5) == pytest.approx(-0.9842, abs=5e-5)


@pytest.mark.slow
def test_reddi_more_steps_bring_amsgrad_nearer_and_adam_not():
    assert reddi("adam_uncorrected", 10**6) == 1
    assert reddi("amsgrad_uncorrected", 10**6) == pytest.approx(-0.9973, abs=5e-5)


# Choi et al. 2019: with a huge epsilon, and a learning rate that grows with it, an adaptive method is momentum.

INCLUDED = {
    "RMSprop is the heavy ball": ("rmsprop_momentum", {"mu": 0.9}, {"lr": 0.01, "rho": 0.9}),
    "Adam is momentum": ("adam_uncorrected", {"beta1": 0.9}, {"lr": 0.001, "rho": 0.9}),
}


@pytest.mark.parametrize(("rule", "hyper", "plain"), INCLUDED.values(), ids=INCLUDED)
def test_choi_the_difference_to_momentum_falls_as_epsilon_grows(rule, hyper, plain):
    curvatures = np.linspace(0.01, 0.25, 20)

    def path(rule, **hyper):
        return thalweg.minimize(rule, lambda x: curvatures * x, np.ones(20), steps=200, **hyper)

    ball = path("momentum", **plain)
    apart = {eps: abs(path(rule, lr=0.01 * eps, eps=eps, **hyper) - ball).max() for eps in (1, 1e2, 1e4, 1e8)}
    assert 1e-3 < apart[1] < 0.1
    assert apart[1e2] * 1e2 == pytest.approx(apart[1], rel=0.2)
    assert apart[1e4] * 1e4 == pytest.approx(apart[1e2] * 1e2, rel=0.01)
    assert apart[1e8] * 1e8 == pytest.approx(apart[1e4] * 1e4, rel=1e-3)
