"""The learning-rate finder: what it finds, what it leaves alone, when it is not sure, and what it refuses."""

import itertools
import math

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import thalweg
from thalweg.lab.finder import HIGHEST, LOWEST, Rung, answer, lengths, search
from thalweg.lab.rate import FoundRate, find_lr

pytestmark = pytest.mark.usefixtures("one_thread")


def plane(samples: int = 240) -> tuple[np.ndarray, np.ndarray]:
    """Three kinds of points in the plane."""
    rng = np.random.default_rng(0)
    targets = np.arange(samples) % 3
    centres = np.array([[0, 2], [2, -1], [-2, -1]], dtype=np.float32)
    return (centres[targets] + rng.standard_normal((samples, 2))).astype(np.float32), targets


def network(seed: int = 0, *extra: nn.Module) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return nn.Sequential(nn.Linear(2, 16), *extra, nn.ReLU(), nn.Linear(16, 3))


def cross_entropy(model: nn.Module, batch) -> torch.Tensor:
    return nn.functional.cross_entropy(model(batch[0]), batch[1])


class Weights(nn.Module):
    """Weights and nothing else."""

    def __init__(self, start: list[float]) -> None:
        super().__init__()
        self.x = nn.Parameter(torch.tensor(start, dtype=torch.float64))


def bowl(model: Weights, batch) -> torch.Tensor:
    """Curvatures 1 and 4: gradient descent diverges above .5, and is fastest at 2 / (1 + 4)."""
    return 0.5 * (model.x**2 * torch.tensor([1.0, 4.0])).sum()


def found(rule="adam", *, data=None, model=None, **options) -> FoundRate:
    return find_lr(model or network(), cross_entropy, plane() if data is None else data, rule, epochs=15, **options)


# the method


@pytest.mark.parametrize("lowest", [-25.3, -12.0, -5.4, 0.2, 13.8])
def test_the_search_finds_the_lowest_place_wherever_it_lies(lowest: float) -> None:
    rungs = search(lambda place, steps: (place - lowest) ** 2, (4, 8, 16))
    assert [rung.steps for rung in rungs] == [4, 8, 16]
    assert [rung.bottom for rung in rungs] == pytest.approx([lowest] * 3, abs=0.15)


def test_the_search_follows_a_best_rate_that_falls_and_a_wall_above_it() -> None:
    def score(place: int, steps: int) -> float:
        best = 6 - 3 * math.log2(steps)
        return math.inf if place > best + 1 else abs(place - best)

    assert [rung.best for rung in search(score, (2, 4, 8))] == [3, 0, -3]


@pytest.mark.parametrize(("budget", "most"), [(None, 3 * 6400), (6400, 6400), (900, 900)])
def test_the_search_costs_less_than_its_budget(budget: int | None, most: int) -> None:
    """Without any divergence, which would save some more."""
    reached: dict[int, int] = {}

    def score(place: int, steps: int) -> float:
        reached[place] = steps
        return (place + 6.4) ** 2

    search(score, lengths(6400, budget))
    assert 0.5 * most < sum(reached.values()) < most


def test_lengths_never_exceed_what_is_planned() -> None:
    for planned in (1, 2, 7, 64, 1000):
        for budget in (None, 1, 50, 10**6):
            found = lengths(planned, budget)
            assert found == sorted(set(found))
            assert found[0] >= 1 and found[-1] <= planned


def rungs_at(*bottoms: float, depth: float = 1.0, best: tuple[float, ...] = (1.0, 0.7, 0.5)) -> list[Rung]:
    """Parabolas, of 10, 40 and 80 steps."""
    return [
        Rung(steps, {p: low + depth * (p - bottom) ** 2 for p in range(round(bottom) - 2, round(bottom) + 3)})
        for steps, bottom, low in zip((10, 40, 80), bottoms, best, strict=True)
    ]


def test_the_longer_the_training_the_lower_the_rate() -> None:
    places = [answer(rungs_at(-6, -6, -6), 3.0, planned).place for planned in (80, 160, 640)]
    assert places == pytest.approx([-6, -6.25, -6.75])
    falling = answer(rungs_at(-5, -6, -7), 3.0, 640)
    settled = answer(rungs_at(-6, -6, -6, best=(1.0, 0.5, 0.499)), 3.0, 640)
    assert falling.sure and falling.place < -7.75 - 0.5
    assert settled.sure and settled.place == pytest.approx(-7.5)  # and no farther


def test_the_third_rung_tempers_what_the_last_foretells() -> None:
    """The same last rungs: with a rung before them that agrees, and with one that is far below."""
    first, third, last = rungs_at(-6, -6, -6)
    low = rungs_at(-8, -8, -8)[1]
    alone, agreeing, differing = (
        answer(rungs, 3.0, 160).place
        for rungs in ([third, last], [first, first, third, last], [first, first, low, last])
    )
    assert differing < agreeing - 0.3
    assert abs(agreeing - alone) < 0.2
    assert answer([first, first, low, last], 3.0, 80).place == pytest.approx(-6)  # nothing is left to foretell


def test_a_guess_where_higher_rates_change_nothing_is_a_modest_one() -> None:
    """As AdaGrad's, whose first step is as long as the rate says, on what is convex."""
    places = range(-6, HIGHEST + 1)
    rungs = [Rung(steps, {p: 1.0 + 4.0 ** -(p + 6) - 1e-6 * p for p in places}) for steps in (10, 40, 80)]
    given = answer(rungs, 8.0, 640)
    assert not given.sure
    assert -6 < given.place < 0


