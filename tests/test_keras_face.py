"""Thalweg's Keras classes against Keras' own and the reference, on whichever backend KERAS_BACKEND names; here torch.

The last test runs this file and `test_keras_fit.py` again on JAX, in another process, as Keras' backend is chosen once.
"""

import inspect
import os
import pickle
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import thalweg
import thalweg.keras
from thalweg.compile import numpy as reference
from thalweg.compile.trace import trace, trace_evaluation
from thalweg.errors import FormulaError, InputError
from thalweg.formula import AT_THE_WEIGHTS, Rule, maximum, rule, sqrt
from thalweg.frameworks.keras import CLASSES
from thalweg.keras import Optimizer
from thalweg.rules import RULES
from thalweg.rules.decay import ascent, decoupled, independent, l2
from thalweg.rules.peers import classes

# Keras' variables do not know an argument that NumPy 2 hands to `__array__`.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept:DeprecationWarning")

JAX = keras.config.backend() == "jax"
STEPS, WIDTH = 300, 24
CASES = [
    ("SGD", {}),
    ("SGD", {"momentum": 0.9, "weight_decay": 0.01}),
    ("SGD", {"momentum": 0.9, "nesterov": True, "clipnorm": 1.0}),
    ("Adagrad", {"learning_rate": 0.01}),
    ("Adagrad", {"initial_accumulator_value": 0.5, "clipvalue": 0.5}),
    ("RMSprop", {}),
    ("RMSprop", {"momentum": 0.9, "weight_decay": 0.01}),
    ("RMSprop", {"centered": True}),
    ("RMSprop", {"centered": True, "momentum": 0.9, "rho": 0.95}),
    ("Adadelta", {"learning_rate": 0.5}),
    ("Adam", {}),
    ("Adam", {"beta_1": 0.8, "epsilon": 1e-4, "weight_decay": 0.1}),
    ("Adam", {"amsgrad": True, "global_clipnorm": 1.0}),
    ("AdamW", {}),
    ("AdamW", {"amsgrad": True, "use_ema": True, "ema_overwrite_frequency": 7}),
    ("Nadam", {"loss_scale_factor": 8.0}),
    ("Adamax", {"gradient_accumulation_steps": 3}),
    ("Lion", {"weight_decay": 0.01}),
    ("Ftrl", {"learning_rate": 0.05}),
    (
        "Ftrl",
        {
            **{"learning_rate": 0.05, "l1_regularization_strength": 0.01, "l2_regularization_strength": 0.1},
            **{"l2_shrinkage_regularization_strength": 0.01, "beta": 0.5},
        },
    ),
    ("ScheduleFreeAdamW", {"warmup_steps": 20}),
]
# How far our weights and Keras' may drift apart in 300 steps, relative to the largest: each operation rounds to 6e-8 or
# 1e-16. Keras computes `1 - b**t` in the type of the weights, which is off by up to 1e-4 of itself at b = .999 in the
# first steps of float32.
BOUND = {"float32": 5e-6, "float64": 1e-13}


@pytest.fixture(params=["float32"] if JAX else ["float32", "float64"])  # JAX compiles for seconds
def floatx(request: pytest.FixtureRequest) -> Iterator[str]:
    yield from _with_floatx(request.param)


@pytest.fixture
def wide() -> Iterator[str]:
    yield from _with_floatx("float64")


def _with_floatx(dtype: str) -> Iterator[str]:
    before = keras.config.floatx()
    keras.config.set_floatx(dtype)
    if JAX:
        import jax

        with jax.enable_x64(dtype == "float64"):
            yield dtype
    else:
        yield dtype
    keras.config.set_floatx(before)


def numbers(value: Any) -> np.ndarray:
    return keras.ops.convert_to_numpy(keras.ops.stop_gradient(value.value if hasattr(value, "value") else value))


