"""The table of peers: complete, true of all signatures, sharp, and right for torch, MLX, TensorFlow 1 and papers."""

import functools
import inspect
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
import optax
import optax.contrib
import pytest
import torch

from peer_rows import Case, cases, default_of, gap, gradients, reference, spelled, start, state_gap, wrong_always
from thalweg.errors import InputError
from thalweg.rules import PEERS, RULES
from thalweg.rules.excluded import EXCLUDED
from thalweg.rules.peers import COMMON, classes, declared
from thalweg.rules.setting import resolve
from transcriptions import TRANSCRIPTIONS

WRITTEN = ("mlx", "tf1", "paper")
EVERY_PEER = pytest.mark.parametrize(
    ("name", "peer"), PEERS, ids=[f"{peer.framework}-{peer.name}-{name}-{k}" for k, (name, peer) in enumerate(PEERS)]
)


def found(framework: str, name: str) -> Callable[..., Any]:
    """The class or function of that name, or its transcription."""
    if framework == "optax":
        return getattr(optax, name, None) or getattr(optax.contrib, name)
    if framework in WRITTEN:
        return TRANSCRIPTIONS[framework, name]
    return getattr({"torch": torch.optim, "keras": keras.optimizers}[framework], name)


def subclasses(module: Any, base: type) -> set[str]:
    public = {name: value for name, value in vars(module).items() if not name.startswith("_")}
    return {name for name, value in public.items() if isinstance(value, type) and issubclass(value, base)} - {
        base.__name__
    }


def optax_optimizers() -> set[str]:
    """Functions that take a learning rate, or that say of themselves to be an optimizer.

    Building blocks are those that Optax calls `scale_by_...`. They leave the step's sign to a later part of a chain.
    """
    public = {name: value for module in (optax, optax.contrib) for name, value in vars(module).items()}
    functions = {n: f for n, f in public.items() if inspect.isfunction(f) or isinstance(f, functools.partial)}
    return {name for name, f in functions.items() if not name.startswith(("_", "scale_by_")) and is_optimizer(f)}


def is_optimizer(function: Callable[..., Any]) -> bool:
    takes_a_rate = any("learning_rate" in parameter for parameter in inspect.signature(function).parameters)
    first_line = (function.__doc__ or "").strip().partition("\n")[0]
    return takes_a_rate or re.search(r"optimizer\.?$", first_line) is not None


PUBLIC: dict[str, Callable[[], set[str]]] = {
    "torch": lambda: subclasses(torch.optim, torch.optim.Optimizer),
    "keras": lambda: subclasses(keras.optimizers, keras.optimizers.Optimizer),
    "optax": optax_optimizers,
}


@pytest.mark.parametrize("framework", PUBLIC)
def test_every_public_optimizer_is_a_peer_or_excluded_with_a_reason(framework: str) -> None:
    peers, excluded = set(classes(framework).values()), set(EXCLUDED[framework])
    assert not peers & excluded
    assert peers | excluded == PUBLIC[framework]()
    assert len(excluded) < len(peers) or framework == "optax"


def test_the_enumeration_tells_optimizers_from_building_blocks() -> None:
    every = optax_optimizers()
    assert {"adam", "nadamw", "polyak_sgd", "lookahead", "dowg", "muon"} <= every
    assert not {"chain", "clip", "trace", "scale_by_rprop", "apply_updates", "sam", "masked", "ema"} & every


@EVERY_PEER
def test_a_row_has_the_arguments_and_defaults_of_its_class(name, peer) -> None:
    signature = inspect.signature(found(peer.framework, peer.name)).parameters
    assert {*peer.spelling, *peer.flags} <= peer.defaults.keys() <= signature.keys()
    for argument, value in peer.defaults.items():
        if signature[argument].default is inspect.Parameter.empty:
            assert value is None or value in own_defaults(peer.framework, peer.name, argument), argument
        else:
            assert value == signature[argument].default, argument
    has_decay = "weight_decay" in signature and "decay" not in RULES[name].hyper
    assert has_decay <= bool(peer.decay)
    assert not peer.fixed.keys() & {letter for held in peer.spelling.values() for letter in np.atleast_1d(held)}


def own_defaults(framework: str, name: str, argument: str) -> set[float]:
    """What the rules that a class may be have for an argument that it requires."""
    rows = [(rule, peer) for rule, peer in declared(framework, name) if argument in peer.spelling]
    return {rule.hyper[str(peer.spelling[argument])] for rule, peer in rows}


def test_the_rows_of_a_class_agree_on_its_defaults() -> None:
    said: dict[tuple[str, str, str], Any] = {}
    for _, peer in PEERS:
        for argument, value in peer.defaults.items():
            assert said.setdefault((peer.framework, peer.name, argument), value) == value, (peer.name, argument)


