"""Schedules: the numbers of their peers in torch, the same numbers on symbols, and a text that reads back."""

import copy
import doctest
import importlib
import inspect
import math
import pickle
import re
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.optim import lr_scheduler

import thalweg.schedules as schedules
from thalweg.compile.evaluate import scalars
from thalweg.compile.trace import trace
from thalweg.errors import FormulaError, InputError
from thalweg.formula import Expr, rule
from thalweg.formula.numbers import NUMBERS
from thalweg.schedules import (
    MOMENTUM,
    NAMES,
    POSITIVE,
    SCHEDULES,
    SHARE,
    STEPS,
    VALUE,
    Schedule,
    constant,
    cosine,
    exponential,
    inverse_sqrt,
    join,
    linear,
    momentum_annealing,
    one_cycle,
    parse,
    schedule,
    step,
    warmup,
)
from thalweg.schedules.following import SCHEDULE
from thalweg.schedules.whole import whole

FOLDER = Path(schedules.__file__).parent
EVERY = pytest.mark.parametrize("name", NAMES)
EXAMPLES = (
    constant(-0.5),
    step(0.1, 30, 0.3),
    exponential(0.1, 0.97),
    exponential(0.1, 1.01),
    inverse_sqrt(0.1),
    inverse_sqrt(warmup(40, 1e-3), scale=40),
    linear(0.1, 0.0, 70),
    warmup(10, cosine(1e-3, 90)),
    warmup(10, 0.3),
    join(0.1, 20, join(step(0.1, 7, 0.5), 30, linear(0.01, 0.0, 10))),
    cosine(1e-3, 77),
    cosine(linear(1.0, 0.5, 30), 60, floor=exponential(0.1, 0.9)),
    one_cycle(0.1, 100),
    one_cycle(0.1, 10, warm=0.1),
    one_cycle(0.1, 1),
    momentum_annealing(),
    momentum_annealing(0.3, end=0.95, every=9),
)
EVERY_EXAMPLE = pytest.mark.parametrize("example", EXAMPLES, ids=repr)


# --- torch ---