def noise(dtype: str, steps: int = STEPS, width: int = WIDTH) -> np.ndarray:
    """Gradients whose size differs between elements from 1e-3 to 10, and in time."""
    rng = np.random.default_rng(0)
    sizes = np.geomspace(1e-3, 10, width) * (1 + 0.5 * np.sin(np.arange(steps) / 20))[:, None]
    return (rng.normal(0.2, 1.0, (steps, width)) * sizes).astype(dtype)


def rates(optimizer: keras.optimizers.Optimizer, steps: int = STEPS) -> np.ndarray:
    """A learning rate that halves every 50 steps."""
    return float(numbers(optimizer.learning_rate)) * 0.5 ** (np.arange(steps) // 50)


class Runner:
    """An optimizer with one variable: stepped one by one on torch, in one compiled loop without hidden state on JAX."""

    def __init__(self, optimizer: Any, x: np.ndarray) -> None:
        self.optimizer, self.variable = optimizer, keras.Variable(x, name="w", dtype=x.dtype.name)
        optimizer.build([self.variable])
        if JAX:
            import jax

            self.loop = jax.jit(lambda first, given: jax.lax.scan(self._stateless_step, first, given))

    def path(self, stream: np.ndarray, lrs: np.ndarray) -> np.ndarray:
        """All further iterates."""
        if JAX:
            return self._in_a_loop(stream, lrs)
        path = []
        for gradient, lr in zip(stream, lrs, strict=True):
            self.optimizer.learning_rate = float(lr)
            self.optimizer.apply([keras.ops.convert_to_tensor(gradient)])
            path.append(numbers(self.variable).copy())
        return np.array(path)

    def _stateless_step(self, carry: tuple, given: tuple) -> tuple:
        (x,), state = carry
        state[1] = given[1].astype(state[1].dtype)
        new = self.optimizer.stateless_apply(state, [given[0]], [x])
        return new, new[0][0]

    def _in_a_loop(self, stream: np.ndarray, lrs: np.ndarray) -> np.ndarray:
        first = ([self.variable.value], [v.value for v in self.optimizer.variables])
        ((x,), state), path = self.loop(first, (stream, lrs))
        self.variable.assign(x)
        for own, value in zip(self.optimizer.variables, state, strict=True):
            own.assign(value)
        return np.asarray(path)


def gap(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.abs(a - b).max() / np.abs(b).max())


def case_id(case: tuple[str, dict]) -> str:
    return f"{case[0]}-{','.join(case[1]) or 'defaults'}"


@pytest.mark.parametrize("case", CASES, ids=case_id)
def test_agrees_with_keras_and_takes_over_its_state(case: tuple[str, dict], floatx: str) -> None:
    """300 steps under a changing learning rate; midway each goes on from what the other has saved."""
    name, arguments = case
    if name == "ScheduleFreeAdamW" and not JAX:
        arguments = {**arguments, "learning_rate": 0.0}  # see test_keras_schedule_free_is_wrong_on_torch
    x, stream = np.random.default_rng(1).standard_normal(WIDTH).astype(floatx), noise(floatx)
    pair = [Runner(cls(**arguments), x) for cls in (CLASSES[name], getattr(keras.optimizers, name))]
    lrs, half = rates(pair[0].optimizer), STEPS // 2
    first = [runner.path(stream[:half], lrs[:half]) for runner in pair]
    stores: list[dict] = [{}, {}]
    for runner, store in zip(pair, stores, strict=True):
        runner.optimizer.save_own_variables(store)
    assert {k: np.shape(v) for k, v in stores[0].items()} == {k: np.shape(v) for k, v in stores[1].items()}
    for runner, store in zip(pair, stores[::-1], strict=True):
        runner.optimizer.load_own_variables(store)
    second = [runner.path(stream[half:], lrs[half:]) for runner in pair]
    ours, theirs = (np.concatenate([a, b]) for a, b in zip(first, second, strict=True))
    assert gap(ours, theirs) <= BOUND[floatx]


def test_every_class_that_a_rule_declares_is_there() -> None:
    assert set(CLASSES) == set(classes("keras").values())
    for name, cls in CLASSES.items():
        theirs = getattr(keras.optimizers, name)
        assert getattr(thalweg.keras, name) is cls and issubclass(cls, theirs)
        assert inspect.signature(cls) == inspect.signature(theirs)
        assert (
            cls.__module__ == "thalweg.keras" and name in (thalweg.keras.__doc__ or "") and name in dir(thalweg.keras)
        )
    assert thalweg.keras is sys.modules["thalweg.keras"]


@pytest.mark.parametrize("case", CASES, ids=case_id)
def test_variables_have_keras_names_order_and_shapes(case: tuple[str, dict]) -> None:
    name, arguments = case
    variable = keras.Variable(np.ones((3, 2), "float32"), name="w")
    made = []
    for cls in (CLASSES[name], getattr(keras.optimizers, name)):
        optimizer = cls(name="given", **arguments)
        optimizer.build([variable])
        # Nadam's product has no name of its own but a number.
        made.append([(v.path.rstrip("0123456789"), v.shape, v.dtype) for v in optimizer.variables])
    assert made[0] == made[1]


@rule("a rule of one's own", initial={"s": 1.0, "start_x": "x"}, scalars=("total",))
def signed_root(x, g, t, s, start_x, total, *, lr=0.1, beta=0.5):
    s = beta * s + (1 - beta) * g * g
    total = total + lr
    return x - lr * g / maximum(sqrt(s), 1e-3) - 1e-3 * total * (x - start_x), s, start_x, total


EVERY_RULE = [
    *(chosen for chosen in RULES.values() if chosen.point is None),
    *(l2(RULES["adam"]), decoupled(RULES["rmsprop"]), independent(RULES["momentum"]), ascent(l2(RULES["sgd"]))),
    signed_root,
]


def reference_path(chosen: Rule, x: np.ndarray, stream: np.ndarray, lrs: np.ndarray, **hyper: float) -> np.ndarray:
    """All iterates of the reference, whose states start as they do with the first learning rate."""
    program, path = trace(chosen), []
    known: dict[str, Any] = {**chosen.hyper, **hyper, "lr": lrs[0], AT_THE_WEIGHTS: x}
    starts = {s: known[start] if isinstance(start, str) else start for s, start in chosen.every_start.items()}
    state = {s: float(v) if s in chosen.scalars else np.full_like(x, v) for s, v in starts.items()}
    for t, (g, lr) in enumerate(zip(stream, lrs, strict=True), start=1):
        values = {"x": x, "g": g, **state}
        x, *new = reference.step(program, values, t, {**chosen.hyper, **hyper, "lr": lr}, flush=False)
        state = dict(zip(state, new, strict=True))
        path.append(x)
    return np.array(path)


@pytest.mark.parametrize("chosen", EVERY_RULE, ids=lambda r: r.name)
def test_every_rule_agrees_with_the_reference(chosen: Rule, wide: str) -> None:
    """300 steps in float64 under a changing learning rate."""
    x, stream = np.random.default_rng(1).standard_normal(WIDTH), noise(wide)
    runner = Runner(Optimizer(chosen), x)
    lrs = rates(runner.optimizer)
    assert gap(runner.path(stream, lrs), reference_path(chosen, x, stream, lrs)) <= 1e-12


# With the per-step numbers in float32 too, as on JAX without x64, RAdam's `rho` is a difference of thousands: its last
# digit is 1e-4, and its step is off by as much where `rho` has just passed the threshold.
IN_FLOAT32 = {
    **{"adam": 2e-6, "adam_eps_hat": 2e-6, "nadam": 4e-6, "adamax": 2e-6, "radam": 1e-4, "asgd": 2e-6},
    **{"schedule_free_adamw": 4e-6, "schedule_free_sgd": 4e-6, "rmsprop_inside_centered": 2e-6, "signed_root": 2e-6},
}


@pytest.mark.parametrize("chosen", [r for r in EVERY_RULE if r.name in IN_FLOAT32], ids=lambda r: r.name)
def test_rules_in_float32_agree_with_the_reference_in_float64(chosen: Rule) -> None:
    x, stream = np.random.default_rng(1).standard_normal(WIDTH).astype("float32"), noise("float32")
    runner = Runner(Optimizer(chosen), x)
    lrs = rates(runner.optimizer).astype("float32").astype("float64")
    exact = reference_path(chosen, x.astype("float64"), stream.astype("float64"), lrs)
    assert gap(runner.path(stream, lrs), exact) <= IN_FLOAT32[chosen.name]


def test_keras_schedule_free_is_wrong_on_torch() -> None:
    """There Keras reads its momentum as it was before the step only after the step; a failure means it is mended."""
    x, stream = np.random.default_rng(1).standard_normal(WIDTH).astype("float32"), noise("float32")
    ours, theirs = (Runner(cls(0.01), x) for cls in (CLASSES["ScheduleFreeAdamW"], keras.optimizers.ScheduleFreeAdamW))
    lrs = rates(ours.optimizer)
    exact = reference_path(ours.optimizer.plan().rule, x.astype("float64"), stream, lrs)
    assert gap(ours.path(stream, lrs), exact) <= 5e-6
    distance = gap(theirs.path(stream, lrs), exact)
    assert distance <= 5e-6 if JAX else distance >= 1e-2


@pytest.mark.parametrize("case", CASES, ids=case_id)
def test_configurations_and_pickles(case: tuple[str, dict]) -> None:
    name, arguments = case
    optimizer = CLASSES[name](name="given", **arguments)
    config = optimizer.get_config()
    assert config == getattr(keras.optimizers, name)(name="given", **arguments).get_config()
    for again in (
        CLASSES[name].from_config(optimizer.get_config()),
        keras.optimizers.deserialize(keras.optimizers.serialize(optimizer)),
        keras.optimizers.get(keras.optimizers.serialize(optimizer)),
        pickle.loads(pickle.dumps(optimizer)),
    ):
        assert type(again) is CLASSES[name] and again.get_config() == config


ANY = ["adamw", "decoupled(rmsprop)", "irprop_minus", signed_root, l2(signed_root)]


@pytest.mark.parametrize("chosen", ANY, ids=str)
def test_any_rule_in_configurations_and_pickles(chosen: str | Rule) -> None:
    hyper = {"beta": 0.25} if chosen is signed_root else {}
    optimizer = Optimizer(chosen, 0.25, clipnorm=1.0, initial={"s": 0.5} if chosen is signed_root else None, **hyper)
    for again in (
        keras.optimizers.deserialize(keras.optimizers.serialize(optimizer)),
        pickle.loads(pickle.dumps(optimizer)),
    ):
        assert again.get_config() == optimizer.get_config() and again.rule is optimizer.rule
        assert again.hyper == optimizer.hyper and again.clipnorm == 1.0 and again.plan() == optimizer.plan()


def test_rules_by_their_own_names() -> None:
    optimizer = thalweg.keras.adam_uncorrected(0.5, beta1=0.8, weight_decay=0.1)
    assert optimizer.rule is RULES["adam_uncorrected"] and optimizer.hyper["beta1"] == 0.8
    assert float(numbers(optimizer.learning_rate)) == 0.5 and optimizer.weight_decay == 0.1
    names = list(inspect.signature(thalweg.keras.nadam).parameters)
    assert names[:5] == ["learning_rate", "beta1", "beta2", "eps", "momentum_decay"] and "use_ema" in names
    assert {name for name, r in RULES.items() if r.point is None} <= set(dir(thalweg.keras))
    assert float(numbers(thalweg.keras.rmsprop().learning_rate)) == pytest.approx(RULES["rmsprop"].hyper["lr"])
    with pytest.raises(AttributeError, match="no attribute 'adm'"):
        _ = thalweg.keras.adm


@rule("none")
def with_a_name(x, g, t, *, lr=0.1, name=1.0):
    return x - lr * name * g


@rule("none")
def without_lr(x, g, t, *, size=0.1):
    return x - size * g


@rule("none")
def branching(x, g, t, *, lr=0.1):
    return x - lr * g if g > 0 else x


@pytest.mark.parametrize(
    ("error", "words", "make"),
    [
        (InputError, "wants its gradient at another point .* which Keras", lambda: Optimizer("nesterov_lookahead")),
        (InputError, "no optimizer 'adm'", lambda: Optimizer("adm")),
        (InputError, "no hyperparameter 'beta3'", lambda: Optimizer("adam", beta3=0.5)),
        (InputError, "beta1 of rule 'adam' must be", lambda: Optimizer("adam", beta1=1.5)),
        (InputError, "lr of rule 'adam' must be", lambda: Optimizer("adam", -1.0)),
        (InputError, "as learning_rate, got lr", lambda: Optimizer("adam", lr=0.1)),
        (InputError, "no state 'w'", lambda: Optimizer("adam", initial={"w": 1.0})),
        (InputError, "a number for beta1, got a schedule", lambda: Optimizer("adam", beta1=lambda t: 0.9)),
        (InputError, "decays weights itself", lambda: Optimizer("adamw", weight_decay=0.1)),
        (InputError, "'name', an argument of every Keras", lambda: Optimizer(with_a_name)),
        (InputError, "has no lr, got learning_rate=0.1", lambda: Optimizer(without_lr, 0.1)),
        (InputError, "a schedule of thalweg's", lambda: Optimizer("adam", thalweg.schedules.cosine(0.1, 10))),
        (FormulaError, "cannot branch", lambda: Optimizer(branching)),
        (ValueError, "learning_rate` should be float", lambda: Optimizer("adam", 1)),
        (ValueError, "Only one of `clipnorm`", lambda: Optimizer("adam", clipnorm=1.0, clipvalue=1.0)),
        (
            InputError,
            "no rule .* Ftrl with learning_rate_power=-0.3",
            lambda: CLASSES["Ftrl"](learning_rate_power=-0.3),
        ),
        (ValueError, "`momentum` must be a float", lambda: CLASSES["SGD"](momentum=2)),
        (InputError, "cannot be saved", lambda: Optimizer(l2(rule("local")(lambda x, g, t: x - g))).get_config()),
        (InputError, "is not imported", lambda: Optimizer("no_such_module:adam")),
    ],
)
def test_refusals(error: type[Exception], words: str, make: Any) -> None:
    with pytest.raises(error, match=words):
        make()


def test_a_rule_without_a_learning_rate() -> None:
    w = keras.Variable(np.ones(2, "float32"))
    Optimizer(without_lr, size=0.5).apply([keras.ops.ones(2)], [w])
    assert numbers(w).tolist() == [0.5, 0.5]


@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "float32", "float64"])
def test_variables_of_any_dtype(dtype: str, wide: str) -> None:
    """Arithmetic in float32 at least, storage in the variable's type; in one optimizer types may be mixed."""
    variables = [keras.Variable([1.0, -0.3, 2.7], dtype=each) for each in (dtype, "float32")]
    grads = [keras.ops.cast(keras.ops.convert_to_tensor([0.1, -2.0, 1e-3]), v.dtype) for v in variables]
    working = "float64" if dtype == "float64" else "float32"
    x, g = (numbers(keras.ops.cast(value, working)) for value in (variables[0], grads[0]))
    optimizer = CLASSES["Adam"](0.5)
    optimizer.apply(grads, variables)
    assert sorted(v.dtype for v in optimizer.variables[2:]) == sorted([dtype, dtype, "float32", "float32"])
    hyper, arrays = {**RULES["adam_eps_hat"].hyper, "lr": 0.5}, {"x": x, "g": g, "m": 0 * x, "v": 0 * x}
    new, *_ = reference.step(trace(RULES["adam_eps_hat"]), arrays, 1, hyper)
    stored = keras.ops.cast(keras.ops.cast(keras.ops.convert_to_tensor(new), dtype), "float64")
    np.testing.assert_allclose(numbers(keras.ops.cast(variables[0], "float64")), numbers(stored), rtol=3e-7)


