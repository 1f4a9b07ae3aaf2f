"""The page's numbers in a real browser: rules, surfaces, descents and noise against NumPy's."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from browsers import CHROMIUM, chromium
from catalogue import EVERY_RULE, first_state
from own_rules import OWN, write
from thalweg import minimize
from thalweg.compile import numpy as reference
from thalweg.compile.gradient import trace_gradient
from thalweg.compile.noise import mix, normal, run_keys, step_keys
from thalweg.compile.trace import trace, trace_evaluation, trace_point
from thalweg.formula import Rule, maximum, minimum, rule, sign, where
from thalweg.lab.files import find_rule_or_file
from thalweg.playground.catalogue import script
from thalweg.rules import RULES
from thalweg.rules.decay import decoupled, l2
from thalweg.surfaces import SURFACES

WITHOUT = "no Chromium on this machine: the page's numbers were not computed in a browser (install 'chromium')"
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason=WITHOUT)

STEPS = 500
# Numbers that JSON has not are told as text.
TOLD = """(found => JSON.stringify(found, (_, v) => ArrayBuffer.isView(v) ? [...v]
    : Object.is(v, -0) ? "-0" : typeof v === "number" && !Number.isFinite(v) ? String(v) : v))"""
Ask = Callable[..., Any]


@rule("nowhere")
def new(x, g, t, delete, typeof, *, lr=0.1, function=0.9, var=2.0):
    """Every operation, under names that JavaScript keeps for itself."""
    this = maximum(delete, abs(g)) - minimum(typeof, -abs(g))
    let = where(g == 0, 0.5, where(g != typeof, sign(g), function)) + where(g <= delete, -0.0, 1e-300)
    null = where(g >= typeof, this, -this) * function
    return x - lr * let * null / (1 + t**var), function * delete + g, -g


@rule("nowhere", scalars=("c",), initial={"c": 1.0})
def corners(x, g, t, c, *, lr=1.0, p=2.0):
    """What a scalar may be raised to, and the corners of signs and quotients."""
    raised = c**p + (-c) ** p + (c - 1) ** p + 2**p
    return x - lr * sign(g) / (g * raised), c * 1.0


RULES_HERE: list[Rule] = [*EVERY_RULE, decoupled(RULES["irprop_minus"]), l2(RULES["nesterov_lookahead"]), new]
assert len({each.name for each in RULES_HERE}) == len(RULES_HERE) >= 57 + 5


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> list[Rule]:
    """Rules as users write them in files."""
    folder = tmp_path_factory.mktemp("own")
    write(folder)
    bare = {name: name.split("(")[-1].rstrip(")") for name in OWN}
    return [find_rule_or_file(name.replace(one, str(folder / f"{one}.py"))) for name, one in bare.items()]


@pytest.fixture(scope="module")
def ask(own: list[Rule]) -> Iterator[Ask]:
    """Calls a JavaScript function of one argument in the browser, with data as JSON on both ways."""
    with chromium() as browser:
        page = browser.new_page()
        page.set_content(f"<script>\n{script([*RULES_HERE, corners, *own])}\n</script>")

        def asked(function: str, given: Any = None) -> Any:
            return json.loads(page.evaluate(f"given => {TOLD}(({function})(JSON.parse(given)))", json.dumps(given)))

        yield asked


def numbers(nested: Any) -> np.ndarray:
    return np.array(nested, dtype=object).astype(np.float64)


def gradients() -> np.ndarray:
    """Of sizes over nine decades, of both signs, with zeros, and a stretch that keeps its sign."""
    rng = np.random.default_rng(6)
    found = rng.choice([-1, 1], (STEPS, 2)) * 10 ** rng.uniform(-6, 3, (STEPS, 2))
    found[rng.random((STEPS, 2)) < 0.1] = 0.0
    found[200:260] = np.abs(found[200:260])
    return found


def followed(each: Rule, given: np.ndarray) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """The points and states that NumPy's reference finds, after each step."""
    program = trace(each)
    x = np.array([0.7, -1.3])
    state = first_state(each, x)
    points, states = [], {name: [] for name in each.state}
    for t, g in enumerate(given, start=1):
        x, *new_state = reference.step(program, {"x": x, "g": g, **state}, t, each.hyper, flush=False)
        state = dict(zip(each.state, new_state, strict=True))
        points.append(x)
        for name, value in state.items():
            states[name].append(value)
    return np.array(points), {name: np.array(values) for name, values in states.items()}