@pytest.mark.parametrize(
    ("rungs", "start", "planned", "said"),
    [
        (rungs_at(-6, -6, -6, depth=1e-4), 3.0, 640, "did equally well"),
        (rungs_at(-6, -6, -6), 0.5, 640, "no training at all"),
        (rungs_at(-6, -6, -6, best=(1.0, 0.5, 0.6)), 3.0, 640, "is worse than"),
        (rungs_at(-6, -6, -9), 3.0, 640, "moved from"),
        (rungs_at(-6, -6, -4.8), 3.0, 640, "moved from"),
        (rungs_at(-6, -6, -6), 3.0, 6400, "larger budget"),
        ([Rung(80, {-1: 0.9, 0: 0.5, 1: 0.9, 2: 0.6, 3: 0.9})], 3.0, 640, "no one lowest point"),
        ([Rung(80, {LOWEST: 0.5, LOWEST + 1: 0.9})], 3.0, 640, "edge"),
        ([Rung(80, {LOWEST: math.inf, LOWEST + 1: math.inf})], 3.0, 640, "diverged"),
    ],
)
def test_doubts(rungs: list[Rung], start: float, planned: int, said: str) -> None:
    given = answer(rungs, start, planned)
    assert not given.sure
    assert said in given.reason


def test_a_constant_added_to_the_loss_changes_nothing_where_it_is_no_smaller() -> None:
    for add in (0.0, 3.0, 1000.0):
        rungs = [Rung(r.steps, {p: s + 5 + add for p, s in r.scores.items()}) for r in rungs_at(-6, -6.5, -7)]
        assert answer(rungs, 8.0 + add, 640) == answer(
            [Rung(r.steps, {p: s + 5 for p, s in r.scores.items()}) for r in rungs_at(-6, -6.5, -7)], 8.0, 640
        )


# what it finds


def test_gradient_descent_on_a_quadratic() -> None:
    """Where the best rate is known, 2 / 5, and everything above 1 / 2 diverges."""
    for start, epochs in itertools.product(([1.0, 1.0], [-3.0, 0.1]), (20, 100, 200)):
        result = find_lr(Weights(start), bowl, [None], "sgd", epochs=epochs)
        assert result.sure
        assert 0.4 / 3 < result.lr < 0.5
        assert all(math.isinf(t.last[1]) or t.last[1] > 1e3 for t in result.curve if t.lr > 1.1)


def test_the_scale_of_the_loss_moves_the_rate_of_sgd_and_not_that_of_adam() -> None:
    def scaled(model: nn.Module, batch) -> torch.Tensor:
        return 1000 * cross_entropy(model, batch)

    rates = {}
    for rule in ("sgd", "adam"):
        plain = found(rule)
        rates[rule] = find_lr(network(), scaled, plane(), rule, epochs=15).lr / plain.lr
    assert rates["sgd"] == pytest.approx(1e-3, rel=0.05)
    assert rates["adam"] == pytest.approx(1.0, rel=0.05)


def test_longer_trainings_get_lower_rates() -> None:
    short, long = (find_lr(network(), cross_entropy, plane(), "adam", epochs=e, budget=160) for e in (10, 80))
    assert long.lr < short.lr


@pytest.mark.parametrize("name", sorted(set(thalweg.RULES) - {"nesterov_lookahead"}))
def test_every_rule_gets_an_answer(name: str) -> None:
    result = found(name, budget=100)
    assert 1e-9 <= result.lr <= 1e5
    assert result.reason
    assert result.sure in (True, False)


def test_rules_as_the_torch_face_takes_them() -> None:
    plain = found("sgd", budget=150)
    assert found(thalweg.RULES["sgd"], budget=150) == plain
    assert found("sgd", momentum=0.9, budget=150).lr < plain.lr
    assert found("sgd", clip_norm=1e-3, budget=150).lr > 10 * plain.lr


def test_a_rule_of_ones_own() -> None:
    @thalweg.rule("of this test")
    def twice_sgd(x, g, t, *, lr=0.01):
        return x - 2 * lr * g

    assert found(twice_sgd, budget=150).lr == pytest.approx(found("sgd", budget=150).lr / 2, rel=0.35)


# what it reads


def as_lists(size: int = 24) -> list[tuple[torch.Tensor, torch.Tensor]]:
    inputs, targets = (torch.from_numpy(a) for a in plane())
    return list(zip(inputs.split(size), targets.split(size), strict=True))


def test_every_kind_of_batches_gives_about_the_same_rate() -> None:
    inputs, targets = (torch.from_numpy(a) for a in plane())
    samples = TensorDataset(inputs, targets)
    kinds = {
        "arrays": plane(),
        "tensors": (inputs, targets),
        "data set": samples,
        "loader": DataLoader(samples, batch_size=24, shuffle=True),
        "ordered loader": DataLoader(samples, batch_size=24),
        "list": as_lists(),
        "stream": iter(as_lists()),
    }
    rates = {kind: found(data=given, batch_size=24, budget=150).lr for kind, given in kinds.items()}
    assert rates["arrays"] == rates["tensors"] == rates["data set"]
    assert rates["list"] == rates["stream"]
    assert max(rates.values()) / min(rates.values()) < 3


def test_validation_is_what_judges() -> None:
    """Samples with the wrong targets: no training makes them better."""
    inputs, targets = plane()
    result = found(validation=(inputs, (targets + 1) % 3))
    assert not result.sure
    assert "no training at all" in result.reason


def test_a_fifth_is_held_out() -> None:
    seen: set[float] = set()

    def watched(model: nn.Module, batch) -> torch.Tensor:
        if model.training:
            seen.update(batch[0][:, 0].tolist())
        return cross_entropy(model, batch)

    samples = TensorDataset(*map(torch.from_numpy, plane()))
    for given in (plane(), as_lists(), DataLoader(samples, batch_size=24, shuffle=True)):
        seen.clear()
        find_lr(network(), watched, given, "adam", batch_size=24)
        assert len(seen) == 192