def test_centered_stays_right_and_survives_files() -> None:
    """On nearly constant gradients Keras goes far astray, on torch to NaN; a failure here means that it is mended."""
    rng = np.random.default_rng(0)
    stream = (100 + 1e-4 * rng.standard_normal((200, 4))).astype("float32")
    both = (CLASSES["RMSprop"], keras.optimizers.RMSprop)
    ours, theirs = (Runner(cls(centered=True), np.ones(4, "float32")) for cls in both)
    lrs = rates(ours.optimizer, 200)
    exact = reference_path(ours.optimizer.plan().rule, np.ones(4), stream.astype("float64"), lrs)
    assert gap(ours.path(stream, lrs), exact) <= 1e-3
    assert not gap(theirs.path(stream, lrs), exact) <= 0.5
    store: dict = {}
    ours.optimizer.save_own_variables(store)
    again = Runner(CLASSES["RMSprop"](centered=True), np.ones(4, "float32"))
    again.optimizer.load_own_variables(store)
    for a, b in zip(again.optimizer.variables, ours.optimizer.variables, strict=True):
        np.testing.assert_allclose(numbers(a), numbers(b), rtol=3e-7)  # the variance is 1e-9 of the mean's square
    variance, mean = (numbers(v).astype("float64") for v in ours.optimizer.variables[2:4])
    np.testing.assert_allclose(store["2"], variance + mean**2, rtol=1e-15)


