"""Schedules where no torch argument is near: `minimize`, the command line's grammar, and the lab's runs."""

import json
import math
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import thalweg
from lab_runs import TINY, planned, specs_of, train_here, without_times
from thalweg.compile import numpy as reference
from thalweg.compile.trace import trace
from thalweg.errors import InputError
from thalweg.lab import store
from thalweg.lab.batches import data_order
from thalweg.lab.comparison import comparison
from thalweg.lab.drive import drive
from thalweg.lab.engines.local import processes
from thalweg.lab.files import find_problem
from thalweg.lab.grammar import parse_arguments, parse_optimizers
from thalweg.lab.run import Run
from thalweg.lab.spec import DECIDING, RunSpec, written
from thalweg.lab.study import Study
from thalweg.rules.hyper import numbers_at
from thalweg.rules.setting import resolve
from thalweg.schedules import SCHEDULES, Schedule, cosine, linear, momentum_annealing, parse

STEPS = 18  # of the tiny problem: three epochs of six batches


def plan(optimizers: str, **options: Any) -> Study:
    return planned(optimizers, **{"epochs": 3, **options})


def spec_of(optimizers: str) -> RunSpec:
    return specs_of(plan(optimizers))[0]


def hyper_of(spec: RunSpec) -> dict[str, Any]:
    return dict(spec.phases[0].hyper)


def test_schedules_are_reached_from_the_package_and_not_loaded_with_it() -> None:
    check = (
        "import sys, thalweg; before = 'thalweg.schedules' in sys.modules; value = thalweg.schedules.cosine(0.1, 9)(1);"
        "print(before, value, [n for n in ('numpy', 'torch', 'numba') if n in sys.modules])"
    )
    printed = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True).stdout
    assert printed.strip() == "False 0.1 []"


# --- minimize


def bowl(x: np.ndarray) -> np.ndarray:
    return np.array([1.0, 30.0]) * x


def test_minimize_takes_the_value_of_every_step() -> None:
    """Against the reference's own steps, each with the numbers that the formulas of the two schedules give."""
    path = thalweg.minimize("adam", bowl, [1.0, -2.0], steps=30, lr=cosine(0.1, 20), beta1=lambda t: 0.9 - 0.4 / t)
    rule = thalweg.RULES["adam"]
    x, m, v = np.array([1.0, -2.0]), np.zeros(2), np.zeros(2)
    for t in range(1, 31):
        numbers = {
            **rule.hyper,
            "lr": 0.1 * (1 + math.cos(math.pi * min(t - 1, 20) / 20)) / 2,
            "beta1": 0.9 - 0.4 / t,
        }
        x, m, v = reference.step(trace(rule), {"x": x, "g": bowl(x), "m": m, "v": v}, t, numbers)
        assert np.allclose(path[t], x, rtol=1e-12, atol=1e-15), t
    assert np.array_equal(path[20], path[30]), "the rate is 0 from step 21 on"
    assert not np.array_equal(path[19], path[20])


@pytest.mark.parametrize("name", ["adam", "nesterov_lookahead", "irprop_minus", "decoupled(adam)"])
def test_a_constant_schedule_is_its_number(name: str) -> None:
    plain = thalweg.minimize(name, bowl, [1.0, -2.0], lr=0.02)
    assert np.array_equal(thalweg.minimize(name, bowl, [1.0, -2.0], lr=parse("constant(0.02)")), plain)
    assert np.array_equal(thalweg.minimize(name, bowl, [1.0, -2.0], lr=lambda t: 0.02), plain)


def test_the_look_ahead_uses_the_momentum_of_the_step() -> None:
    seen: list[float] = []

    def gradient(x: np.ndarray) -> np.ndarray:
        seen.append(float(x))
        return np.ones_like(x)

    path = thalweg.minimize("nesterov_lookahead", gradient, 1.0, steps=2, lr=0.1, mu=lambda t: 0.5 if t == 1 else 0.25)
    assert seen == pytest.approx([1.0, 0.9 + 0.25 * (path[1] - path[0])])


def test_a_state_that_starts_at_a_hyperparameter_starts_at_its_first_value() -> None:
    path = thalweg.minimize("irprop_minus", bowl, [1.0, -2.0], lr=linear(0.1, 5.0, 10))
    assert np.array_equal(path, thalweg.minimize("irprop_minus", bowl, [1.0, -2.0], lr=0.1))


