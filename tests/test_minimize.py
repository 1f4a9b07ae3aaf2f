"""`thalweg.minimize`: many starts and hyperparameters together, what is recorded, and what is refused."""

import subprocess
import sys

import numpy as np
import pytest

from catalogue import assert_same_bits
from own_rules import found, write
from thalweg import InputError, minimize
from thalweg.frameworks.numpy import descend
from thalweg.rules import NAMES, RULES
from thalweg.rules.hyper import RANGES
from thalweg.rules.setting import setting
from thalweg.schedules import cosine, linear
from thalweg.surfaces import SURFACES
from thalweg.sweep import runs as asked

STARTS = np.array([[-1.5, 0.01], [1.0, -0.2], [0.0, 2.0], [1e-310, -0.0]])
NEARLY_ONE = (0.0, 0.5, 0.99, 0.9999)
OTHER = {"threshold": (4, 5, 6.5, 5), "up": (1, 1.2, 2, 1.5), "eps": (0, 1e-8, 1e-3, 1e-310), "lr": (0, 1e-3, 0.1, 3)}


def hyper_arrays(rule) -> dict[str, np.ndarray]:
    """For every hyperparameter four numbers in its range."""
    fractions = [name for name, (told, _) in RANGES.items() if told.startswith("a number below 1")]
    numbers = {h: OTHER.get(h, NEARLY_ONE if h in fractions else (0.0, 0.5, d, 2.0)) for h, d in rule.hyper.items()}
    return {name: np.array(values, np.float64) for name, values in numbers.items()}


def bowl(points: np.ndarray) -> np.ndarray:
    return points * [1.0, 10.0]


@pytest.mark.parametrize("name", NAMES)
def test_each_run_gets_the_numbers_that_it_gets_alone(name):
    arrays = hyper_arrays(RULES[name])
    together = minimize(name, SURFACES["saddle"], STARTS, steps=12, **arrays)
    for run, start in enumerate(STARTS):
        hyper = {h: float(values[run]) for h, values in arrays.items()}
        alone = minimize(name, SURFACES["saddle"], start, steps=12, **hyper)
        assert_same_bits(np.ascontiguousarray(together[:, run]), alone, f"{name}, run {run}")


@pytest.mark.parametrize("name", ["product", "mean_of_all", "anchored"])
def test_a_rule_of_ones_own(name, tmp_path):
    write(tmp_path)
    rule = found(name, tmp_path)
    rates = np.array([0.01, 0.1])
    together = minimize(rule, bowl, [1.0, -2.0], steps=9, lr=rates)
    for run, lr in enumerate(rates):
        assert_same_bits(
            np.ascontiguousarray(together[:, run]), minimize(rule, bowl, [1.0, -2.0], steps=9, lr=lr), name
        )


def test_starts_and_arrays_broadcast():
    rates, moments = np.geomspace(1e-3, 0.1, 5)[:, None, None], np.array([0.0, 0.5, 0.9])[:, None]
    path = minimize("momentum", SURFACES["ravine"], STARTS, steps=7, lr=rates, rho=moments)
    assert path.shape == (8, 5, 3, 4, 2) and path.dtype == np.float64
    assert_same_bits(path[0], np.broadcast_to(STARTS, (5, 3, 4, 2)).copy(), "the start, as it was given")
    alone = minimize("momentum", SURFACES["ravine"], STARTS[1], steps=7, lr=rates[4, 0, 0], rho=0.5)
    assert_same_bits(np.ascontiguousarray(path[:, 4, 1, 1]), alone, "one of them")


def test_points_of_any_length_and_a_function_that_gets_all_at_once():
    seen = []

    def gradient(points):
        seen.append(points.shape)
        result = 3 * points
        points *= 0  # its own to spoil
        return result

    path = minimize("adam", gradient, np.ones((4, 1, 7)), steps=5, lr=[0.1, 0.2, 0.3])
    assert path.shape == (6, 4, 3, 7) and seen == [(4, 3, 7)] * 5
    assert_same_bits(
        np.ascontiguousarray(path[:, 2, 1]), minimize("adam", lambda x: 3 * x, np.ones(7), steps=5, lr=0.2), ""
    )


