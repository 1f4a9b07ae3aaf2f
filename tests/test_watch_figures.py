"""Each figure against the same thing computed plainly from everything that happened."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import thalweg.torch
import thalweg.watch
from thalweg.watch.figure import NAMES
from watch_runs import Recorded, network, norm, trained

STEPS = 70
PARTS = (0, 1, 2, 3, 4, None)  # five layers, which are in the sample as a whole, and all together


def adam(parameters):
    return thalweg.torch.Adam(parameters, lr=0.01)


def torchs_adam(parameters):
    return torch.optim.Adam(parameters, lr=0.01)


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(
    scope="module",
    params=[(adam, 1), (torchs_adam, 1), (adam, 3), (torchs_adam, 20)],
    ids=lambda p: f"{p[0].__name__}-{p[1]}",
)
def run(request):
    make, every = request.param
    watcher, recorded, _ = trained(make, STEPS, every)
    return watcher.history, recorded, every


def cosine(a, b):
    return (a * b).sum(axis=-1) / (norm(a) * norm(b))


def measured(rows, every):
    return rows[every - 1 :: every]


def check(history, name, expected, every, rtol=2e-5):
    found = history[name]
    for column, part in enumerate(PARTS):
        np.testing.assert_allclose(found[:, column], expected(part), rtol=rtol, atol=2e-6, err_msg=f"{name} {part}")


def test_steps_losses_and_rates(run) -> None:
    history, recorded, every = run
    assert history.steps.tolist() == list(range(every, STEPS + 1, every))
    means = [np.mean(recorded.losses[step - every : step]) for step in history.steps]
    np.testing.assert_allclose(history.loss, means, rtol=1e-6)
    assert [loss for _, loss in history.losses] == recorded.losses[: len(history.losses)]
    np.testing.assert_allclose(history["lr"], 0.01)


def test_norms_are_of_every_coordinate(run) -> None:
    history, recorded, every = run
    x, g, after = (
        {part: measured(recorded.rows(name, part), every) for part in PARTS} for name in ("x", "g", "x_after")
    )
    check(history, "gradient_norm", lambda part: norm(g[part]), every)
    check(history, "weight_norm", lambda part: norm(x[part]), every)
    check(history, "update_norm", lambda part: norm(after[part] - x[part]), every)
    check(history, "update_ratio", lambda part: norm(after[part] - x[part]) / norm(x[part]), every)
    check(history, "descent_cosine", lambda part: cosine(x[part] - after[part], g[part]), every)
    assert (history["nonfinite"] == 0).all() and (history["zero_share"] == 0).all()


def test_moments(run) -> None:
    history, recorded, every = run

    def state(key, part):
        rows = [np.concatenate([e[key] for e in s]) if part is None else s[part][key] for s in recorded.states]
        return measured(np.stack(rows), every)

    check(history, "first_moment", lambda part: np.sqrt((state("exp_avg", part) ** 2).mean(axis=-1)), every)
    check(history, "second_moment", lambda part: np.sqrt(state("exp_avg_sq", part).mean(axis=-1)), every)
    g = {part: measured(recorded.rows("g", part), every) for part in PARTS}
    check(history, "momentum_cosine", lambda part: cosine(state("exp_avg", part), g[part]), every)


def pairs(recorded: Recorded, name: str, part, every: int):
    """Rows of each measured step and of the step before it; NaN before the first."""
    rows = recorded.rows("x_after", part) - recorded.rows("x", part) if name == "update" else recorded.rows(name, part)
    before = np.concatenate([np.full_like(rows[:1], np.nan), rows[:-1]])
    return measured(rows, every), measured(before, every)


def test_angles_between_successive_steps(run) -> None:
    history, recorded, every = run
    check(history, "update_cosine", lambda part: cosine(*pairs(recorded, "update", part, every)), every, 1e-4)
    check(history, "gradient_cosine", lambda part: cosine(*pairs(recorded, "g", part, every)), every)


def test_noise_is_what_successive_gradients_do_not_share(run) -> None:
    history, recorded, every = run

    def expected(part):
        now, before = pairs(recorded, "g", part, every)
        squares = np.nan_to_num((now**2).sum(-1) + (before**2).sum(-1))
        products = np.nan_to_num(2 * (now * before).sum(-1))
        shares = []
        for last in range(1, len(now) + 1):
            begin = max(0, last - 32)
            total = squares[begin:last].sum()
            shares.append(np.clip(1 - products[begin:last].sum() / total, 0, 1) if total else np.nan)
        return shares

    check(history, "gradient_noise", expected, every, 1e-4)


def lowest_autocorrelation(u: np.ndarray) -> float:
    lags = range(1, 17)
    found = [(u[:-k] * u[k:]).sum() / np.sqrt((u[:-k] ** 2).sum() * (u[k:] ** 2).sum()) for k in lags]
    return max(0.0, -min(found))


def test_oscillation_is_minus_the_lowest_autocorrelation_of_a_window(run) -> None:
    history, recorded, every = run
    for column, part in enumerate(PARTS):
        u = recorded.rows("x_after", part) - recorded.rows("x", part)
        found = history["oscillation"][:, column]
        if every == 1:  # blocks of 32, and one of 6, which is too short for a new one
            expected = np.repeat([lowest_autocorrelation(u[:32]), lowest_autocorrelation(u[32:64])], [32, 38])
        else:  # a burst from the first step on, known at step 33, when at every third step a block ends, too
            known = (history.steps > 32) | (every > 1)  # a window stands in all rows of its block
            expected = np.where(known, lowest_autocorrelation(u[:32]), np.nan)
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)


def test_heading_is_the_angle_between_windows(run) -> None:
    history, recorded, every = run
    ends = {1: [32, 64, 70], 3: [33, 66, 69], 20: [20, 40, 60]}[every]
    for column, part in enumerate(PARTS):
        places = recorded.rows("x_after", part)[np.array(ends) - 1]
        expected = cosine(places[2] - places[1], places[1] - places[0])
        assert history["heading_cosine"][-1, column] == pytest.approx(expected, rel=1e-4)
        assert np.isnan(history["heading_cosine"][0, column])


def test_effective_learning_rate_of_adam(run) -> None:
    history, recorded, _ = run
    for column, part in enumerate(PARTS):
        step = int(history.steps[-1])
        second = [entry["exp_avg_sq"] for entry in recorded.states[step - 1]]
        v = np.concatenate(second) if part is None else second[part]
        expected = np.sort(0.01 / (np.sqrt(v / (1 - 0.999**step)) + 1e-8))
        for name, share in (("effective_lr", 0.5), ("effective_lr_low", 0.25), ("effective_lr_high", 0.75)):
            rank = max(int(np.ceil(share * len(v))) - 1, 0)
            near = expected[max(rank - 1, 0) : rank + 2]
            found = history[name][-1, column]
            assert near.min() * (1 - 1e-5) <= found <= near.max() * (1 + 1e-5), (name, part)


def test_every_figure_is_there(run) -> None:
    history, *_ = run
    for name in NAMES:
        assert history[name].shape == (len(history), 6)
        assert name == "fall" or np.isfinite(history[name][-1]).all(), name


def test_nothing_is_lost_or_stale_in_float32(run) -> None:
    history, *_ = run
    assert (history["lost_share"][-1] == 0).all() and (history["stale_share"][-1] == 0).all()
    assert (history["epsilon_share"][-1] == 0).all()


def test_groups_weigh_layers_by_their_elements() -> None:
    """Beyond the sample's size the pooled figures stand for every coordinate."""
    watcher, recorded, _ = trained(adam, 33, model=network(width=60))
    rows = {name: recorded.rows(name, None)[31] for name in ("x", "x_after", "g")}
    past = recorded.rows("g", None)[30]
    exact = cosine(rows["g"], past)
    found = watcher.history["gradient_cosine"][31, -1]
    assert abs(found - exact) < 0.25 and found != pytest.approx(exact, abs=1e-9)
    v = np.concatenate([e["exp_avg_sq"] for e in recorded.states[31]])
    assert watcher.history["second_moment"][31, -1] == pytest.approx(np.sqrt(v.mean()), rel=0.5)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("adam", [torch.optim.Adam, torch.optim.SGD])