@pytest.mark.parametrize(
    ("hyper", "message"),
    [
        ({"lr": linear(-0.1, 1.0, 5)}, r"lr of rule 'adam' must be .* not below 0, got -0.1 in step 1 of its schedule"),
        ({"lr": linear(0.2, -0.2, 4)}, r"lr of rule 'adam' must be .* not below 0, got -0.1\S* in step 4 of its"),
        ({"beta1": linear(0.5, 1.0, 4)}, r"beta1 of rule 'adam' must be a number below 1 .*, got 1.0 in step 5 of its"),
        ({"lr": lambda t: float("nan") if t == 3 else 0.1}, r"got nan in step 3 of its schedule"),
        ({"lr": lambda t: None}, r"got None in step 1 of its schedule"),
        ({"lr": lambda t: 10**400}, r"got 1000.* in step 1 of its schedule"),
        ({"lr": cosine}, r"cosine needs steps: write cosine\(peak, steps"),
        ({"lr": SCHEDULES["exponential"](1.0, 1e200)}, r"got none at step 3"),
        ({"rho": cosine(0.1, 5)}, r"has no hyperparameter 'rho'"),
    ],
)
def test_a_schedule_that_leaves_its_range_is_refused_in_a_sentence(hyper: dict, message: str) -> None:
    with pytest.raises(InputError, match=message) as error:
        thalweg.minimize("adam", bowl, [1.0, -2.0], steps=10, **hyper)
    assert "\n" not in str(error.value)


def test_a_schedule_may_leave_its_range_after_the_last_step() -> None:
    assert thalweg.minimize("sgd", bowl, [1.0, -2.0], steps=5, lr=lambda t: 0.05 - 0.01 * t).shape == (6, 2)


# --- names, arguments and dialects


@pytest.mark.parametrize(
    ("name", "given", "rule", "letter"),
    [
        ("adam", {"lr": cosine(1e-3, 10)}, "adam", "lr"),
        ("adam", {"dialect": "keras", "learning_rate": cosine(1e-3, 10)}, "adam_eps_hat", "lr"),
        ("adam", {"dialect": "keras", "lr": cosine(1e-3, 10)}, "adam_eps_hat", "lr"),
        ("sgd", {"dialect": "keras", "momentum": momentum_annealing()}, "momentum_velocity", "mu"),
        ("sgd", {"momentum": momentum_annealing(), "nesterov": True}, "nesterov", "mu"),
        ("rmsprop", {"alpha": linear(0.9, 0.99, 10)}, "rmsprop", "beta"),
        ("adam", {"betas": (0.9, linear(0.9, 0.99, 10)), "amsgrad": True}, "amsgrad", "beta2"),
        ("adam", {"weight_decay": linear(0.1, 0.0, 10)}, "l2(adam)", "decay"),
    ],
)
def test_a_schedule_reaches_the_letter_that_its_argument_means(name: str, given: dict, rule: str, letter: str) -> None:
    found = resolve(name, given)
    assert found.rule.name == rule
    assert {n for n, v in found.hyper.items() if isinstance(v, Schedule)} == {letter}
    assert all(isinstance(v, float) for v in numbers_at(found.rule, found.hyper, 7).values())


@pytest.mark.parametrize(
    ("name", "given", "message"),
    [
        ("adam", {"maximize": cosine(1, 2)}, "expected a fixed value for maximize of torch's Adam"),
        (
            "adagrad",
            {"initial_accumulator_value": cosine(1, 2)},
            "expected a fixed value for initial_accumulator_value",
        ),
        ("sgd", {"dampening": cosine(0.5, 2)}, "no hyperparameter of rule 'sgd', got cosine"),
        ("sgd", {"momentum": 0.9, "nesterov": cosine(1, 2)}, "no rule of the catalogue is torch's SGD"),
        ("sgd", {"dialect": "keras", "momentum": linear(1, 0, 9)}, "mu of rule 'momentum_velocity' .* in step 1"),
    ],
)
def test_a_schedule_for_what_is_no_hyperparameter_is_refused(name: str, given: dict, message: str) -> None:
    with pytest.raises(InputError, match=message) as error:
        resolve(name, given)
    assert "\n" not in str(error.value)


def test_a_call_is_read_as_a_schedule() -> None:
    text = "adam:lr=warmup(5, cosine(peak=1e-3,steps=10)),eps=1e-7,sgd:momentum=momentum_annealing( ),dialect=keras"
    adam, sgd = (parse_arguments(pieces[0].arguments) for _, pieces in parse_optimizers(text))
    assert adam == {"lr": parse("warmup(5, cosine(0.001, 10))"), "eps": 1e-7}
    assert sgd == {"momentum": momentum_annealing(), "dialect": "keras"}