@pytest.mark.parametrize("gradient", [SURFACES["saddle"], bowl], ids=["surface", "function"])
def test_what_is_recorded(gradient):
    every = minimize("nadam", gradient, STARTS, steps=10, record="all")
    assert every.shape == (11, 4, 2)
    assert_same_bits(minimize("nadam", gradient, STARTS, steps=10, record=3), every[::3].copy(), "every third")
    assert_same_bits(minimize("nadam", gradient, STARTS, steps=10, record="last"), every[-1].copy(), "the last")
    assert minimize("nadam", gradient, STARTS, steps=10, record=11).shape == (1, 4, 2)


def test_no_steps_give_the_start():
    assert minimize("sgd", SURFACES["saddle"], (1, 2), steps=0).tolist() == [[1.0, 2.0]]
    assert minimize("sgd", bowl, (1, 2), steps=0, record="last", lr=[0.1, 0.2]).tolist() == [[1.0, 2.0]] * 2


def test_schedules_and_arrays_together():
    moments = np.array([0.5, 0.9])
    path = minimize("momentum", bowl, [1.0, 2.0], steps=8, lr=cosine(0.1, 8), rho=moments)
    for run, rho in enumerate(moments):
        alone = minimize("momentum", bowl, [1.0, 2.0], steps=8, lr=cosine(0.1, 8), rho=rho)
        assert_same_bits(np.ascontiguousarray(path[:, run]), alone, "")
    chosen = setting(RULES["sgd"], {"lr": linear(1.0, 0.0, 3)})
    replaced = descend(chosen, bowl, [1.0, 2.0], steps=3, arrays={"lr": [0.1]})
    assert_same_bits(replaced, minimize("sgd", bowl, [1.0, 2.0], steps=3, lr=[0.1]), "arrays stand in its place")


def test_names_and_arguments_of_torch_still_work():
    path = minimize("adam", bowl, [1.0, 2.0], steps=3, betas=(0.8, 0.9), lr=np.array([0.1, 0.2]))
    alone = minimize("adam", bowl, [1.0, 2.0], steps=3, beta1=0.8, beta2=0.9, lr=0.2)
    assert_same_bits(np.ascontiguousarray(path[:, 1]), alone, "")