FOLLOW = """given => given.names.map(name => {
    const run = Engine.begin(RULES[name], [0.7, -1.3]), points = [], states = [];
    for (const [x, y] of given.gradients) {
        Engine.step(run, x, y);
        points.push([...run.x]);
        states.push(Engine.stateOf(run));
    }
    return {points, states};
})"""


def difference(found: np.ndarray, expected: np.ndarray) -> float:
    """The largest relative difference; infinite where one of the two is no number."""
    assert found.shape == expected.shape and np.isfinite(expected).all()
    apart = np.abs(found - expected)
    relative = np.divide(apart, np.abs(expected), out=np.full_like(apart, np.inf), where=expected != 0)
    return float(np.where(np.isnan(apart), np.inf, np.where(apart == 0, 0.0, relative)).max(initial=0.0))


def test_every_rule_takes_the_same_500_steps(ask: Ask, own: list[Rule]) -> None:
    given = gradients()
    every = [*RULES_HERE, *own]
    found = ask(FOLLOW, {"names": [each.name for each in every], "gradients": given.tolist()})
    far = {}
    for each, here in zip(every, found, strict=True):
        points, states = followed(each, given)
        far[each.name, "x"] = difference(numbers(here["points"]), points)
        for name, values in states.items():
            far[each.name, name] = difference(numbers([state[name] for state in here["states"]]), values)
    worst = max(far, key=far.__getitem__)
    assert far[worst] <= 1e-12, (worst, far[worst])


CORNERS = [0.0, -0.0, float("inf"), -float("inf"), float("nan"), 5e-324, -1e308, 1.0]


def test_no_number_is_treated_otherwise_than_by_numpy(ask: Ask) -> None:
    """NaN, infinities, both zeros, subnormal and huge gradients, each followed by an ordinary one and a zero."""
    function = """given => given.names.map(name => given.corners.map(corner => {
        const run = Engine.begin(RULES[name], [0.7, -0.0]);
        return [corner, 1, -0.0].map(g => {
            Engine.step(run, Number(g), -g);
            return {x: run.x.slice(), ...Engine.stateOf(run)};
        });
    }))"""
    every = [*RULES_HERE, corners]
    told = {"names": [each.name for each in every], "corners": [str(c) for c in CORNERS]}
    told["corners"] = [c.replace("inf", "Infinity").replace("nan", "NaN") for c in told["corners"]]
    for each, runs in zip(every, ask(function, told), strict=True):
        for corner, run in zip(CORNERS, runs, strict=True):
            x, program = np.array([0.7, -0.0]), trace(each)
            state = first_state(each, x)
            for t, (g, here) in enumerate(zip((corner, 1.0, -0.0), run, strict=True), start=1):
                arrays = {"x": x, "g": np.array([g, -g]), **state}
                x, *after = reference.step(program, arrays, t, each.hyper, flush=False)
                state = dict(zip(each.state, after, strict=True))
                for name, value in {"x": x, **state}.items():
                    same(numbers(here[name]), value, (each.name, name, corner, t))


def same(found: np.ndarray, expected: Any, where: object) -> None:
    """Equal to the last bits, NaN and the signs of zeros included."""
    np.testing.assert_allclose(found, expected, rtol=1e-14, err_msg=str(where))
    zero = np.asarray(expected) == 0
    np.testing.assert_array_equal(np.signbit(found[zero]), np.signbit(np.asarray(expected)[zero]), err_msg=str(where))