def torch_values(make, count: int, lr: float, letter: str = "lr") -> list[float]:
    """What torch uses in steps 1 to count, read before each step of the optimizer."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=lr, momentum=0.9)
    scheduler = make(optimizer)
    values = []
    for t in range(1, count + 1):
        values.append(float(optimizer.param_groups[0][letter]))
        optimizer.step()
        if t < count:
            scheduler.step()
    return values


def cosine_run(optimizer, steps: int, floor: float = 0.0):
    return lr_scheduler.CosineAnnealingLR(optimizer, steps, floor)


def warmed_cosine(optimizer):
    rising = lr_scheduler.LinearLR(optimizer, start_factor=1 / 50, total_iters=49)
    return lr_scheduler.SequentialLR(optimizer, [rising, cosine_run(optimizer, 250, 1e-2)], [50])


def joined(optimizer):
    first = lr_scheduler.StepLR(optimizer, 20, 0.5)
    return lr_scheduler.SequentialLR(optimizer, [first, lr_scheduler.ExponentialLR(optimizer, 0.99)], [100])


def cycle(steps: int, **arguments):
    return lambda optimizer: lr_scheduler.OneCycleLR(optimizer, 0.3, steps, **arguments)


PEERS = {
    "StepLR": (step(0.3, 30, 0.7), lambda o: lr_scheduler.StepLR(o, 30, 0.7), 400),
    "StepLR, every step": (step(0.3, 1, 0.99), lambda o: lr_scheduler.StepLR(o, 1, 0.99), 400),
    "ExponentialLR": (exponential(0.3, 0.98), lambda o: lr_scheduler.ExponentialLR(o, 0.98), 400),
    "ExponentialLR, rising": (exponential(0.3, 1.02), lambda o: lr_scheduler.ExponentialLR(o, 1.02), 400),
    "CosineAnnealingLR": (cosine(0.3, 300), lambda o: cosine_run(o, 300), 301),
    "CosineAnnealingLR, floor": (cosine(0.3, 300, 0.01), lambda o: cosine_run(o, 300, 0.01), 301),
    "LinearLR": (linear(0.1, 0.3, 250), lambda o: lr_scheduler.LinearLR(o, 1 / 3, 1.0, 250), 400),
    "LinearLR, falling": (linear(0.3, 0.0, 250), lambda o: lr_scheduler.LinearLR(o, 1.0, 0.0, 250), 400),
    "OneCycleLR": (one_cycle(0.3, 300), cycle(300), 300),
    "OneCycleLR, other shape": (
        one_cycle(0.3, 300, 0.41, 7, 50),
        cycle(300, pct_start=0.41, div_factor=7.0, final_div_factor=50.0),
        300,
    ),
    "OneCycleLR, no rise": (one_cycle(0.3, 200, warm=0), cycle(200, pct_start=0.0), 200),
    "OneCycleLR, top within step 1": (one_cycle(0.3, 3), cycle(3), 3),
    "OneCycleLR, one step": (one_cycle(0.3, 1), cycle(1), 1),
    "LinearLR, then CosineAnnealingLR": (warmup(50, cosine(0.3, 250, 1e-2)), warmed_cosine, 301),
    "StepLR, then ExponentialLR": (join(step(0.3, 20, 0.5), 100, exponential(0.3, 0.99)), joined, 300),
}


@pytest.mark.parametrize("name", PEERS)
@pytest.mark.filterwarnings("ignore:The epoch parameter:UserWarning")  # raised by torch's own SequentialLR
def test_the_numbers_are_those_of_torch(name: str) -> None:
    ours, make, count = PEERS[name]
    theirs = torch_values(make, count, lr=0.3)
    # Near its end torch's cosine, a product of ratios, has an error of its own, relative to the peak.
    assert [ours(t) for t in range(1, count + 1)] == pytest.approx(theirs, rel=1e-12, abs=1e-14)


def test_momentum_can_run_against_one_cycle_as_in_torch() -> None:
    theirs = torch_values(cycle(1000), 1000, lr=0.3, letter="momentum")
    ours = join(cosine(0.95, 299, 0.85), 299, cosine(0.85, 700, 0.95))
    assert [ours(t) for t in range(1, 1001)] == pytest.approx(theirs, rel=1e-12)


# --- the formulas, said in another way ---


def test_after_the_last_step_the_value_stays() -> None:
    for t in (301, 302, 450, 10**6):
        assert cosine(0.3, 300)(t) == 0.0
        assert cosine(0.3, 300, floor=0.01)(t) == 0.01
        assert linear(0.3, 0.1, 300)(t) == 0.1
    for t in (300, 301, 450, 10**6):
        assert one_cycle(0.3, 300)(t) == 0.3 / 25 / 1e4


def test_momentum_annealing_is_the_papers() -> None:
    """Equation 5 as it is written, with its floor and its logarithm."""
    for t in (1, 2, 249, 250, 251, 499, 500, 2500, 12249, 12250, 10**6):
        paper = min(1 - 2 ** (-1 - math.log2(t // 250 + 1)), 0.99)
        assert momentum_annealing()(t) == pytest.approx(paper, rel=1e-15)
    assert momentum_annealing(0.5, 0.99)(1) == 0.5
    assert momentum_annealing(0.5, 0.99)(10**6) == 0.99


def test_inverse_sqrt_of_a_warmup_is_the_transformers() -> None:
    """Vaswani et al. 2017, equation 3, with its width of 512."""
    ours = inverse_sqrt(warmup(4000, 512**-0.5 * 4000**-0.5), scale=4000)
    for t in (1, 2, 1000, 3999, 4000, 4001, 10**5):
        assert ours(t) == pytest.approx(512**-0.5 * min(t**-0.5, t * 4000**-1.5), rel=1e-14)


def test_warmup_rises_to_where_the_next_one_starts_and_hands_over() -> None:
    inner = exponential(0.8, 0.9)
    warmed = warmup(8, inner)
    assert [warmed(t) for t in range(1, 9)] == pytest.approx([0.1 * t for t in range(1, 9)])
    assert [warmed(t) for t in range(9, 60)] == [inner(t - 8) for t in range(9, 60)]


def test_join_asks_each_part_at_its_own_steps() -> None:
    """Also where a part could not be computed outside its own steps."""
    first, second = exponential(1e-3, 2.0), exponential(1.0, 1e-3)
    both = join(first, 10, second)
    assert [both(t) for t in range(1, 11)] == [first(t) for t in range(1, 11)]
    assert [both(t) for t in range(11, 100)] == [second(t - 10) for t in range(11, 100)]
    assert both(2000) == join(first, 10, 0.0)(2000) == 0.0


def test_a_value_may_be_a_schedule_and_is_taken_at_the_same_step() -> None:
    falling = cosine(0.1, 100)
    scaled = exponential(falling, 0.9)
    assert all(scaled(t) == falling(t) * 0.9 ** (t - 1) for t in range(1, 120))
    assert all(constant(falling)(t) == falling(t) for t in range(1, 120))


def test_a_plain_number_is_constant_where_a_schedule_is_expected() -> None:
    assert warmup(5, 0.1) == warmup(5, constant(0.1))
    assert join(0.1, 5, 0.2) == join(constant(0.1), 5, constant(0.2))


@given(st.floats(0, 2**31, exclude_max=True) | st.integers(0, 2**31 - 1))
def test_whole_is_floor(number: float) -> None:
    assert whole(number) == math.floor(number)


# --- on symbols ---


def evaluated(expr: Expr, t: float, known: dict[int, float] | None = None) -> float:
    """The value of an expression of t, by the meaning that operations have on numbers; what is shared only once."""
    known = {} if known is None else known
    if expr.op == "const" or not expr.args:
        return expr.args[0] if expr.args else {"t": t}[expr.op]
    if id(expr) not in known:
        known[id(expr)] = NUMBERS[expr.op](*(evaluated(a, t, known) for a in expr.args))
    return known[id(expr)]


STEP_NUMBERS = (1, 2, 3, 10, 11, 20, 21, 30, 31, 77, 78, 100, 101, 249, 250, 5000)


@EVERY_EXAMPLE
def test_on_a_symbol_the_same_numbers_come_out(example: Schedule) -> None:
    """Through the tracer, which also refuses what backends cannot print."""

    @rule("a step of a scheduled length")
    def scheduled(x, g, t):
        return x - example(t) * (g + 0 * t)

    program = trace(scheduled)
    length = next(line.args for line in program.body if line.op == "mul")[0]
    for t in STEP_NUMBERS:
        traced = scalars(program, t, {})[length] if isinstance(length, str) else length
        assert traced == example(t)


@EVERY
def test_a_symbol_gives_a_symbol(name: str) -> None:
    examples = [example for example in EXAMPLES if example.family.name == name]
    assert examples, f"an example of {name} is missing"
    for example in examples:
        formula = example(Expr("t"))
        assert isinstance(formula, Expr)
        assert all(evaluated(formula, float(t)) == example(t) for t in STEP_NUMBERS)


# --- text, equality, copies ---

NUMBER = st.floats(allow_nan=False, allow_infinity=False)
COUNT = st.integers(1, 2**53 - 1)
PART = st.floats(0, 1, exclude_max=True)
ABOVE_ZERO = st.floats(0, exclude_min=True, allow_infinity=False)
NUMBERS_OF = {
    VALUE: NUMBER,
    MOMENTUM: PART,
    STEPS: COUNT,
    POSITIVE: ABOVE_ZERO,
    SHARE: PART,
    SCHEDULE: NUMBER,
}


def deeper(inner):
    """Every family of the catalogue, its parameters numbers of their kind or the schedules made so far."""

    def given_to(kind):
        numbers = NUMBERS_OF[kind]
        return numbers if kind.schedules == "refused" else numbers | inner

    return st.one_of(
        st.builds(family, *(given_to(kind) for kind in family.kinds.values())) for family in SCHEDULES.values()
    )


ANY_SCHEDULE = st.recursive(st.builds(constant, NUMBER), deeper, max_leaves=6)


@given(ANY_SCHEDULE)
@settings(max_examples=300, deadline=None)
def test_what_is_shown_reads_back(any_schedule: Schedule) -> None:
    assert parse(repr(any_schedule)) == any_schedule


@given(ANY_SCHEDULE)
@settings(deadline=None)
def test_copies_are_equal(any_schedule: Schedule) -> None:
    for copied in (copy.deepcopy(any_schedule), pickle.loads(pickle.dumps(any_schedule))):
        assert copied == any_schedule
        assert hash(copied) == hash(any_schedule)
        assert copied.family is any_schedule.family


def test_what_is_shown() -> None:
    assert repr(cosine(1e-3, 1000.0)) == "cosine(0.001, 1000)"
    assert repr(cosine(steps=1000, peak=1)) == "cosine(1.0, 1000)"
    assert repr(cosine(1e-3, 1000, floor=1e-5)) == "cosine(0.001, 1000, floor=1e-05)"
    assert repr(momentum_annealing(end=0.9)) == "momentum_annealing(end=0.9)"
    assert repr(warmup(100, cosine(-1e-3, 900))) == "warmup(100, cosine(-0.001, 900))"


def test_equality_is_by_content() -> None:
    assert cosine(1, 1000) == cosine(1.0, 1000.0, floor=0)
    assert cosine(0.1, 1000) != cosine(0.1, 1001)
    assert linear(0.1, 0.2, 3) != linear(0.2, 0.1, 3)
    assert len({cosine(0.1, 10), cosine(0.1, steps=10), exponential(0.1, 0.9)}) == 2
    with pytest.raises(AttributeError):
        cosine(0.1, 10).values = ()


def test_parse_takes_names_spaces_and_signs() -> None:
    assert parse("cosine(1e-3, 10)") == cosine(1e-3, 10)
    assert parse(" warmup( 100,cosine(peak=1e-3,steps=900) ) ") == warmup(100, cosine(1e-3, 900))
    assert parse("linear(-1, end=-.5, steps=10)") == linear(-1, -0.5, 10)
    assert parse("0.1") == constant(0.1)
    assert parse("-2") == constant(-2)


# --- refusals ---


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("cosin(1e-3, 10)", "there is no schedule 'cosin': did you mean 'cosine'? known: constant, step"),
        ("cosine", "got its name alone: write cosine(peak, steps, floor=0.0)"),
        ("cosinus", "did you mean 'cosine'?"),
        ("cosine(1e-3, 10", "expected a schedule such as cosine(1e-3, 1000), got 'cosine(1e-3, 10'"),
        ("", "expected a schedule"),
        ("\0", "expected a schedule"),
        ("(" * 5000, "expected a schedule"),
        ("-" * 100000 + "1", "expected"),
        ("-" * 50 + "1", "expected only numbers and schedules"),
        ("cosine(1e-3, 5 * 2)", "got '5 * 2'"),
        ("cosine(1e-3, True)", "got 'True'"),
        ("-True", "got '-True'"),
        ("cosine('a', 10)", "got ''a''"),
        ("cosine(*[1, 2])", "got '*[1, 2]'"),
        ("cosine(**{'peak': 1})", "takes every parameter once and by its name"),
        ("cosine(peak=1, peak=2, steps=3)", "takes every parameter once"),
        ("cosine(1, 10)(3)", "expected only numbers and schedules"),
        ("cosine.formula(1, 10)", "expected only numbers and schedules"),
        ("__import__('os').getcwd()", "expected only numbers and schedules"),
        ("__import__('os')", "there is no schedule '__import__'"),
        ("cosine(1e999, 10)", "must be a finite number or a schedule, got inf"),
        ("cosine(1, 0x" + "f" * 6000 + ")", "must be a whole number of steps above 0, got inf"),
        ("warmup(cosine(1, 2), 3)", "'steps' of warmup(steps, then) must be a whole number of steps above 0"),
    ],
    ids=lambda text: text[:24],
)
def test_parse_refuses_in_one_sentence(text: str, sentence: str) -> None:
    with pytest.raises(InputError, match=re.escape(sentence)):
        parse(text)


REFUSED = {
    "missing": (lambda: cosine(0.1), "cosine needs steps: write cosine(peak, steps, floor=0.0)"),
    "two missing": (lambda: linear(end=1), "linear needs start and steps: write linear(start, end, steps)"),
    "unknown": (lambda: cosine(0.1, step=3), "cosine has no parameter 'step': did you mean 'steps'? known: peak"),
    "twice": (lambda: cosine(0.1, 3, peak=1), "cosine got 'peak' twice, by place and by name"),
    "too many": (lambda: cosine(1, 2, 3, 4), "cosine takes 3 parameters, got 4"),
    "nan": (lambda: constant(math.nan), "'value' of constant(value) must be a finite number or a schedule, got nan"),
    "infinite": (lambda: cosine(math.inf, 3), "must be a finite number or a schedule, got inf"),
    "text": (lambda: cosine("0.1", 3), "must be a finite number or a schedule, got '0.1'"),
    "truth": (lambda: cosine(True, 3), "got True"),
    "no steps": (lambda: cosine(1, 0), "must be a whole number of steps above 0, got 0"),
    "negative steps": (lambda: cosine(1, -3), "got -3"),
    "part of a step": (lambda: cosine(1, 2.5), "got 2.5"),
    "inexact steps": (lambda: cosine(1, 2**53), "must be a whole number of steps"),
    "steps scheduled": (lambda: cosine(1, constant(3)), "must be a whole number of steps above 0, got constant(3.0)"),
    "factor scheduled": (lambda: exponential(1, constant(3)), "must be a finite number above 0, got constant(3.0)"),
    "factor zero": (lambda: exponential(1, 0), "must be a finite number above 0, got 0"),
    "all warm": (lambda: one_cycle(1, 10, warm=1), "must be a number below 1 and not below 0, got 1"),
    "momentum of 1": (lambda: momentum_annealing(end=1.0), "must be a number below 1 and not below 0, or a schedule"),
    "divisor": (lambda: one_cycle(1, 10, final_divisor=-1), "must be a finite number above 0, got -1"),
    "no schedule": (lambda: warmup(10, None), "must be a schedule or a finite number, got None"),
    "too large": (
        lambda: exponential(1, 2)(5000),
        "expected a finite value of exponential(1.0, 2.0), got none at step",
    ),
    "too large inside": (lambda: warmup(1, exponential(1, 2))(5000), "exponential(1.0, 2.0), got none at step 4999"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_wrong_parameters_are_refused_in_one_sentence(name: str) -> None:
    make, sentence = REFUSED[name]
    with pytest.raises(InputError, match=re.escape(sentence)) as refused:
        make()
    assert "\n" not in str(refused.value)


def test_numbers_of_other_libraries_are_numbers() -> None:
    numpy = pytest.importorskip("numpy")
    made = cosine(numpy.float64(0.1), numpy.int64(10))
    assert made == cosine(0.1, 10)
    assert type(made(numpy.int64(3))) is float


def test_a_declaration_that_fits_no_schedule_is_refused() -> None:
    def no_step(lr, t):
        return lr / t

    def only_by_name(t, *, lr):
        return lr / t

    def nothing():
        return 1.0

    def fine(t, lr):
        return lr / t

    for formula in (no_step, only_by_name, nothing):
        with pytest.raises(FormulaError, match=r"must take \(t, parameters\.\.\.\)"):
            schedule("nowhere")(formula)
    with pytest.raises(FormulaError, match=r"kinds \(steps\), got \(t, lr\)"):
        schedule("nowhere", steps=STEPS)(fine)
    assert schedule("nowhere")(fine)(0.5)(2) == 0.25


# --- the catalogue ---

PARTS = ("Source: ", "Use it when: ", "Example:\n")


def test_the_catalogue_and_the_folder_agree() -> None:
    files = {path.stem for path in FOLDER.glob("*.py")}
    others = {"__init__", "schedule", "parameter", "following", "text", "whole", "half_wave"}
    assert files - others == set(NAMES)
    assert all(getattr(schedules, name) is SCHEDULES[name] and name in schedules.__all__ for name in NAMES)


@EVERY
def test_the_text_has_its_parts_in_order_and_its_example_runs(name: str) -> None:
    module = importlib.import_module(f"thalweg.schedules.{name}")
    text = inspect.getdoc(module) or ""
    assert re.fullmatch(r"[^\n]+\.", text.split("\n\n")[0])
    places = [text.find(f"\n\n{part}") for part in PARTS]
    assert -1 not in places
    assert places == sorted(places)
    assert SCHEDULES[name].source
    result = doctest.testmod(module)
    assert result.attempted > 0
    assert result.failed == 0


@EVERY
def test_a_text_names_only_schedules_that_exist(name: str) -> None:
    text = inspect.getdoc(importlib.import_module(f"thalweg.schedules.{name}")) or ""
    named = {word for quoted in re.findall(r"`([^`]+)`", text) for word in re.findall(r"([a-z_]{3,})(?:\(|$)", quoted)}
    assert named - set(SCHEDULES[name].kinds) - {"log", "floor"} <= set(NAMES)
