"""Contenders: their labels, what a switch is, schedules that tuning scales, and what is refused."""

import math

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from thalweg.errors import InputError
from thalweg.lab.contender import Contender, contenders, peak, scaled, with_hyper
from thalweg.lab.files import find_problem
from thalweg.schedules import SCHEDULES, Schedule, parse

EPOCHS, STEPS = 4, 10


def chosen(optimizers: str) -> tuple[Contender, ...]:
    return contenders(find_problem("linear-regression"), optimizers, EPOCHS, STEPS)


def only(optimizer: str) -> Contender:
    [found] = chosen(optimizer)
    return found


# --- schedules at other values ---

AMOUNT = st.floats(1e-3, 1e3)
COUNT = st.integers(1, 60)
NUMBERS = {"steps": COUNT, "scale": COUNT, "every": COUNT, "warm": st.floats(0, 0.9), "factor": st.floats(0.5, 1.5)}
SCALABLE = {name: family for name, family in SCHEDULES.items() if name != "momentum_annealing"}


def of(name: str, inner: st.SearchStrategy) -> st.SearchStrategy[Schedule]:
    """Schedules of a family: its amounts and its parts may be schedules themselves."""
    family = SCALABLE[name]
    parts = {
        n: NUMBERS.get(n, AMOUNT) if kind.schedules == "refused" else inner | AMOUNT for n, kind in family.kinds.items()
    }
    return st.builds(family, **parts)


SIMPLE = st.one_of(of(name, st.nothing()) for name in SCALABLE)


@pytest.mark.parametrize("name", list(SCALABLE))
@given(st.data(), st.floats(1e-4, 1e4), st.integers(1, 150))
@settings(max_examples=30, deadline=None)
def test_every_value_of_a_scaled_schedule_is_multiplied(name: str, data: st.DataObject, factor: float, t: int) -> None:
    schedule = data.draw(of(name, SIMPLE))
    assert scaled(schedule, factor)(t) == pytest.approx(factor * schedule(t), rel=1e-9, abs=1e-12 * factor)
    assert type(scaled(schedule, factor)) is Schedule and scaled(schedule, 1.0) == schedule


@given(SIMPLE, st.integers(1, 80))
@settings(max_examples=60, deadline=None)
def test_the_peak_is_the_largest_value_of_the_run(schedule: Schedule, steps: int) -> None:
    assert peak(schedule, steps) == max(schedule(t) for t in range(1, steps + 1))


@given(SIMPLE, st.floats(1e-5, 1.0))
@settings(max_examples=40, deadline=None)
def test_a_tuned_schedule_has_the_tuned_value_as_its_peak(schedule: Schedule, rate: float) -> None:
    assume(peak(schedule, EPOCHS * STEPS) < 1e12)
    tuned = with_hyper(only(f"sgd:lr={schedule!r}"), {"lr": rate})
    found = tuned.hyper["lr"]
    assert isinstance(found, Schedule) and found.family is schedule.family
    assert peak(found, EPOCHS * STEPS) == pytest.approx(rate, rel=1e-9)


def test_shares_of_one_are_not_multiplied() -> None:
    for text in ("momentum_annealing()", "linear(momentum_annealing(), 0.9, 10)"):
        with pytest.raises(InputError, match="a schedule that can be tuned by its largest value"):
            scaled(parse(text), 0.5)
    annealed = only("sgd:lr=0.1,momentum=momentum_annealing()")
    assert with_hyper(annealed, {"lr": 0.2}).hyper["rho"] == annealed.hyper["rho"]


def test_a_schedule_lasts_as_long_as_its_optimizer_trains() -> None:
    assert only("adam:lr=cosine(1e-2)").settings["lr"] == "cosine(0.01, 40)"
    assert only("adam:lr=warmup(5,cosine(1e-2))").settings["lr"] == "warmup(5, cosine(0.01, 35))"
    assert only("adam:lr=warmup(5,cosine(1e-2,7))").settings["lr"] == "warmup(5, cosine(0.01, 7))"
    switched = only("adam@1:lr=cosine(1e-2)/sgd:lr=linear(0.1,0)").settings
    assert (switched["lr"], switched["lr@2"]) == ("cosine(0.01, 10)", "linear(0.1, 0.0, 30)")