SADDLE = SURFACES["saddle"]
REFUSED = {
    "steps -1": ({"steps": -1}, "expected steps to be a whole number of at least 0, got -1: give one"),
    "steps 2.0": ({"steps": 2.0}, "expected steps to be a whole number of at least 0, got 2.0: give one"),
    "steps True": ({"steps": True}, "expected steps to be a whole number of at least 0, got True: give one"),
    "record 0": ({"record": 0}, "expected record to be a whole number of at least 1, got 0: give one"),
    "record 1.5": ({"record": 1.5}, "expected record to be a whole number of at least 1, got 1.5: give one"),
    "record lats": ({"record": "lats"}, "expected record to be 'all', 'last' or a whole number, got 'lats': did you"),
    "rate": ({"lr": [0.1, -1.0]}, "lr of rule 'momentum' must be a finite number not below 0, got -1.0: give one in"),
    "NaN": ({"lr": np.array([0.1, np.nan])}, "lr of rule 'momentum' must be a finite number not below 0, got nan"),
    "rho": ({"rho": np.array([0.1, 1.0])}, "rho of rule 'momentum' must be a number below 1 and not below 0, got 1.0"),
    "words": ({"lr": ["a", "b"]}, "expected lr to be a number or an array of numbers, got ['a', 'b']: give real"),
    "rows": ({"lr": [[0.1], [0.1, 0.2]]}, "expected lr to be a number or an array of numbers, got [[0.1], [0.1, 0.2]]"),
    "none": ({"lr": []}, "expected lr to be a number or an array of numbers, got []: give real numbers"),
    "complex": ({"lr": np.array([1j])}, "expected lr to be a number or an array of numbers, got array([0.+1.j]): give"),
    "unknown": ({"beta1": np.ones(2)}, "has no "),
    "shapes": (
        {"lr": [0.1, 0.2, 0.3]},
        "expected arrays that broadcast against the starts' runs, which have the",
    ),
    "flag": ({"momentum": np.array([0.5, 0.9])}, "rule 'momentum' itself (lr, rho), got one for momentum: name"),
    "one number": ({"start": 1.0}, "expected a start on surface 'saddle' whose last axis is x and y, got the shape ()"),
    "three": (
        {"start": [1.0, 2.0, 3.0]},
        "whose last axis is x and y, got the shape (3,): give (x, y), or",
    ),
    "text": (
        {"start": "here"},
        "expected the start to be a number or an array of numbers, got 'here': give",
    ),
    "infinite": ({"start": [1.0, np.inf]}, "expected a start of finite numbers, got an infinity or NaN in it: start"),
    "schedule": ({"lr": lambda t: 2.0 - t}, "lr of rule 'momentum' must be a finite number not below 0, got -1.0 in"),
    "huge": ({"steps": 10**15}, "expected points that fit into memory, got 1,000,000,000,000,001 of each of 2 runs,"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_bad_input_is_refused_in_a_sentence(case):
    given, sentence = REFUSED[case]
    options = {"start": STARTS[:2], "steps": 4, **given}
    rule = "sgd" if case == "flag" else "momentum"
    with pytest.raises(InputError) as refused:
        minimize(rule, SADDLE, options.pop("start"), **options)
    assert sentence in str(refused.value) and "\n" not in str(refused.value)


def test_what_is_no_rule_and_what_is_no_gradient_is_refused():
    with pytest.raises(InputError, match="expected a rule or the name of one, got None"):
        minimize(None, SADDLE, STARTS)
    with pytest.raises(InputError, match="expected a surface, or a function from points to gradients, got 'saddle'"):
        minimize("sgd", "saddle", STARTS)


def test_a_number_as_start_does_not_go_with_arrays():
    with pytest.raises(InputError, match=r"got one number: write \[2\]"):
        minimize("sgd", lambda x: x, 2, lr=[0.1, 0.2])


ODD = [(np.ones(3), r"the shape \(3,\)"), ("up", "str"), (None, "NoneType"), (np.full(2, 1j), r"the shape \(2,\)")]


@pytest.mark.parametrize(("returned", "told"), ODD, ids=["shape", "text", "none", "complex"])
def test_a_gradient_of_another_shape_is_refused(returned, told):
    sentence = rf"expected a gradient of the points' shape \(4, 2\), got {told} in step 1: return one number"
    with pytest.raises(InputError, match=sentence):
        minimize("sgd", lambda x: returned, STARTS)


def test_more_points_than_memory_are_refused_before_any_step(monkeypatch):
    monkeypatch.setattr(asked, "_memory", lambda: 1000.0)
    with pytest.raises(InputError, match=r"got 101 of each of 4 runs, .* GiB: record every k-th \(record=k\), or"):
        minimize("sgd", lambda x: 1 / 0, STARTS, steps=100)
    assert minimize("sgd", bowl, STARTS, steps=100, record=50).shape == (3, 4, 2)


def test_small_work_needs_no_compiler():
    program = (
        "import sys, thalweg, thalweg.surfaces as s; "
        "thalweg.minimize('adam', s.SURFACES['saddle'], (1.0, 2.0), steps=120, lr=[0.1, 0.2]); "
        "print([name for name in ('numba', 'llvmlite', 'torch') if name in sys.modules])"
    )
    printed = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert printed.strip() == "[]"
