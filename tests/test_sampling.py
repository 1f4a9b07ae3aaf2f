"""Where trials lie: the ranges of hyperparameters, and Optuna's samplers behind pure functions."""

import math
import random
import subprocess
import sys
from pathlib import Path
from statistics import mean

import optuna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import thalweg
from thalweg.errors import InputError
from thalweg.lab.sampling import Seen, grid, quasi_random, tree_parzen
from thalweg.lab.space import DEFAULTS, Range, Scale, Side, parse_ranges, ranges
from thalweg.lab.trials import Plan, Tried
from thalweg.lab.tuning import replay
from thalweg.rules import RULES
from thalweg.rules.hyper import checked

HISTORY = tuple(Seen((place,), (place - 0.3) ** 2, 5, True) for place in (0.05, 0.25, 0.5, 0.7, 0.95))


def test_quasi_random_places_are_one_sequence_that_fills_the_cube() -> None:
    places = quasi_random(2, 64, seed=3)
    assert quasi_random(2, 16, seed=3) == places[:16] != quasi_random(2, 16, seed=4)
    assert quasi_random.__wrapped__(2, 64, 3) == places
    for side in range(2):
        assert sorted(int(64 * place[side]) for place in places) == list(range(64))


def test_tpe_is_pure_and_its_rounds_differ() -> None:
    places = tree_parzen(HISTORY, 1, 4, seed=1, number=2)
    assert tree_parzen.__wrapped__(HISTORY, 1, 4, 1, 2) == places
    assert len({*places, *tree_parzen(HISTORY, 1, 4, 1, 3), *tree_parzen(HISTORY, 1, 4, 2, 2)}) == 12
    assert all(0 <= place[0] <= 1 and type(place[0]) is float for place in places)


def test_tpe_keeps_away_from_what_stopped_or_diverged() -> None:
    bad = tuple(Seen((place,), None, 0, False) for place in (0.8, 0.9, 0.95, 1.0))
    slow = tuple(Seen((place,), 9.0, 4, False) for place in (0.6, 0.65, 0.7))
    good = tuple(Seen((place,), (place - 0.2) ** 2, 10, True) for place in (0.1, 0.15, 0.2, 0.25, 0.4))
    places = [place[0] for seed in range(10) for place in tree_parzen(bad + slow + good, 1, 4, seed, 1)]
    assert sum(place < 0.5 for place in places) > 0.75 * len(places)


def test_tpe_finds_more_than_chance_does() -> None:
    def loss(place: tuple[float, ...]) -> float:
        return math.hypot(place[0] - 0.37, place[1] - 0.81)

    def tuned(seed: int) -> float:
        plan = Plan("tpe", 40, {"lr": Range(1e-4, 1.0), "eps": Range(1e-8, 1e-4)}, 1, 1, seed)
        found = replay(plan, lambda p: Tried("finished", (loss((spot(p.hyper, "lr"), spot(p.hyper, "eps"))),)))
        return min(tried.metrics[-1] for _, tried in found.tried)

    def spot(hyper: dict[str, float], name: str) -> float:
        return (math.log10(hyper[name]) + (4 if name == "lr" else 8)) / 4

    chance = [random.Random(seed) for seed in range(12)]
    blind = mean(min(loss((draw.random(), draw.random())) for _ in range(40)) for draw in chance)
    assert mean(tuned(seed) for seed in range(12)) < 0.6 * blind


FACTORIALS = [(1, 1, [1]), (20, 2, [5, 4]), (3, 2, [2, 1]), (30, 3, [3, 3, 3])]


@pytest.mark.parametrize(("trials", "sides", "expected"), FACTORIALS)
def test_a_grid_is_a_full_factorial(trials: int, sides: int, expected: list[int]) -> None:
    places = grid(trials, sides)
    assert [len({place[side] for place in places}) for side in range(sides)] == expected
    assert len(places) == len(set(places)) == math.prod(expected) <= trials


def test_a_grid_is_spaced_on_the_log_scale_and_begins_at_its_corners() -> None:
    plan = Plan("grid", 9, {"lr": Range(1e-4, 1.0)}, 1, 1, 0)
    found = replay(plan, lambda p: Tried("finished", (abs(math.log10(p.hyper["lr"] / 0.01)),)))
    rates = [proposal.hyper["lr"] for proposal, _ in found.tried]
    assert rates[:3] == [1e-4, 1.0, 0.01]
    assert sorted(rates) == [1e-4, 3.16e-4, 1e-3, 3.16e-3, 0.01, 0.0316, 0.1, 0.316, 1.0]


def test_optuna_is_as_silent_and_as_loud_as_before(capfd: pytest.CaptureFixture[str]) -> None:
    optuna.logging.set_verbosity(optuna.logging.INFO)
    tree_parzen.__wrapped__(HISTORY, 1, 2, 5, 5)
    quasi_random.__wrapped__(1, 4, 77)
    assert capfd.readouterr() == ("", "")
    assert optuna.logging.get_verbosity() == optuna.logging.INFO


