"""Adam with epsilon added before the bias correction: the form of Keras and TensorFlow.

Why it works: both corrections are one number per step, so they can be folded into the learning rate, `alpha`. Epsilon,
added to the uncorrected root, then acts as if divided by `sqrt(1 - beta2**t)`: 32 times as strong at the first step,
as strong as written after some thousand.

Source: Kingma & Ba 2015, the last paragraph of section 2, where it is called epsilon hat.

Differs from: torch and Optax (`adam`), which correct first; the two agree where gradients are far above epsilon, and
Keras has 1e-7 where torch has 1e-8. Keras and TensorFlow compute this one.

Use it when: a Keras recipe must be repeated. Not when epsilon is meant as a floor for small gradients from the first
step on: here that floor sinks while training goes on.

Pitfalls: with the epsilon of Keras, 1e-7, gradients of 3.2e-6 already make a first step of no more than half of lr.

Example:
    The first gradient is as small as epsilon, which here counts 32 times; `adam` would go half of lr:

    >>> x, m, v = adam_eps_hat(0.0, 1e-7, 1, 0.0, 0.0, lr=1.0)
    >>> round(x, 4)
    -0.0307
"""

from thalweg.formula import Difference, Peer, rule, sqrt


@rule("Kingma & Ba 2015, end of section 2", facts=("identity_at_zero_gradient", "scale_invariant"))
def adam_eps_hat(x, g, t, m, v, *, lr=1e-3, beta1=0.9, beta2=0.999, eps=1e-7):
    m = beta1 * m + (1 - beta1) * g
    v = beta2 * v + (1 - beta2) * g**2
    alpha = lr * sqrt(1 - beta2**t) / (1 - beta1**t)
    return x - alpha * m / (sqrt(v) + eps), m, v


_SPELLING = {"learning_rate": "lr", "beta_1": "beta1", "beta_2": "beta2", "epsilon": "eps"}
_DEFAULTS = {"learning_rate": 1e-3, "beta_1": 0.9, "beta_2": 0.999, "epsilon": 1e-7, "amsgrad": False}

_KERAS = tuple(
    Peer(
        "keras",
        name,
        _SPELLING,
        _DEFAULTS | decay,
        flags={"amsgrad": False},
        state={"momentum": "m", "velocity": "v"},
        decay="decoupled",
    )
    for name, decay in (("Adam", {}), ("AdamW", {"weight_decay": 0.004}))
)

PEERS = (
    *_KERAS,
    Peer(
        "tf1",
        "AdamOptimizer",
        {"learning_rate": "lr", "beta1": "beta1", "beta2": "beta2", "epsilon": "eps"},
        {"learning_rate": 1e-3, "beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8},
        state={"m": "m", "v": "v"},
    ),
)

DIFFERS = {
    "adam": Difference(
        "adam_eps_hat adds epsilon before the bias correction: in step t it counts 1 / sqrt(1 - beta2**t) "
        "times as much as in adam"
    ),
}
