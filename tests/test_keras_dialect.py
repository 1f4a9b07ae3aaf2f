"""The dialect `keras`, which `compare` trains by default, against Keras' own classes (on its torch backend)."""

import keras
import numpy as np
import pytest
import torch

from thalweg.compile import numpy as reference
from thalweg.compile.trace import trace
from thalweg.rules.hyper import starts
from thalweg.rules.setting import resolve

CASES = [
    ("SGD", {}),
    ("SGD", {"momentum": 0.9}),
    ("SGD", {"momentum": 0.9, "nesterov": True}),
    ("SGD", {"weight_decay": 0.1}),
    ("Adagrad", {}),
    ("Adagrad", {"initial_accumulator_value": 0.5}),
    ("RMSprop", {}),
    ("RMSprop", {"momentum": 0.9}),
    ("Adadelta", {}),
    ("Adam", {}),
    ("Adam", {"beta_1": 0.8, "epsilon": 1e-4, "weight_decay": 0.1}),
    ("AdamW", {}),
]


@pytest.mark.parametrize(("name", "arguments"), CASES, ids=lambda v: v if isinstance(v, str) else ",".join(v) or "-")
def test_agrees_with_keras(name: str, arguments: dict) -> None:
    """300 steps in float32 under a learning rate that halves every 50."""
    chosen = resolve(name.lower(), {"dialect": "keras", **arguments})
    program, rng = trace(chosen.rule), np.random.default_rng(0)
    x = rng.standard_normal(50).astype(np.float32)
    state = {s: np.full_like(x, v) for s, v in starts(chosen.initial, chosen.hyper).items()}
    variable = keras.Variable(x)
    optimizer = getattr(keras.optimizers, name)(**arguments)
    optimizer.build([variable])
    for t in range(1, 301):
        lr = chosen.hyper["lr"] * 0.5 ** (t // 50)
        optimizer.learning_rate = lr
        g = (rng.standard_normal(50) * 10.0 ** rng.uniform(-3, 1, 50)).astype(np.float32)
        optimizer.apply([torch.from_numpy(g)], [variable])
        x, *new = reference.step(program, {"x": x, "g": g, **state}, t, {**chosen.hyper, "lr": lr})
        state = dict(zip(state, new, strict=True))
    theirs = variable.value.detach().numpy()
    # Rounding in float32; where there is decay, Keras multiplies by 1 - lr * decay as torch does.
    assert np.abs(x - theirs).max() <= 5e-6 * np.abs(theirs).max()
