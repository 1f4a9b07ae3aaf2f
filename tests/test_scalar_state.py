"""Scalar state: one number per tensor, computed once per step in float64, in every form that a rule takes."""

from collections.abc import Iterator

import numpy as np
import pytest
import torch

from thalweg import minimize
from thalweg.compile.evaluate import new_scalar_state, scalars
from thalweg.compile.latex import equations
from thalweg.compile.numpy import source, step
from thalweg.compile.trace import trace, trace_point
from thalweg.errors import FormulaError
from thalweg.formula import Rule, rule
from thalweg.rules import RULES
from thalweg.rules.decay import WRAPPERS
from thalweg.rules.peers import defaults, match
from trajectories import WIDTH, gap, gradients, trajectory

STEPS = 300
LRS = 2e-3 * (1 + np.cos(np.arange(STEPS) / 20))


def ahead(x, total, m, *, lr=0.1):
    return x - lr * total * m


@rule("Someone 2000", initial={"total": "lr"}, point=ahead, scalars=("total",))
def averaged(x, g, t, total, m, *, lr=0.1):
    """The scalar state stands before the array, and the body reads its old and its new value."""
    grown = 2 * total + lr
    m = m + lr / grown * (g - m)
    return x - m * total, grown, m


@rule("Someone 2000", scalars=("q", "p"))
def swaps(x, g, t, p, m, q, k):
    return x - g, q, m, 0.5, k


def test_a_rule_tells_its_arrays_from_its_numbers():
    assert (averaged.state, averaged.scalars, averaged.arrays) == (("total", "m"), ("total",), ("m",))
    assert (swaps.scalars, swaps.arrays) == (("p", "q"), ("m", "k"))
    assert RULES["adam"].arrays == RULES["adam"].state


@pytest.mark.parametrize("name", WRAPPERS)
def test_a_wrapped_rule_keeps_its_scalar_state(name):
    assert trace(WRAPPERS[name](RULES["nadam"])).scalar_state == ("mu_product",)


def test_a_scalar_state_is_not_an_array_of_the_program():
    program = trace(averaged)
    assert (program.inputs, program.scalar_state) == (("x", "g", "m"), ("total",))
    assert (program.targets, program.outputs) == (("x", "total", "m"), ("x_new", "grown", "m_new"))
    assert program.stores == (("x", "x_new"), ("m", "m_new"))
    assert program.scalar_stores == (("total", "grown"),)
    assert [line.name for line in program.scalars] == ["s1", "grown", "s2"]
    assert program.used_scalars == ("total", "s2"), "the body reads the old value, but not the new one"


def test_the_text_shows_scalar_state():
    heading, *lines = trace(averaged).text.split("\n")
    assert heading == "averaged(x, g, m; t, lr; total)"
    assert "    total = grown" in lines

    @rule("Someone 2000")
    def averaged_arrays(x, g, t, total, m, *, lr=0.1):
        return averaged(x, g, t, total, m, lr=lr)

    assert trace(averaged_arrays).text.startswith("averaged_arrays(x, g, total, m; t, lr)\n")


def test_numbers_may_stay_swap_or_be_set():
    program = trace(swaps)
    assert (program.scalar_stores, program.used_scalars) == ((("p", "q"), ("q", 0.5)), ())
    one = np.ones(2)
    _, p, _, q, _ = step(program, {"x": one, "g": one, "m": one, "k": one, "p": 3.0, "q": 4.0}, 1, {})
    assert (p, q) == (4.0, 0.5)


def test_the_point_of_a_gradient_reads_scalar_state_and_writes_none():
    point = trace_point(averaged)
    assert point is not None
    assert (point.inputs, point.targets, point.scalar_state) == (("x", "m"), ("x",), ("total",))
    assert (point.scalar_stores, point.used_scalars) == ((), ("s1",))
    (x,) = step(point, {"x": np.ones(1), "m": np.ones(1), "total": 2.0}, 1, {"lr": 0.25})
    assert x == [0.5]


def test_a_scalar_state_that_varies_per_element_is_refused_in_one_sentence():
    @rule("Someone 2000", scalars=("total",))
    def sums_gradients(x, g, t, total):
        total = total + g
        return x - total, total

    sentence = "rule 'sums_gradients' must keep its scalar state total one number, got a value per element: compute it"
    with pytest.raises(FormulaError, match=sentence) as caught:
        trace(sums_gradients)
    assert "\n" not in str(caught.value)