def test_points_and_evaluation_weights_are_the_rules_own(ask: Ask) -> None:
    function = """names => names.map(name => {
        const rule = RULES[name], run = Engine.begin(rule, [0.7, -1.3]);
        for (const g of [1, -0.5, 0.25]) Engine.step(run, g, 3 * g);
        const at = rule.point && [0, 1].map(i => rule.point(run.x[i], 4, run.h, run.state, i));
        return {at, evaluated: Engine.evaluated(run)};
    })"""
    chosen = [each for each in RULES_HERE if each.point or each.evaluation]
    assert {each.name for each in chosen} >= {"nesterov_lookahead", "schedule_free_adamw", "asgd"}
    for each, here in zip(chosen, ask(function, [each.name for each in chosen]), strict=True):
        points, states = followed(each, np.outer([1, -0.5, 0.25], [1, 3]))
        arrays = {"x": points[-1], **{name: values[-1] for name, values in states.items()}}
        for program, found in ((trace_point(each), here["at"]), (trace_evaluation(each), here["evaluated"])):
            if program:
                (expected,) = reference.step(program, arrays, 4, each.hyper, flush=False)
                np.testing.assert_allclose(numbers(found), expected, rtol=1e-14)


def test_every_surface_and_its_gradient_at_1000_points(ask: Ask) -> None:
    rng = np.random.default_rng(7)
    points = {s.name: np.array([rng.uniform(*ends, 1000) for ends in s.window]).T for s in SURFACES.values()}
    function = """points => Object.entries(points).map(([name, at]) => at.map(([x, y]) => {
        const out = new Float64Array(3);
        SURFACES[name].gradient(x, y, out);
        return [...out, SURFACES[name].value(x, y)];
    }))"""
    found = ask(function, {name: at.tolist() for name, at in points.items()})
    assert len(found) == len(SURFACES) >= 10
    for (name, at), here in zip(points.items(), found, strict=True):
        value, *slopes = reference.values(trace_gradient(SURFACES[name]), at[:, 0], at[:, 1])
        for column, expected in zip(numbers(here).T, (value, *slopes, value), strict=True):
            np.testing.assert_allclose(column, expected, rtol=1e-9, atol=1e-9 * np.abs(expected).max(), err_msg=name)


def saddle_gradient(at: np.ndarray) -> np.ndarray:
    return np.stack(reference.values(trace_gradient(SURFACES["saddle"]), at[..., 0], at[..., 1])[1:], -1)


def test_every_descent_of_the_saddle_is_that_of_minimize(ask: Ask) -> None:
    function = """names => names.map(name =>
        Engine.descend(RULES[name], SURFACES.saddle, [-1.5, 0.01], {lr: 0.02}, 100))"""
    names = [*RULES, "l2(adam)"]
    for name, here in zip(names, ask(function, names), strict=True):
        points = minimize(name, saddle_gradient, [-1.5, 0.01], steps=100, lr=0.02)
        assert difference(numbers(here["points"]).reshape(101, 2), points) <= 1e-10, name
        np.testing.assert_allclose(
            numbers(here["values"]), points[:, 0] ** 2 - points[:, 1] ** 2, rtol=1e-9, atol=1e-12
        )


def test_noise_is_that_of_every_other_backend(ask: Ask) -> None:
    cases = [(0, 0, 1), (1, 0, 1), (7, 3, 2), (2**32 - 1, 5, 1000), (2**31, 2**31 - 1, 4096), (12345, 1, 2**30)]
    cases += [(0, 0, step) for step in range(1, 500)]
    function = """cases => cases.map(([seed, run, step]) => {
        const whole = new Float64Array(2), normal = new Float64Array(2);
        Engine.hash(seed, run, step, whole);
        Engine.noise(seed, run, step, normal);
        return [...whole, ...normal];
    })"""
    for (seed, run, step), (a, b, x, y) in zip(cases, ask(function, cases), strict=True):
        key = int(run_keys(seed, run))
        assert [a, b] == [mix(key ^ each) for each in step_keys(seed, step)]
        assert [float(x), float(y)] == [float(part) for part in normal(seed, run, step)]


