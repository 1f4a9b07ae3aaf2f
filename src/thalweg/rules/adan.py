"""Adan: Adam with Nesterov's look-ahead, taken from the change of the gradient since the step before.

Why it works: Nesterov's method wants the gradient at a point ahead. The gradient's own change tells what it will be
there, so nothing need be evaluated twice: the average of the changes, `v`, is added to that of the gradients, and the
second moment is taken of the gradient corrected in the same way.

Source: Xie et al. 2022, Algorithm 1, with the betas and the bias correction of the authors' code, and no restart.

Differs from: the paper's letters, which call `1 - beta` what is called beta here and in the authors' code. Optax mixes
the two: it weighs the change with `1 - beta2`, .08 instead of .92, and so hardly looks ahead at all. `eps_root` is
Optax's, 1e-8 by default there. torch and Keras have none.

Use it when: a network is trained with large batches or needs fewer epochs than Adam. Not when memory is short: it has
four states, twice as many as Adam.

Pitfalls: with Optax's `eps_root` of 1e-8 gradients of 1e-5 make steps of a tenth of lr.

Example:
    The gradient halves, and the step falls to .72 of lr at once, where that of `adam` would still be .93:

    >>> x, m, v, n, g_old = adan(0.0, 1.0, 1, 0.0, 0.0, 0.0, 0.0, lr=0.1)
    >>> round(x, 6)
    -0.1
    >>> x, m, v, n, g_old = adan(0.0, 0.5, 2, m, v, n, g_old, lr=0.1)
    >>> round(x, 4), round(v, 9), g_old
    (-0.0719, -0.04, 0.5)
"""

from thalweg.formula import Peer, rule, sqrt, where


@rule("Xie et al. 2022, Algorithm 1", facts=("identity_at_zero_gradient", "scale_invariant"))
def adan(x, g, t, m, v, n, g_old, *, lr=1e-3, beta1=0.98, beta2=0.92, beta3=0.99, eps=1e-8, eps_root=0.0):
    d = where(t > 1, g - g_old, 0.0)
    m = beta1 * m + (1 - beta1) * g
    v = beta2 * v + (1 - beta2) * d
    n = beta3 * n + (1 - beta3) * (g + beta2 * d) ** 2
    m_hat = m / (1 - beta1**t)
    v_hat = v / (1 - beta2**t)
    n_hat = n / (1 - beta3**t)
    return x - lr * (m_hat + beta2 * v_hat) / (sqrt(n_hat + eps_root) + eps), m, v, n, g


PEERS = (
    Peer(
        "optax",
        "adan",
        {
            **{"learning_rate": "lr", "b1": "beta1", "b2": "beta2", "b3": "beta3"},
            **{"eps": "eps", "eps_root": "eps_root"},
        },
        {
            **{"learning_rate": None, "b1": 0.98, "b2": 0.92, "b3": 0.99},
            **{"eps": 1e-8, "eps_root": 1e-8, "weight_decay": 0.0},
        },
        state={"m": "m", "v": "v", "n": "n", "g": "g_old"},
        decay="decoupled",
        wrong="Optax weighs the change of the gradient with 1 - b2 where the paper's 1 - beta2 is Optax's b2.",
    ),
    # Xie et al. 2022, Algorithm 1, under the names of the authors' code.
    Peer(
        "paper",
        "Adan",
        {"lr": "lr", "betas": ("beta1", "beta2", "beta3"), "eps": "eps"},
        {"lr": 1e-3, "betas": (0.98, 0.92, 0.99), "eps": 1e-8},
        fixed={"eps_root": 0.0},
    ),
)