@pytest.mark.parametrize("case", [c for f in COMMON for c in cases(f) if c.kind == "altered"], ids=str)
def test_every_altered_argument_matters(case: Case) -> None:
    """With one of them back at its default the comparison of that row would fail."""
    path, state = reference(case, "float64")
    plain = spelled(case.peer, functools.partial(default_of, case.rule, case.peer))
    starts = {a: case.peer.defaults[a] for a in case.peer.initial.values() if isinstance(a, str)}
    decay = {"weight_decay": 0.0} if "weight_decay" in case.arguments and case.peer.decay else {}
    for argument, value in (plain | starts | decay).items():
        other = Case(case.rule, case.peer, {**case.arguments, argument: value}, case.kind)
        other_path, other_state = reference(other, "float64")
        moved = [gap(np.atleast_1d(state[s])[None], np.atleast_1d(other_state[s])[None]) for s in state]
        assert max([gap(path, other_path), *moved]) > 1e-9, argument


@pytest.fixture
def float64() -> Iterator[None]:
    """torch keeps scalars of its state, as NAdam's running product, in its default type."""
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def torch_trajectory(case: Case, dtype: str) -> tuple[np.ndarray, dict[str, Any]]:
    x = torch.from_numpy(start(dtype)).requires_grad_()
    optimizer = getattr(torch.optim, case.peer.name)([x], **case.arguments)
    path = [start(dtype)]
    for t, g in enumerate(gradients(dtype), start=1):
        optimizer.param_groups[0]["lr"] = case.lr(t)
        x.grad = torch.from_numpy(g.copy())
        optimizer.step()
        path.append(x.detach().numpy().copy())
    return np.array(path), {k: np.asarray(v) for k, v in optimizer.state[x].items() if v is not None}


@pytest.mark.parametrize("case", cases("torch"), ids=str)
def test_agrees_with_torch_in_float64(case: Case, float64: None) -> None:
    theirs, state = torch_trajectory(case, "float64")
    ours, own = reference(case, "float64")
    print(f"{case}: {gap(ours, theirs):.1e}, states {state_gap(case, own, state):.1e}")
    assert gap(ours, theirs) <= 1e-12
    # A state is compared at the last step alone, where a sum may happen to be near zero.
    assert state_gap(case, own, state) <= 1e-10


# With L2 the gradient depends on the weight, so that a rounding error comes back divided by the gradient's size: by as
# little as 1e-6 in momentum that adds up scaled gradients.
FLOAT32 = {"RMSprop": 1e-3}


@pytest.mark.parametrize("case", cases("torch"), ids=str)
def test_agrees_with_torch_in_float32(case: Case) -> None:
    """Scalars are float64 on both sides, so that what is left is the rounding of a few hundred sums."""
    theirs, _ = torch_trajectory(case, "float32")
    ours, _ = reference(case, "float32")
    print(f"{case}: {gap(ours, theirs):.1e}")
    assert gap(ours, theirs) <= FLOAT32.get(case.peer.name, 5e-5)


def written_trajectory(case: Case, dtype: str) -> tuple[np.ndarray, dict[str, Any]]:
    function, state, path = TRANSCRIPTIONS[case.peer.framework, case.peer.name], {}, [start(dtype)]
    known = inspect.signature(function).parameters.items()
    needed = [name for name, p in known if p.kind is p.KEYWORD_ONLY and p.default is p.empty]
    required = {argument: case.peer.defaults[argument] for argument in needed}
    # What Rprop's steps start at is no learning rate to be moved.
    lr = None if "delta_0" in case.peer.spelling else case.lr_argument
    for t, g in enumerate(gradients(dtype), start=1):
        moving = {lr: case.lr(t)} if lr else {}
        path.append(function(path[-1], g, t, state, **(required | case.arguments | moving)))
    return np.array(path), state


@pytest.mark.parametrize("case", [c for f in WRITTEN for c in cases(f)], ids=str)
def test_agrees_with_what_is_written(case: Case) -> None:
    theirs, state = written_trajectory(case, "float64")
    ours, own = reference(case, "float64")
    print(f"{case}: {gap(ours, theirs):.1e}, states {state_gap(case, own, state):.1e}")
    assert gap(ours, theirs) <= 1e-12
    assert state_gap(case, own, state) <= 1e-12


def test_every_transcription_belongs_to_a_row() -> None:
    assert TRANSCRIPTIONS.keys() == {(p.framework, p.name) for _, p in PEERS if p.framework in WRITTEN}