@pytest.mark.parametrize(
    "optimizer",
    [lambda: Optimizer("adamw", 0.1, decay=0.5), lambda: thalweg.keras.AdamW(0.1, weight_decay=0.5)],
    ids=["Optimizer", "AdamW"],
)
def test_exclusions_from_decay(optimizer: Any) -> None:
    w, b = keras.Variable(np.ones(2, "float32"), name="kernel"), keras.Variable(np.ones(2, "float32"), name="bias")
    made = optimizer()
    made.exclude_from_weight_decay(var_names=["bias"])
    made.apply([keras.ops.zeros(2), keras.ops.zeros(2)], [w, b])
    np.testing.assert_allclose(numbers(w), 0.95, rtol=1e-6)
    assert numbers(b).tolist() == [1.0, 1.0]


def test_states_start_in_the_first_step() -> None:
    """A learning rate or weights that were set after the variables were made are those that states start at."""
    w = keras.Variable(np.zeros(2, "float32"))
    rprop, free = Optimizer("irprop_minus", 0.5), Optimizer("schedule_free_sgd", 0.5)
    for optimizer in (rprop, free):
        optimizer.build([w])
    rprop.learning_rate = 0.25
    w.assign([1.0, 1.0])
    rprop.apply([keras.ops.ones(2)])
    assert numbers(w).tolist() == [0.75, 0.75]
    free.apply([keras.ops.ones(2)])
    assert numbers(free.variables[2]).tolist() == [0.25, 0.25]  # z, from .75