def test_optuna_is_imported_late_and_in_one_file() -> None:
    program = "import sys, thalweg.lab.tuning; sys.exit('optuna' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], timeout=120).returncode == 0
    files = Path(thalweg.__file__).parent.rglob("*.py")
    assert [file.name for file in files if "import optuna" in file.read_text(encoding="utf-8")] == ["sampling.py"]


@pytest.mark.parametrize("name", sorted({name for rule in RULES.values() for name in rule.hyper}))
def test_every_hyperparameter_has_a_range_that_its_rules_allow_however_far_it_grows(name: str) -> None:
    sides: tuple[Side, Side] = ("low", "high")
    limits = DEFAULTS[name]
    for _ in range(12):
        for rule in (rule for rule in RULES.values() if name in rule.hyper):
            for end in (limits.low, limits.high, *(value for side in sides for value in limits.outside(side, 3))):
                checked(rule, {name: end})
        limits = limits.grown("low").grown("high")


def range_of(scale: Scale, low: float, width: float) -> Range:
    high = low * 2**width
    return Range(1 - low, 1 - low / 2**width, scale) if scale == "below_one" else Range(low, high, scale)


WIDE = st.builds(range_of, st.sampled_from(["log", "below_one", "linear"]), st.floats(1e-6, 1.0), st.floats(1e-4, 6.0))


@settings(max_examples=200, deadline=None)
@given(WIDE, st.floats(0, 1))
def test_places_and_values_agree(limits: Range, place: float) -> None:
    value = limits.at(place)
    assert limits.low <= value <= limits.high
    assert limits.place(value) == pytest.approx(place, abs=1e-6)
    assert limits.low <= limits.short(value) <= limits.high
    assert abs(limits.place(limits.short(value)) - place) < 0.02
    grown = limits.grown("high").grown("low")
    assert all(grown.low <= new < limits.low for new in limits.outside("low", 3) if limits.grown("low") != limits)
    assert all(grown.high >= new > limits.high for new in limits.outside("high", 3) if limits.grown("high") != limits)


def test_ranges_are_the_same_for_every_optimizer() -> None:
    adam, momentum = RULES["adam"].hyper, RULES["momentum_velocity"].hyper
    assert ranges(adam, "lr,beta1,eps") == {name: DEFAULTS[name] for name in ("lr", "beta1", "eps")}
    assert ranges(momentum, ["lr", "beta1"]) == {"lr": DEFAULTS["lr"]}
    assert ranges(adam, "beta1,lr", {"lr": (1e-6, 1)}) == {"beta1": DEFAULTS["beta1"], "lr": Range(1e-6, 1.0)}
    assert ranges(adam, "lr,gamma", "gamma=.1:9", known=["gamma"]) == {"lr": DEFAULTS["lr"]}
    assert ranges(["gamma", "shift"], "gamma,shift", "gamma=.1:9,shift=-1:1") == {
        "gamma": Range(0.1, 9.0),
        "shift": Range(-1.0, 1.0, "linear"),
    }
    assert parse_ranges("") == {}


@pytest.mark.parametrize(
    ("wanted", "overrides", "message"),
    [
        ("lrr", "", "'lrr': did you mean 'lr'"),
        ("", "", "expected hyperparameters to tune, got ''"),
        ("lr,", "", "expected hyperparameters to tune"),
        ([], "", r"got \[\]"),
        ("mu", "", "expected something to tune among 'lr', 'beta1', 'beta2', 'eps', got 'mu'"),
        ("lr", "beta1=.5:.9", "got one of 'beta1': name it among those to tune"),
        ("lr", "lr=1:1", "from a smaller to a larger finite number, got 1.0:1.0"),
        ("lr", "lr=2:1", "from a smaller to a larger"),
        ("lr", "lr=1e-3:inf", "from a smaller to a larger finite number"),
        ("lr", "lr=nan:1", "from a smaller to a larger finite number"),
        ("lr", "lr=0:1", "above 0, since it is drawn on a log scale"),
        ("lr", "lr=-1:1", "lr must be a finite number not below 0"),
        ("beta1", "beta1=.5:1", "beta1 must be a number below 1 and not below 0, got a range of it with 1.0"),
        ("lr", "lr=1e-3", "expected the range of 'lr' as two numbers, got '1e-3'"),
        ("lr", "lr=1:2:3", "as two numbers"),
        ("lr", "lr", "as two numbers"),
        ("lr", "lr=a:b", "as two numbers, got 'a:b'"),
        ("lr", {"lr": 3}, "as two numbers, got '3'"),
        ("lr", "lr=1:2,lr=1:3", "expected one range for 'lr', got two"),
        ("lr", "lr=1:1.0000000001", "with ends apart"),
    ],
)
def test_what_cannot_be_tuned_is_refused(wanted: str, overrides: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        ranges(RULES["adam"].hyper, wanted, overrides)


def test_a_hyperparameter_of_ones_own_needs_a_range() -> None:
    with pytest.raises(InputError, match="'gamma' has no range of its own to be tuned in: give one"):
        ranges(["gamma"], "gamma")
