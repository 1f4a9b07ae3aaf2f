"""A user's own rule, in a user's own file: it gets what a rule of the catalogue gets, in the reference's numbers.

Bounds: the kernel is the reference to the last bit. In float64 all other ways to step differ from it by rounding alone,
which 300 steps bring to 1e-12 of the way travelled at most.
"""

import copy
import doctest
import json
import os
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import keras
import numpy as np
import pytest
import torch

import thalweg.keras
import thalweg.optax
import thalweg.state
import thalweg.torch
from catalogue import assert_same_bits, first_state, hard_gradients, kernel_step
from lab_runs import TINY, planned, spec_of
from own_rules import EXAMPLE, FILES, OWN, found, reference_to, write
from test_rules import MEASURES
from thalweg.compile import numpy as reference
from thalweg.compile.show import FORMS, shown
from thalweg.compile.storage import uniform
from thalweg.compile.trace import trace, trace_evaluation
from thalweg.errors import InputError
from thalweg.formula import Rule
from thalweg.formula.rule import FACTS
from thalweg.lab.files import find_rule_or_file
from thalweg.rules import RULES
from thalweg.rules.decay import decoupled
from thalweg.torch import Optimizer

# Keras' variables do not know an argument that NumPy 2 hands to `__array__`.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept:DeprecationWarning")