def test_numbers_may_be_changed_midway() -> None:
    w = keras.Variable(np.ones(1, "float32"))
    optimizers = (thalweg.keras.SGD(0.5, momentum=0.5), Optimizer("momentum_velocity", 0.5, mu=0.5))
    for optimizer in optimizers:
        w.assign([1.0])
        optimizer.apply([keras.ops.ones(1)], [w])
        if isinstance(optimizer, Optimizer):
            optimizer.hyper["mu"] = 0.0
        else:
            optimizer.momentum = 0.25
        optimizer.apply([keras.ops.ones(1)])
        assert numbers(w).tolist() == [0.0] if isinstance(optimizer, Optimizer) else [-0.125]


def test_the_rate_may_be_a_function_of_nothing() -> None:
    w = keras.Variable(np.ones(1, "float32"))
    Optimizer("sgd", lambda: 0.25).apply([keras.ops.ones(1)], [w])
    assert numbers(w).tolist() == [0.75]


@pytest.mark.parametrize("chosen", ["schedule_free_sgd", "schedule_free_adamw", "asgd", "adam"])
def test_evaluation_weights(chosen: str) -> None:
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    optimizer = Optimizer(chosen, 0.1, **({"t0": 0.0} if chosen == "asgd" else {}))
    variables = model.trainable_variables
    with optimizer.evaluation_weights(model):
        assert not optimizer.built
    for k in range(4):
        optimizer.apply([keras.ops.full(v.shape, 0.5 + k) for v in variables], variables)
    trained, program = [numbers(v).copy() for v in variables], trace_evaluation(optimizer.rule)
    with pytest.raises(KeyboardInterrupt), optimizer.evaluation_weights(model):
        for i, variable in enumerate(variables):
            arrays = {"x": trained[i], **{s: numbers(optimizer.state_variables(s)[i]) for s in optimizer.rule.arrays}}
            once = {s: numbers(optimizer.state_variables(s)) for s in optimizer.rule.scalars}
            known = {**optimizer.hyper, "lr": 0.1}
            expected = reference.step(program, arrays | once, 4, known)[0] if program else trained[i]
            np.testing.assert_allclose(numbers(variable), expected, rtol=1e-5)
            assert program is None or not np.array_equal(numbers(variable), trained[i])
        raise KeyboardInterrupt
    assert all(np.array_equal(numbers(v), before) for v, before in zip(variables, trained, strict=True))