def test_a_schedule_may_be_part_of_a_tuple() -> None:
    [(_, [piece])] = parse_optimizers("adam:betas=(linear(0.5,0.9,10), .99)")
    arguments = parse_arguments(piece.arguments)
    assert arguments == {"betas": (linear(0.5, 0.9, 10), 0.99)}
    assert resolve("adam", arguments).hyper["beta1"] == linear(0.5, 0.9, 10)


@pytest.mark.parametrize("name", list(SCHEDULES))
def test_what_a_schedule_prints_is_what_the_grammar_reads(name: str) -> None:
    parameters = {"steps": 7, "every": 3, "scale": 2, "then": cosine(0.5, 4), "second": cosine(0.5, 4)}
    given = {p: parameters.get(p, 0.25) for p in SCHEDULES[name].kinds}
    made = SCHEDULES[name](**given)
    [(_, [piece])] = parse_optimizers(f"adam:lr={made!r}")
    arguments = parse_arguments(piece.arguments)
    assert parse(written({"lr": made})["lr"]) == made == parse(repr(arguments["lr"]))


# --- the lab


def torch_loop(make: Callable[[Any], tuple[torch.optim.Optimizer, Callable[[], None]]]) -> float:
    """The few lines that a user would write, with torch's own optimizer; the second function is called after a step."""
    problem = find_problem(TINY)
    data = problem.load(None, 0)
    torch.manual_seed(0)
    model = problem.model(0)
    optimizer, after_step = make(model.parameters())
    x, y = (torch.from_numpy(a) for a in data.train)
    for epoch in (1, 2, 3):
        for batch in torch.from_numpy(data_order(0, epoch, 90)).split(16):
            optimizer.zero_grad()
            problem.loss(model, (x[batch], y[batch])).backward()
            optimizer.step()
            after_step()
    model.eval()
    return problem.loss(model, tuple(torch.from_numpy(array) for array in data.test)).item()


def annealed(parameters: Any) -> tuple[torch.optim.Optimizer, Callable[[], None]]:
    optimizer = torch.optim.SGD(parameters, lr=0.1)
    return optimizer, torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=20).step


def rising_momentum(parameters: Any) -> tuple[torch.optim.Optimizer, Callable[[], None]]:
    optimizer = torch.optim.SGD(parameters, lr=0.1, momentum=0.5)
    steps = iter(range(1, 100))

    def after_step() -> None:
        optimizer.param_groups[0]["momentum"] = 0.5 + 0.4 * min(next(steps), 10) / 10

    return optimizer, after_step


def test_a_scheduled_run_is_torchs_with_a_scheduler_that_steps_after_every_batch() -> None:
    expected = torch_loop(annealed)
    assert train_here(spec_of("sgd:lr=cosine(0.1,20)")).epochs[-1].loss == pytest.approx(expected, rel=1e-5)
    assert train_here(spec_of("sgd:lr=0.1")).epochs[-1].loss != pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize("arguments", ["lr=0.1", "dialect=keras,learning_rate=0.1"])
def test_a_schedule_of_a_frameworks_argument_moves_the_letter_that_it_means(arguments: str) -> None:
    """Keras' velocity is torch's times the learning rate, so under a learning rate that stays both walk alike."""
    expected = torch_loop(rising_momentum)
    loss = train_here(spec_of(f"sgd:{arguments},momentum=linear(0.5,0.9,10)")).epochs[-1].loss
    assert loss == pytest.approx(expected, rel=1e-5)
    still = train_here(spec_of(f"sgd:{arguments},momentum=0.5")).epochs[-1].loss
    assert still != pytest.approx(expected, rel=1e-3)


def run_away(spec: RunSpec) -> Run:
    engine = processes(1)
    engine.submit(spec)
    try:
        while True:
            for event in engine.wait(60):
                if isinstance(event, Run):
                    return event
    finally:
        engine.close()


def test_the_same_scheduled_spec_gives_the_same_numbers_here_and_in_a_process() -> None:
    spec = spec_of("sgd:lr=cosine(0.1,20),momentum=linear(0.5,0.9,10)")
    here = without_times(train_here(spec))
    away = run_away(spec)
    assert here == without_times(train_here(spec)) == without_times(away)
    assert here.status == "finished"