def test_weights_that_change_between_steps_are_no_update(adam, dtype) -> None:
    """The copy that a step's sums leave is used for the next step, unless somebody has been at the weights."""

    def halve(x):
        with torch.no_grad():
            x.mul_(0.5)

    def clamp(x):
        x.data.clamp_(-0.01, 0.01)  # of which torch's counter of versions says nothing

    def move(x):
        x.data = x.data.clone() * 1.5

    def leave(x):
        x.grad = None

    done = {5: halve, 9: clamp, 13: move, 17: leave, 18: halve, 19: clamp}
    model = network(dtype)
    optimizer = adam(model.parameters(), lr=0.01)
    expected = []
    with thalweg.watch.attach(optimizer, every=1, model=model, to=()) as watcher:
        for step in range(1, 41):
            optimizer.zero_grad()
            model(torch.randn(4, next(model.parameters()).shape[1], dtype=dtype)).square().mean().backward()
            if step in done:
                done[step](model[0].weight)
            before = [x.detach().double().clone() for x in model.parameters()]
            optimizer.step()
            pairs = zip(model.parameters(), before, strict=True)
            expected.append([(float(old.norm()), float((x.detach().double() - old).norm())) for x, old in pairs])
    weights, updates = np.moveaxis(np.array(expected), -1, 0)
    updates[16, 0] = weights[16, 0] = np.nan
    for name, wanted in (("weight_norm", weights), ("update_norm", updates)):
        found = watcher.history[name][:, : wanted.shape[1]]
        np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-9)