@pytest.mark.parametrize("gradient", [np.array([1.0, 2.0]), [1.0, 2.0]], ids=["numpy", "list"])
def test_gradients_that_are_no_tensors(gradient: Any) -> None:
    w = keras.Variable(np.ones(2, "float32"))
    thalweg.keras.SGD(0.5).apply([gradient], [w])
    assert numbers(w).tolist() == [0.5, 0.0]


def test_gradients_that_are_sparse() -> None:
    """JAX's sparse arrays are taken as the dense ones that they stand for; torch has none that Keras knows."""
    dense = np.zeros((4, 2), "float32")
    dense[2] = 1.0
    gradient = keras.ops.convert_to_tensor(dense)
    if JAX:
        from jax.experimental.sparse import BCOO

        gradient = BCOO.fromdense(gradient)
    variables = [keras.Variable(np.ones((4, 2), "float32")) for _ in range(2)]
    for variable, each in zip(variables, (gradient, keras.ops.convert_to_tensor(dense)), strict=True):
        thalweg.keras.Adam(0.1).apply([each], [variable])
    assert np.array_equal(*map(numbers, variables)) and numbers(variables[0])[0, 0] == 1.0


def test_a_subclass_may_change_the_gradient() -> None:
    class Halved(CLASSES["Nadam"]):
        def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
            super().update_step(gradient / 2, variable, learning_rate)

    w, u = (keras.Variable(np.ones(2, "float32")) for _ in range(2))
    halved, whole = Halved(0.1, epsilon=1.0), CLASSES["Nadam"](0.1, epsilon=1.0)
    for _ in range(3):
        halved.apply([keras.ops.ones(2)], [w])
        whole.apply([keras.ops.ones(2) / 2], [u])
    assert np.array_equal(numbers(w), numbers(u))


FILES = ("test_keras_face.py", "test_keras_fit.py")


if not JAX:

    @pytest.mark.slow
    def test_all_of_this_on_jax() -> None:
        files = [str(Path(__file__).parent / name) for name in FILES]
        command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "-p", "no:xdist", *files]
        environment = {**os.environ, "KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu"}
        done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=Path(__file__).parents[1])
        assert done.returncode == 0, done.stdout + done.stderr