def test_any_hyperparameter_follows_a_schedule() -> None:
    found = only("adam:betas=(warmup(4,linear(0.5,0.9)),0.99),eps=exponential(1e-4,0.9)").settings
    assert found["beta1"] == "warmup(4, linear(0.5, 0.9, 36))"
    assert found["eps"] == "exponential(0.0001, 0.9)" and found["beta2"] == 0.99
    assert only("sgd:lr=0.1,momentum=linear(0.5,0.9)").settings["rho"] == "linear(0.5, 0.9, 40)"


# --- switches ---


def test_a_switch_is_two_optimizers_in_turn() -> None:
    switched = only("adam@2/sgd:momentum=0.9,lr=0.05")
    assert switched.label == "adam@2/sgd:momentum=0.9,lr=0.05" and switched.rule_name == "adam/momentum"
    assert [(phase.first, phase.rule, phase.arguments["lr"]) for phase in switched.phases] == [
        (1, "adam", 1e-3),
        (3, "momentum", 0.05),
    ]
    assert switched.hyper["lr@3"] == 0.05 and switched.settings["rho@3"] == 0.9
    [note] = switched.notes
    assert note.startswith("changes to momentum with epoch 3: nothing of the state stays")


def test_each_part_of_a_switch_is_tuned_by_itself() -> None:
    tuned = with_hyper(only("adam@1/sgd@2:lr=linear(0.1,0)/adam"), {"lr@2": 0.4, "lr@3": 0.01})
    assert tuned.hyper["lr"] == 1e-3 and tuned.hyper["lr@3"] == 0.01
    assert tuned.settings["lr@2"] == "linear(0.4, 0.0, 10)"
    assert [phase.arguments["beta1"] for phase in tuned.phases if phase.rule == "adam"] == [0.9, 0.9]


# --- labels ---


def test_labels_are_what_was_written(tmp_path) -> None:
    assert [c.label for c in chosen("adam,sgd:lr=0.1,momentum=0.9,l2(adam):decay=1e-4")] == [
        "adam",
        "sgd:lr=0.1,momentum=0.9",
        "l2(adam):decay=1e-4",
    ]
    own = tmp_path / "my_rule.py"
    own.write_text(
        'from thalweg import rule\n@rule("own")\ndef mine(x, g, t, *, lr=0.1):\n    return x - lr * g\n',
        encoding="utf-8",
    )
    assert [c.label for c in chosen(f"{own},{own}:lr=0.2")] == ["mine", "mine:lr=0.2"]
    assert [c.label for c in chosen(f"{own},{own}")] == [str(own), str(own)]  # two that cannot be told apart


def test_a_problem_labels_its_own() -> None:
    problem = find_problem("linear-regression")
    assert [c.label for c in contenders(problem, None, 2, 5)] == [label for label, _ in problem.optimizers]


def test_states_that_start_elsewhere_are_shown() -> None:
    assert only("adagrad:dialect=keras").settings["s_0"] == 0.1


REFUSED = {
    "adam:lr=0": "must be above 0, got 0",
    "adam:lr=constant(0)": "got 0 in all 40, which trains nothing",
    "adam:lr=linear(1,-1)": "in step 22 of its schedule",
    "sgd:momentum=linear(0.5,1.5)": "of its schedule",
    "adam:lr=cosin(0.1)": "did you mean 'cosine'",
    "adam:lr=cosine()": "peak",
    "nesterov_lookahead": "use 'nesterov'",
    "adam@4/sgd": "to begin within 4 epochs, got epoch 5 for sgd",
    "adam@2/sgd@2/adam": "rising",
    "adam@0/sgd": "at least 1 behind '@'",
    "adam@two/sgd": "got 'two'",
    "adam@2/": "the name of an optimizer",
    "adam@2": "expected what follows epoch 2",
    "adam:lr=0.1@2/sgd": "behind an optimizer's name",
    "adam:lr=0.1,lr=0.2": "got 'lr' twice",
    "": "got an empty one",
    "adam:nesterov=cosine(0.1)": "nesterov",
}


@pytest.mark.parametrize("optimizers", list(REFUSED))
def test_what_cannot_train_is_refused_in_a_sentence(optimizers: str) -> None:
    with pytest.raises(InputError, match=REFUSED[optimizers]) as error:
        chosen(optimizers)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("value", [math.nan, math.inf, -1.0])
def test_values_outside_their_range_are_refused(value: float) -> None:
    with pytest.raises(InputError, match="lr of rule 'adam' must be a finite number not below 0"):
        with_hyper(only("adam"), {"lr": value})