STEPS, WIDTH = 300, 8
GRADIENTS = np.random.default_rng(0).standard_normal((STEPS, WIDTH)) * np.geomspace(1e-3, 10, WIDTH)
START = np.linspace(-1, 2, WIDTH)
LRS = 0.01 * 0.5 ** (np.arange(STEPS) // 50)
EVERY_OWN = pytest.mark.parametrize("name", OWN)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("own")
    write(made)
    return made


@pytest.fixture(scope="module")
def qhadam(folder: Path) -> Rule:
    return found("qhadam", folder)


def reference_path(rule: Rule, **hyper: float) -> tuple[np.ndarray, np.ndarray]:
    """All iterates, and at the end the weights to evaluate."""
    program, x, path = trace(rule), START, []
    state = first_state(rule, x)
    for t, (g, lr) in enumerate(zip(GRADIENTS, LRS, strict=True), start=1):
        x, *new = reference.step(program, {"x": x, "g": g, **state}, t, {**rule.hyper, "lr": lr, **hyper})
        state = dict(zip(rule.state, new, strict=True))
        path.append(x)
    evaluation = trace_evaluation(rule)
    numbers = {**rule.hyper, "lr": LRS[-1], **hyper}
    return np.array(path), reference.step(evaluation, {"x": x, **state}, STEPS, numbers)[0] if evaluation else x


Trained = tuple[np.ndarray, np.ndarray]


def torch_path(rule: Rule, **arguments: Any) -> Trained:
    x, path = torch.from_numpy(START.copy()), []
    optimizer = Optimizer([x], rule=rule, lr=LRS[0], **arguments)
    for g, lr in zip(GRADIENTS, LRS, strict=True):
        optimizer.param_groups[0]["lr"] = lr
        x.grad = torch.from_numpy(g.copy())
        optimizer.step()
        path.append(x.detach().numpy().copy())
    if not rule.evaluation:
        return np.array(path), path[-1]
    with optimizer.averaged():
        return np.array(path), x.detach().numpy().copy()


def evaluator_path(rule: Rule) -> Trained:
    return torch_path(rule, differentiable=True)


def optax_path(rule: Rule) -> Trained:
    with jax.enable_x64(True):
        rates = jnp.asarray(LRS)
        optimizer = thalweg.optax.from_rule(rule, lr=lambda count: rates[count])

        def step(carry: Any, g: Any) -> tuple[Any, Any]:
            x, state = carry
            updates, state = optimizer.update(g, state, x)
            return (x + updates, state), x + updates

        x = jnp.asarray(START)
        (x, state), path = jax.lax.scan(step, (x, optimizer.init(x)), jnp.asarray(GRADIENTS))
        last = thalweg.optax.evaluation_params(state, x) if rule.evaluation else x
        return np.asarray(path), np.asarray(last)


def keras_path(rule: Rule) -> Trained:
    before = keras.config.floatx()
    keras.config.set_floatx("float64")
    try:
        x, path = keras.Variable(START, dtype="float64"), []
        optimizer = thalweg.keras.Optimizer(rule, float(LRS[0]))
        for g, lr in zip(GRADIENTS, LRS, strict=True):
            optimizer.learning_rate = float(lr)
            optimizer.apply([keras.ops.convert_to_tensor(g)], [x])
            path.append(keras.ops.convert_to_numpy(keras.ops.stop_gradient(x.value)).copy())
        with optimizer.evaluation_weights(keras.Sequential()):
            return np.array(path), keras.ops.convert_to_numpy(keras.ops.stop_gradient(x.value)).copy()
    finally:
        keras.config.set_floatx(before)


WAYS = {"torch": torch_path, "torch, operation by operation": evaluator_path, "optax": optax_path, "keras": keras_path}


@EVERY_OWN
@pytest.mark.parametrize("way", WAYS)
def test_every_face_steps_as_the_reference_does(way: str, name: str, folder: Path) -> None:
    rule = found(name, folder)
    expected, given = reference_path(rule), WAYS[way](rule)
    for theirs, ours in zip(expected, given, strict=True):
        assert np.abs(ours - theirs).max() <= 1e-12 * np.abs(theirs - START).max()
    if name == "mean_of_all":
        assert np.abs(expected[1] - expected[0][-1]).max() > 0.01, "other weights to evaluate than to train"


@EVERY_OWN
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_kernel_is_the_reference_to_the_last_bit(name: str, dtype: str, folder: Path) -> None:
    rule, rng = found(name, folder), np.random.default_rng(1)
    program, x = trace(rule), rng.standard_normal(1003).astype(dtype)
    expected = {"x": x, **first_state(rule, x)}
    held = {key: np.copy(value) if isinstance(value, np.ndarray) else value for key, value in expected.items()}
    for t in range(1, 61):
        g = hard_gradients(rng, x.size, dtype)
        new = reference.step(program, {**expected, "g": g}, t, rule.hyper)
        expected = dict(zip(program.targets, new, strict=True))
        held["g"] = g.copy()
        kernel_step(program, uniform(program, dtype), held, t, dict(rule.hyper), threads=2)
        for key, _ in program.stores:
            assert_same_bits(expected[key], held[key], f"{name}, {dtype}, step {t}, {key}")


def test_the_example_is_the_authors_form(qhadam: Rule) -> None:
    """Their averages are those of all gradients so far, weighed by powers of beta; the weights' sum counts up."""
    nu1, nu2, beta1, beta2, eps = 0.8, 0.6, 0.98, 0.99, 1e-6
    x, sum1, sum2, average, square, path = START, 0.0, 0.0, np.zeros(WIDTH), np.zeros(WIDTH), []
    for g, lr in zip(GRADIENTS, LRS, strict=True):
        sum1, sum2 = 1 + beta1 * sum1, 1 + beta2 * sum2
        average = average + (g - average) / sum1
        square = square + (g * g - square) / sum2
        x = x - lr * ((1 - nu1) * g + nu1 * average) / (np.sqrt((1 - nu2) * g * g + nu2 * square) + eps)
        path.append(x)
    ours, _ = reference_path(qhadam, nu1=nu1, nu2=nu2, beta1=beta1, beta2=beta2, eps=eps)
    np.testing.assert_allclose(ours, path, rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("numbers", "other", "theirs"),
    [
        ({"nu1": 1.0, "beta1": 0.9}, "adam", {}),
        ({"nu1": 0.0}, "rmsprop_corrected", {"beta": 0.999}),
        ({"nu1": 0.0, "nu2": 0.0, "eps": 0.0}, "sign_sgd", {}),
    ],
)
def test_the_example_becomes_rules_of_the_catalogue(numbers: dict, other: str, theirs: dict, qhadam: Rule) -> None:
    ours, _ = reference_path(qhadam, **numbers)
    np.testing.assert_allclose(ours, reference_path(RULES[other], **theirs)[0], rtol=0, atol=1e-13)
    assert not np.allclose(ours, reference_path(qhadam)[0], atol=1e-3)


@pytest.mark.parametrize("fact", FACTS)
def test_the_examples_facts_are_those_that_hold(fact: str, qhadam: Rule) -> None:
    assert MEASURES[fact](qhadam) == (fact in qhadam.facts)


def test_the_examples_docstring_runs(qhadam: Rule) -> None:
    results = doctest.testmod(sys.modules[qhadam.formula.__module__])
    assert results.attempted >= 2 and results.failed == 0


@EVERY_OWN
def test_show_prints_every_form(name: str, folder: Path) -> None:
    rule = found(name, folder)
    assert all(shown(rule, form).strip() for form in FORMS)
    compile(shown(rule, "numba"), "shown", "exec")
    formula = shown(rule, "formula")
    assert formula.count("@rule(") >= 1
    if name == "mean_of_all":
        assert formula.count("def shared(") == formula.count("def towards(") == 1


def stepped(rule: Rule | str, steps: int = 5, dtype: torch.dtype = torch.float32, **arguments: Any) -> tuple[Any, Any]:
    """Weights and optimizer after some steps."""
    x = torch.linspace(-1, 2, 64).to(dtype).requires_grad_()
    optimizer = Optimizer([x], rule=rule, **arguments)
    for g in torch.randn(steps, 64, generator=torch.Generator().manual_seed(0)):
        x.grad = g.to(dtype)
        optimizer.step()
    return x, optimizer


def test_clipping_is_that_of_the_gradient(qhadam: Rule) -> None:
    x, _ = stepped(qhadam, clip_value=0.25, clip_norm=1.0, zero_grad=True, nonfinite="raise", lr=0.1)
    by_hand = torch.linspace(-1, 2, 64).requires_grad_()
    optimizer = Optimizer([by_hand], rule=qhadam, lr=0.1)
    for g in torch.randn(5, 64, generator=torch.Generator().manual_seed(0)):
        by_hand.grad = (g / g.norm()).clamp(-0.25, 0.25)
        optimizer.step()
    torch.testing.assert_close(x, by_hand, rtol=0, atol=1e-6)
    assert x.grad is not None and not x.grad.any()


@pytest.mark.parametrize("name", ["qhadam", "mean_of_all"])
def test_averages_of_the_weights(name: str, folder: Path) -> None:
    rule = found(name, folder)
    expected = torch.linspace(-1, 2, 64)
    for k in range(1, 4):
        expected = 0.5 * expected + 0.5 * stepped(rule, k, lr=0.1)[0].detach()
    x, optimizer = stepped(rule, 3, lr=0.1, ema=0.5)
    with optimizer.averaged():
        torch.testing.assert_close(x.detach(), expected, rtol=0, atol=1e-6)


@EVERY_OWN
@pytest.mark.parametrize("rounding", ["stochastic", "kahan"])
def test_bfloat16_weights_do_not_stall(name: str, rounding: str, folder: Path) -> None:
    """Steps far below half the last bit of the weights add up; the same seed gives the same bits."""
    rule = found(name, folder)
    arguments: dict[str, Any] = {"rounding": rounding, "seed": 7, "state_dtype": "float32", "lr": 1e-4}
    coarse, again = (stepped(rule, 200, torch.bfloat16, **arguments)[0] for _ in range(2))
    fine, _ = stepped(rule, 200, lr=1e-4)
    assert torch.equal(coarse, again)
    moved = (fine - torch.linspace(-1, 2, 64)).detach()
    error = (coarse.float() - torch.linspace(-1, 2, 64).bfloat16().float() - moved).detach()
    assert error.abs().mean() < 0.01 and coarse.dtype == torch.bfloat16


def test_stepping_within_backward(qhadam: Rule) -> None:
    torch.manual_seed(0)
    ordinary, early = (torch.nn.Linear(3, 2) for _ in range(2))
    early.load_state_dict(ordinary.state_dict())
    optimizer = Optimizer(ordinary.parameters(), rule=qhadam, lr=0.1)
    thalweg.torch.in_backward(early, qhadam, lr=0.1)
    for _ in range(3):
        ordinary.zero_grad()
        for model in (ordinary, early):
            model(torch.ones(3)).square().sum().backward()
        optimizer.step()
    assert all(torch.equal(a, b) for a, b in zip(ordinary.parameters(), early.parameters(), strict=True))


@EVERY_OWN
def test_copies_and_pickles_of_a_torch_optimizer_go_on(name: str, folder: Path) -> None:
    rule = found(name, folder)
    pair = stepped(rule, maximize=True, ema=0.9, clip_value=1.0)
    for x, optimizer in (copy.deepcopy(pair), pickle.loads(pickle.dumps(pair))):
        assert optimizer.rule is pair[1].rule
        for weights, each in ((x, optimizer), pickle.loads(pickle.dumps(pair))):
            weights.grad = torch.ones(64)
            each.step()
            x, other = (x, weights)
        assert torch.equal(x, other)


CONTINUED = """
import pickle, sys
import torch
x, optimizer = pickle.loads(sys.stdin.buffer.read())
x.grad = torch.ones(64)
optimizer.step()
print(optimizer.rule.name, x.tolist())
"""


def test_a_pickle_goes_on_in_another_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """There the rule is imported from where it is written, and wrapped again."""
    monkeypatch.syspath_prepend(str(EXAMPLE.parent))
    from qhadam import qhadam  # type: ignore[import-not-found]

    x, optimizer = stepped(decoupled(qhadam))
    environment = {**os.environ, "PYTHONPATH": str(EXAMPLE.parent)}
    command = [sys.executable, "-c", CONTINUED]
    done = subprocess.run(command, input=pickle.dumps((x, optimizer)), capture_output=True, env=environment, check=True)
    x.grad = torch.ones(64)
    optimizer.step()
    assert done.stdout.decode().strip() == f"decoupled(qhadam) {x.tolist()}"


@EVERY_OWN
def test_the_state_of_optax_is_pickled(name: str, folder: Path) -> None:
    optimizer = thalweg.optax.from_rule(found(name, folder))
    state = optimizer.init({"w": jnp.ones(3)})
    again = pickle.loads(pickle.dumps(state))
    assert type(again) is type(state) and jax.tree.all(jax.tree.map(jnp.array_equal, again, state))


@EVERY_OWN
def test_a_saved_keras_model_has_its_rule(name: str, folder: Path, tmp_path: Path) -> None:
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile(thalweg.keras.Optimizer(found(name, folder), 0.25), loss="mse")
    model.fit(np.ones((4, 2)), np.ones((4, 1)), verbose=0)
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    assert again.optimizer.rule is model.optimizer.rule
    for a, b in zip(again.optimizer.variables, model.optimizer.variables, strict=True):
        assert keras.ops.all(a.value == b.value)


@EVERY_OWN
def test_state_files(name: str, folder: Path, tmp_path: Path) -> None:
    rule, (given, taken) = found(name, folder), (torch.nn.Linear(2, 3) for _ in range(2))
    first, second = (Optimizer(net.named_parameters(), rule=rule) for net in (given, taken))
    given(torch.ones(2)).square().sum().backward()
    first.step()
    thalweg.state.save(first, tmp_path / "state.safetensors")
    thalweg.state.load(tmp_path / "state.safetensors", second)
    for letter in rule.state:
        a, b = (torch.as_tensor(o.state[n.weight][letter]) for o, n in ((first, given), (second, taken)))
        assert torch.equal(a, b)


BROKEN = {
    "x = 1\n": "expected one rule in .*, got none",
    "import thalweg\nfrom thalweg.rules.adam import adam\n": "expected one rule in .*, got none",
    FILES["product"] + FILES["anchored"]: "expected one rule in .*, got product, anchored",
    "def broken(:\n": r"cannot be loaded \(SyntaxError",
    "import no_such_module\n": r"cannot be loaded \(ModuleNotFoundError",
    FILES["product"].replace("def product(x, g, t", "def product(x, t, g"): "must take",
    FILES["product"].replace(", p, *", ", *"): "declares the start p=1.0, but",
    FILES["product"].replace("    p = p * beta", "    if g > 0: p = p * beta"): "cannot branch on a symbol",
    FILES["product"].replace("* beta\n", "* beta * g\n"): "must keep its scalar state p one number",
    FILES["product"].replace("), m, p\n", "), m\n"): r"must return 3 values \(x, m, p\), got 2",
    FILES["product"].replace("x - lr", "x**0.5 - lr"): "uses 'pow' once per element",
    FILES["mean_of_all"].replace("def shared(x, mean", "def shared(x, middle"): "is asked for 'middle'",
}


@pytest.mark.parametrize("text", BROKEN, ids=range(len(BROKEN)))
def test_wrong_files_are_refused_in_a_sentence(text: str, tmp_path: Path) -> None:
    file = tmp_path / "wrong.py"
    file.write_text(text, encoding="utf-8")
    for ask in (find_rule_or_file, lambda name: planned(f"l2({name}):lr=0.1")):
        with pytest.raises(InputError, match=BROKEN[text]) as caught:
            trace(ask(str(file)))
        assert "\n" not in str(caught.value)


def test_wrong_wrappers_are_refused_in_a_sentence(folder: Path) -> None:
    for text, message in (
        (f"l3({folder}/qhadam.py)", "'l3' does not wrap a rule: known: l2"),
        (f"l2(l2({folder}/qhadam.py))", "adds the hyperparameter 'decay', which rule 'l2.qhadam.' has already"),
        (f"l2({folder}/nowhere.py)", "there is no file"),
    ):
        with pytest.raises(InputError, match=message):
            find_rule_or_file(text)


def compared(folder: Path, *optimizers: str) -> list[dict[str, Any]]:
    command = [sys.executable, "-W", "error", "-m", "thalweg.cli", "compare", TINY, "--seeds", "1", "--json"]
    command += ["--out", str(folder / "out"), "--optimizers", ",".join(optimizers)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert str(folder) not in done.stdout
    return json.loads(done.stdout)


@pytest.mark.slow
def test_compare_trains_every_one(folder: Path) -> None:
    """Rows go by the rules' names, and no decay is no wrapper."""
    rows = compared(
        folder, *(f"{reference_to(name, folder)}:lr=0.01" for name in OWN), f"l2({folder}/qhadam.py):decay=0,lr=0.01"
    )
    assert [row["optimizer"] for row in rows] == [*(f"{name}:lr=0.01" for name in OWN), "l2(qhadam):decay=0,lr=0.01"]
    assert all(row["status"] == ["finished"] and len(row["epochs"]) == 3 for row in rows)
    assert rows[0]["epochs"] == rows[-1]["epochs"] != rows[1]["epochs"]


def test_rules_of_one_name_go_by_their_files(folder: Path, tmp_path: Path) -> None:
    own = tmp_path / "adam.py"
    own.write_text(EXAMPLE.read_text(encoding="utf-8").replace("qhadam", "adam"), encoding="utf-8")
    study = planned(f"adam,{own},{own}:lr=0.1")
    assert [contender.label for contender in study.contenders] == ["adam", str(own), "adam:lr=0.1"]


def test_editing_the_evaluation_weights_trains_anew(tmp_path: Path) -> None:
    def key(text: str) -> str:
        tmp_path.joinpath("own.py").write_text(text, encoding="utf-8")
        return spec_of(str(tmp_path / "own.py")).key

    text = FILES["mean_of_all"]
    assert key(text) != key(text.replace("towards(x, mean, share)", "towards(mean, x, share)"))
    assert key(text) == key(text + "# a comment\n")