def test_a_scalar_state_that_is_no_state_is_refused_in_one_sentence():
    def descent(x, g, t, m, *, lr=0.1):
        return x - lr * g, m

    sentence = "rule 'descent' declares the scalar state 'lr', but its states are m: put it behind t in the signature"
    with pytest.raises(FormulaError, match=sentence):
        rule("Someone 2000", scalars=("lr",))(descent)


def test_the_once_per_step_values_hold_the_new_number():
    program = trace(averaged)
    values = scalars(program, 1, {"lr": 0.25}, {"total": 1.0})
    assert (values["total"], new_scalar_state(program, values)) == (1.0, {"total": 2.25})


@pytest.mark.parametrize("total", [1 / 3, 1e-42, 5e-310], ids=["a third", "tiny in float32", "tiny in float64"])
def test_a_scalar_state_is_neither_rounded_nor_flushed(total):
    arrays = {"x": np.ones(3, "float32"), "g": np.ones(3, "float32"), "m": np.ones(3, "float32")}
    x, new, m = step(trace(averaged), arrays | {"total": np.float64(total)}, 1, {"lr": 0.0}, flush=True)
    assert type(new) is float
    assert new == 2 * total
    assert x.dtype == m.dtype == np.float32


@pytest.mark.parametrize("chosen", [averaged, RULES["nadam"]], ids=lambda r: r.name)
def test_the_printed_function_takes_and_returns_the_number_in_its_place(chosen: Rule):
    program, random = trace(chosen), np.random.default_rng(0)
    held = {name: random.uniform(0.1, 1, 5) for name in program.inputs} | dict.fromkeys(chosen.scalars, 0.75)
    namespace: dict = {}
    exec(source(program), namespace)
    new = namespace[chosen.name](held["x"], held["g"], 3, *(held[s] for s in chosen.state), **chosen.hyper)
    expected = step(program, held, 3, chosen.hyper, flush=False)
    assert all(np.array_equal(a, b) for a, b in zip(new, expected, strict=True))
    assert isinstance(new[1 + chosen.state.index(chosen.scalars[0])], float)


def test_an_equation_gives_its_new_value():
    found = dict(equations(trace(RULES["nadam"])))
    assert found[r"\mu_{\mathrm{product},t}"] == r"\mu_{\mathrm{product},t-1}\,\mu_t"
    assert equations(trace(averaged))[-1] == (r"\mathrm{total}_t", r"\mathrm{grown}_t")
    assert {("p_t", "q_{t-1}"), ("q_t", "0.5")} <= set(equations(trace(swaps)))


def test_a_descent_carries_the_number_along():
    """The rule on plain numbers, with the gradient where it wants it."""
    x, total, m, path = 2.0, 0.1, 0.0, [2.0]
    for t in range(1, 11):
        x, total, m = averaged(x, 3 * ahead(x, total, m), t, total, m)
        path.append(x)
    np.testing.assert_allclose(minimize(averaged, lambda x: 3 * x, 2.0, steps=10), path, rtol=1e-14)


@pytest.fixture
def double() -> Iterator[None]:
    """torch keeps the product in its default type."""
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


@pytest.mark.usefixtures("double")
@pytest.mark.parametrize(
    "given",
    [
        {},
        {"betas": (0.8, 0.99), "eps": 1e-3, "momentum_decay": 0.5},
        {"weight_decay": 0.1},
        {"weight_decay": 0.1, "decoupled_weight_decay": True, "maximize": True},
    ],
    ids=",".join,
)
def test_nadam_is_torchs_under_a_changing_lr(given):
    arguments = defaults("torch", "NAdam") | given
    found = match("torch", "NAdam", arguments)
    start, stream = np.linspace(-1, 1, WIDTH), gradients(steps=STEPS)
    weights = torch.tensor(start, requires_grad=True)
    optimizer = torch.optim.NAdam([weights], foreach=False, **given)
    path = [start]
    for lr, g in zip(LRS, stream, strict=True):
        optimizer.param_groups[0]["lr"] = float(lr)
        weights.grad = torch.tensor(g)
        optimizer.step()
        path.append(weights.detach().numpy().copy())
    apart = gap(trajectory(found.rule, start, stream, LRS, **found.hyper(arguments)), np.array(path))
    print(f"{found.rule.name}: {apart:.1e} apart after {STEPS} steps")
    assert apart < 1e-12