def test_the_key_has_the_schedule_and_not_its_spelling() -> None:
    spellings = ("cosine(1e-3,10)", "cosine( peak=0.001, steps=10.0, floor=0 )", "cosine(.001,10,0.0)")
    specs = [spec_of(f"adam:lr={text}") for text in spellings]
    assert len({spec.key for spec in specs}) == 1
    assert hyper_of(specs[0])["lr"] == "cosine(0.001, 10)"
    assert specs[0].phases[0].arguments["lr"] == cosine(1e-3, 10)
    others = [spec_of(f"adam:lr={text}").key for text in ("cosine(1e-3,11)", "linear(1e-3,0,10)", "1e-3")]
    assert len({specs[0].key, *others}) == 4


def test_planned_hyperparameters_are_numbers_where_numbers_were_given() -> None:
    assert all(type(v) is float for v in hyper_of(spec_of("adam:lr=1")).values())


def test_a_start_that_follows_a_schedule_is_its_first_value() -> None:
    spec = spec_of("irprop_minus:lr=linear(0.02,0.5,10)")
    assert dict(spec.phases[0].initial)["eta"] == 0.02
    plain = train_here(spec_of("irprop_minus:lr=0.02"))
    assert train_here(spec).epochs[-1].loss == plain.epochs[-1].loss


def test_the_code_of_schedules_decides_a_run() -> None:
    assert "schedules" in DECIDING


def test_settings_of_a_stored_schedule_are_text(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    store.prepare(path)
    made = plan("sgd:lr=cosine(0.1,20),sgd:lr=0.1")
    engine = processes(2)
    found: dict[str, Any] = {}
    assert drive(made, path, engine, (), found) == []
    engine.close()
    scheduled, plain = comparison(made, found).rows
    assert scheduled.optimizer == "sgd:lr=cosine(0.1,20)"
    assert (scheduled.settings, plain.settings) == ({"lr": "cosine(0.1, 20)"}, {"lr": 0.1})
    with sqlite3.connect(path) as connection:
        specs = [json.loads(text) for (text,) in connection.execute("SELECT spec FROM runs ORDER BY rowid")]
    hyper = [spec["phases"][0]["hyper"] for spec in specs]
    assert sorted(hyper, key=str) == [[["lr", "cosine(0.1, 20)"]], [["lr", 0.1]]]


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("cosine(0.1)", f"cosine(0.1,{STEPS})"),
        ("warmup(8,cosine(0.1))", f"warmup(8,cosine(0.1,{STEPS - 8}))"),
        ("join(0.1,6,linear(0.1,0))", f"join(0.1,6,linear(0.1,0,{STEPS - 6}))"),
        ("one_cycle(0.1,warm=0.5)", f"one_cycle(0.1,{STEPS},warm=0.5)"),
        ("exponential(cosine(0.1),0.99)", f"exponential(cosine(0.1,{STEPS}),0.99)"),
        ("warmup(steps=8,then=cosine(0.1))", f"warmup(8,cosine(0.1,{STEPS - 8}))"),
        ("cosine(0.1,steps=5)", "cosine(0.1,5)"),
    ],
)
def test_a_schedule_that_does_not_say_how_long_lasts_as_long_as_the_run(text: str, meant: str) -> None:
    assert spec_of(f"sgd:lr={text}").phases == spec_of(f"sgd:lr={meant}").phases


@pytest.mark.parametrize(
    ("optimizers", "message"),
    [
        ("adam:lr=cosin(1e-3,10)", "there is no schedule 'cosin': did you mean 'cosine'"),
        ("adam:lr=cosine", "got its name alone: write cosine"),
        ("adam:lr=cosine(1e-3", "expected a schedule such as"),
        ("adam:lr=step(1e-3)", "step needs every and factor"),
        ("adam:lr=2*cosine(1e-3,10)", "expected only numbers and schedules"),
        (f"adam:lr=linear(1,-1,{STEPS})", "lr of rule 'adam' must be a finite number not below 0, got -0.1"),
        (f"sgd:momentum=linear(0.5,1,{STEPS - 1})", f"must be a number below 1 .* in step {STEPS} of its schedule"),
        ("adam:lr=constant(0)", f"must be above 0 in some step, got 0 in all {STEPS}"),
        ("adam:maximize=cosine(1,2)", "expected a fixed value for maximize"),
    ],
)
def test_schedules_that_cannot_train_are_refused_before_any_work(optimizers: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as error:
        plan(optimizers)
    assert "\n" not in str(error.value)


def test_a_schedule_is_judged_by_the_steps_of_the_run() -> None:
    """The same ones are fine where the run ends before they leave their range, or starts at 0 only."""
    assert spec_of(f"sgd:momentum=linear(0.5,1,{STEPS})")
    assert spec_of("adam:lr=linear(0,0.1,10)")
