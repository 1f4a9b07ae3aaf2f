"""The callback in the hands of Keras' `fit`: what it sees; the training is the same."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import torch

import thalweg.keras
from test_keras_fit import X, Y, fitted, pytestmark, small_model, weights
from thalweg.errors import InputError
from thalweg.watch.callbacks.keras import Watch

__all__ = ["pytestmark"]
STEPS = 8
FIGURES = ("lr", "gradient_norm", "update_norm", "update_ratio", "effective_lr", "first_moment", "second_moment")
FIGURES += ("momentum_cosine", "epsilon_share", "update_cosine")
MADE: dict[str, Any] = {
    "ours": lambda: thalweg.keras.Adam(0.01),
    "theirs": lambda: keras.optimizers.Adam(0.01, weight_decay=0.1, clipnorm=0.3),
    "momentum": lambda: keras.optimizers.SGD(keras.optimizers.schedules.ExponentialDecay(0.1, 4, 0.5), momentum=0.9),
    "a rule": lambda: thalweg.keras.Optimizer("nadam", 0.01),
    "scaled": lambda: keras.optimizers.LossScaleOptimizer(keras.optimizers.Adam(0.01), initial_scale=64.0),
    "centered": lambda: keras.optimizers.RMSprop(0.01, centered=True),
}


@pytest.mark.parametrize("name", MADE)
def test_the_training_is_the_same_and_seen(name: str) -> None:
    watch, model, other = Watch(every=1, to=()), small_model(MADE[name]()), small_model(MADE[name]())
    start = weights(model)
    fitted(model, callbacks=[watch])
    fitted(other)
    assert all(map(np.array_equal, weights(model), weights(other)))
    history = watch.watcher.history
    assert [part.name for part in history.subject.layers] == [v.path for v in model.trainable_variables]
    assert history.steps.tolist() == list(range(1, STEPS + 1))
    assert np.isfinite(history["gradient_norm"]).all()
    norms = [np.linalg.norm(x.astype(np.float64)) for x in start]
    np.testing.assert_allclose(history["weight_norm"][0, : len(norms)], norms, rtol=1e-6)
    known = history.subject.groups[0].rule
    assert known == {"ours": "adam_eps_hat", "theirs": "adam_eps_hat", "momentum": "momentum_velocity",
                     "a rule": "nadam", "scaled": "adam_eps_hat", "centered": None}[name]  # fmt: skip
    assert np.isfinite(history["effective_lr"][-1]).all()
    assert "apply" not in vars(model.optimizer)


def test_the_figures_are_those_of_the_same_run_in_torch() -> None:
    """Keras' Adam beside torch's with the same weights and batches."""
    watch = Watch(every=1, to=())
    model = small_model(keras.optimizers.Adam(0.01))
    xs = [torch.from_numpy(x.copy()).requires_grad_() for x in weights(model)]
    optimizer = thalweg.torch.Optimizer(xs, rule="adam_eps_hat", lr=0.01, eps=1e-7)
    fitted(model, callbacks=[watch])
    losses = []
    with thalweg.watch.attach(optimizer, to=()) as watcher:
        for step in range(STEPS):
            rows = slice(8 * (step % 4), 8 * (step % 4) + 8)
            hidden = torch.tanh(torch.from_numpy(X[rows]) @ xs[0] + xs[1])
            loss = torch.nn.functional.mse_loss(hidden @ xs[2] + xs[3], torch.from_numpy(Y[rows]))
            optimizer.zero_grad()
            loss.backward()
            losses.append(loss.item())
            optimizer.step()
    ours, theirs = watch.watcher.history, watcher.history
    for figure in FIGURES:
        np.testing.assert_allclose(ours[figure], theirs[figure], rtol=2e-4, atol=1e-6, err_msg=figure)
    np.testing.assert_allclose([loss for _, loss in ours.losses], losses, rtol=1e-5)


def test_accumulated_gradients_are_one_step() -> None:
    watch = Watch(every=1, to=())
    model = small_model(keras.optimizers.SGD(0.1, gradient_accumulation_steps=2, loss_scale_factor=8.0))
    fitted(model, callbacks=[watch])
    history = watch.watcher.history
    assert history.steps.tolist() == [1, 2, 3, 4]
    np.testing.assert_allclose(history["update_norm"], 0.1 * history["gradient_norm"], rtol=1e-4)


def test_a_fit_that_goes_on_goes_on_with_its_steps(capsys: pytest.CaptureFixture[str]) -> None:
    model, watch = small_model(keras.optimizers.Adam(0.01)), Watch(every=1)
    fitted(model, epochs=1, callbacks=[watch])
    model.optimizer.learning_rate = float("inf")
    fitted(model, epochs=1, callbacks=[watch])
    assert watch.watcher.history.steps.tolist() == [5, 6, 7, 8]
    assert watch.alarms[0].step <= 6 and "thalweg, step " in capsys.readouterr().err


def test_what_is_refused() -> None:
    model = small_model(keras.optimizers.Adam(0.01), jit_compile=True)
    with pytest.raises(InputError, match="jit_compile=True"):
        watch = Watch(to=())
        watch.set_model(model)
        watch.on_train_begin()


MADE_TWICE: dict[str, Any] = {
    "adam": lambda: keras.optimizers.Adam(0.01, weight_decay=0.1),
    "sgd": lambda: keras.optimizers.SGD(keras.optimizers.schedules.ExponentialDecay(0.1, 4, 0.5)),
}


def seen(name: str) -> dict[str, Any]:
    """The figures of a run from weights that every backend has."""
    watch, random = Watch(every=1, to=()), np.random.default_rng(0)
    model = small_model(MADE_TWICE[name]())
    model.set_weights([0.3 * random.standard_normal(x.shape) for x in weights(model)])
    fitted(model, callbacks=[watch])
    history = watch.watcher.history
    return {figure: history[figure].tolist() for figure in FIGURES} | {"losses": history.losses}


def compiled() -> dict[str, Any]:
    """What another process with another backend tells."""
    model, other = (small_model(keras.optimizers.Adam(0.01)) for _ in range(2))
    fitted(model, callbacks=[Watch(every=1, to=())])
    fitted(other)
    assert all(map(np.array_equal, weights(model), weights(other)))
    with pytest.raises(InputError, match="got the rule rmsprop_inside: set KERAS_BACKEND=torch"):
        fitted(small_model(keras.optimizers.RMSprop(0.01)), callbacks=[Watch(to=())])
    return {name: seen(name) for name in MADE_TWICE}


@pytest.mark.slow
def test_compiled_steps_are_seen_too() -> None:
    """On JAX, in another process: the figures are those of the same run on torch, where gradients are seen."""
    environment = {**os.environ, "KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu"}
    code = "import json, test_watch_callbacks_keras as test; print(json.dumps(test.compiled()))"
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, env=environment, cwd=Path(__file__).parent, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    for name in MADE_TWICE:
        for figure, wanted in seen(name).items():
            np.testing.assert_allclose(told[name][figure], wanted, rtol=1e-3, atol=1e-4, err_msg=f"{name} {figure}")