def test_noise_is_added_to_the_gradient_of_every_step(ask: Ask) -> None:
    added = {"sigma": 0.5, "seed": 11, "run": 2}
    function = "n => Engine.descend(RULES.momentum, SURFACES.saddle, [1, 0.5], {lr: 0.01, rho: 0.8}, 50, n).points"
    steps = iter(range(1, 51))

    def noisy(at: np.ndarray) -> np.ndarray:
        return saddle_gradient(at) + 0.5 * np.array(normal(11, 2, next(steps)))

    expected = minimize("momentum", noisy, [1.0, 0.5], steps=50, lr=0.01, rho=0.8)
    np.testing.assert_allclose(numbers(ask(function, added)).reshape(51, 2), expected, rtol=1e-13)


def test_a_surface_of_ones_own_and_settings_of_ones_own(ask: Ask) -> None:
    function = """() => {
        const value = (x, y) => x * x + y * y;
        const bowl = {value, gradient: (x, y, out) => { out.set([value(x, y), 2 * x, 2 * y]); }};
        const run = Engine.begin(RULES.adagrad_inside, [1, 2], {lr: 0.5}, {s: 0.25});
        Engine.advance(run, bowl);
        return {descent: Engine.descend(RULES.sgd, bowl, [1, 2], {lr: 0.25}, 2), t: run.t, state: Engine.stateOf(run)};
    }"""
    found = ask(function)
    assert found["descent"] == {"points": [1, 2, 0.5, 1, 0.25, 0.5], "values": [5, 1.25, 0.3125]}
    assert found["t"] == 1 and found["state"] == {"s": [4.25, 16.25]}


def test_what_is_seen_is_what_the_step_computed(ask: Ask) -> None:
    function = """given => given.names.map(name => {
        const run = Engine.begin(RULES[name], [0.7, -1.3]), nothing = Engine.seen(run);
        for (const [x, y] of given.gradients) Engine.advance(run, {gradient: (a, b, out) => { out.set([0, x, y]); }});
        const seen = Engine.seen(run, 1), keys = RULES[name].contests.flatMap(c => c[2].map(t => t[0]));
        return {nothing, ...seen, matters: [...seen.matters], keys};
    })"""
    given = gradients()[:5]
    names = [each.name for each in RULES_HERE]
    for each, here in zip(RULES_HERE, ask(function, {"names": names, "gradients": given.tolist()}), strict=True):
        points, states = followed(each, given)
        assert here["nothing"] is None
        assert set(here["matters"]) <= set(here["keys"]) == set(here["values"])
        assert any(value == pytest.approx(points[-1, 1], rel=1e-13) for value in map(float, here["equations"]))
        for values in states.values():
            last = np.ravel(values[-1])[-1]
            assert any(float(v) == pytest.approx(last, rel=1e-13, abs=0) for v in (*here["equations"], given[-1, 1]))


def test_the_term_that_matters_changes_as_it_should(ask: Ask) -> None:
    """RAdam's and Rprop's branches, AMSGrad's maximum, and a gradient that outweighs the memory of its past."""
    function = """([name, gradients, hyper]) => {
        const rule = RULES[name], run = Engine.begin(rule, [1, 1], hyper);
        const values = Object.fromEntries(rule.contests.flatMap(c => c[2]));
        return gradients.map(g => {
            Engine.advance(run, {gradient: (a, b, out) => { out.set([0, g, g]); }});
            return [...Engine.seen(run).matters].map(key => values[key]);
        });
    }"""
    first, second, third = ask(function, ["amsgrad", [1, 0.001, 30], {}])
    assert "v_new" in first and "v_max" in second and "v_new" in third
    first, second, third = ask(function, ["irprop_minus", [1, 2, -1], {}])
    assert "a3" in first and "up" in second and "down" in third and "up" not in third
    early, late = ask(function, ["momentum", [1, 0.1], {}])
    assert early == ["g"] and late == ["a1"]
    assert ask(function, ["adam", [0, 0], {}])[1] == ["eps"]
    tied = ask(function, ["l2(adam)", [1, 100], {"decay": 1}])
    assert "g" not in tied[0] and "g" in tied[1]