@pytest.mark.parametrize(
    ("name", "given", "rule"),
    [
        ("adam", {"dialect": "torch"}, "adam"),
        ("Adam", {"dialect": "keras"}, "adam_eps_hat"),
        ("nadam", {"dialect": "keras"}, "nadam"),
        ("adam", {"dialect": "optax"}, "adam"),
        ("adam", {"dialect": "mlx"}, "adam_uncorrected"),
        ("adam", {"dialect": "mlx", "bias_correction": True}, "adam"),
        ("adamoptimizer", {"dialect": "tf1"}, "adam_eps_hat"),
        ("RMSPropOptimizer", {"dialect": "tf1", "momentum": 0.9}, "rmsprop_inside_momentum"),
        ("ADAM", {"dialect": "paper"}, "adam"),
        ("adamw", {"dialect": "paper", "weight_decay": 0.1}, "independent(adam)"),
        ("adamw", {"dialect": "optax"}, "adamw"),
        ("sgd", {"dialect": "optax"}, "sgd"),
        ("sgd", {"dialect": "optax", "momentum": 0.0}, "momentum"),
        ("sgd", {"dialect": "optax", "momentum": 0.9, "nesterov": True}, "nesterov"),
        ("sgd", {"dialect": "mlx", "momentum": 0.9, "weight_decay": 0.1}, "l2(momentum)"),
        ("rmsprop", {"dialect": "optax"}, "rmsprop_inside"),
        ("rmsprop", {"dialect": "optax", "eps_in_sqrt": False}, "rmsprop"),
        ("adadelta", {"dialect": "optax", "learning_rate": 1.0, "weight_decay": 0.1}, "l2(adadelta)"),
        ("nag", {"dialect": "paper"}, "nesterov_lookahead"),
        ("rprop+", {"dialect": "paper"}, "rprop_plus"),
    ],
)
def test_a_dialect_chooses_the_rule(name: str, given: dict, rule: str) -> None:
    assert resolve(name, given).rule.name == rule


def test_dialects_bring_defaults_starts_and_what_has_no_argument() -> None:
    assert resolve("adadelta", {"dialect": "paper"}).hyper == {"lr": 1.0, "rho": 0.95, "eps": 1e-6}
    assert resolve("nadam", {"dialect": "keras"}).hyper["momentum_decay"] == 1.0
    assert resolve("rmsprop", {"dialect": "optax", "initial_scale": 1.0}).initial == {"v": 1.0}
    adagrad = resolve("AdagradOptimizer", {"dialect": "tf1"})
    assert (adagrad.hyper["eps"], adagrad.initial) == (0.0, {"s": 0.1})
    assert resolve("rmsprop", {"dialect": "optax"}).hyper["lr"] == 1e-3, "required there: the rule's own default"
    assert resolve("adam", {"dialect": "optax", "b1": 0.8, "lr": 0.1}).hyper["beta1"] == 0.8


@pytest.mark.parametrize(
    ("name", "given", "message"),
    [
        ("rprop", {"dialect": "mlx"}, "mlx has no optimizer 'rprop'"),
        ("adam", {"dialect": "optax", "betas": (0.9, 0.99)}, "optax's adam has no argument 'betas'"),
        ("rmsprop", {"dialect": "optax", "eps_in_sqrt": False, "momentum": 0.9}, "no rule of the catalogue is optax's"),
        ("sgd", {"dialect": "mlx", "momentum": 0.9, "dampening": 0.5}, "no rule of the catalogue is mlx's SGD"),
        ("rprop", {"dialect": "torch", "weight_decay": 0.1}, "torch's Rprop has no argument 'weight_decay'"),
        ("adam", {"dialect": "caffe"}, "there is no dialect 'caffe'"),
    ],
)
def test_what_a_dialect_does_not_have_is_refused(name: str, given: dict, message: str) -> None:
    with pytest.raises(InputError, match=message) as error:
        resolve(name, given)
    assert "\n" not in str(error.value)


def test_the_shared_arguments_are_said_of_every_dialect() -> None:
    assert COMMON.keys() >= {peer.framework for _, peer in PEERS}
    assert any(wrong_always(peer) for _, peer in PEERS)


@pytest.mark.slow
def test_keras_agrees_on_jax_as_well() -> None:
    """Keras reads its backend when it is imported, so that another one needs another process."""
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "tests/test_peers_keras.py"]
    environment = {**os.environ, "KERAS_BACKEND": "jax"}
    ran = subprocess.run(
        command, env=environment, cwd=Path(__file__).parents[1], capture_output=True, text=True, timeout=500
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert re.search(r"\b\d\d+ passed", ran.stdout), ran.stdout
