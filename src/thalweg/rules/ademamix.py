"""AdEMAMix: Adam with a second, very slow average of the gradient beside the fast one.

Why it works: a fast average follows the loss, a slow one remembers tens of thousands of gradients; no single average
does both. The slow one keeps the direction of long valleys, the fast one steers.

Source: Pagliardini, Ablin & Grangier 2024, Algorithm 1, without its schedules of alpha and beta3.

Differs from: `adam`, which it is with alpha 0. The slow average is not corrected for its start at zero, so it fills by
itself: at beta3 .9999 it holds a tenth of a steady gradient after 1054 steps. The paper also warms up alpha and beta3,
which may be schedules here. Optax computes this one.

Use it when: training runs for hundreds of thousands of steps. Not for short runs, nor where the task changes: old
gradients are then of no use, and take long to fade.

Pitfalls: its lr is not Adam's: on a steady gradient steps grow to `1 + alpha` times lr, 6 by default, and are three
times lr from step 5109 on. If the gradient turns round then, when the slow average is full, that average outvotes it
for 5108 steps.

Example:
    The averages agree, and the slow one adds alpha times what it holds:

    >>> x, m, m_slow, v = ademamix(0.0, 1.0, 1, 0.0, 0.0, 0.0, lr=1.0, beta3=0.99)
    >>> round(x, 4), round(m_slow, 9)
    (-1.05, 0.01)
"""

from thalweg.formula import Peer, rule, sqrt


@rule("Pagliardini, Ablin & Grangier 2024, Algorithm 1", facts=("identity_at_zero_gradient", "scale_invariant"))
def ademamix(x, g, t, m, m_slow, v, *, lr=1e-3, beta1=0.9, beta2=0.999, beta3=0.9999, alpha=5.0, eps=1e-8):
    m = beta1 * m + (1 - beta1) * g
    m_slow = beta3 * m_slow + (1 - beta3) * g
    v = beta2 * v + (1 - beta2) * g**2
    m_hat = m / (1 - beta1**t)
    v_hat = v / (1 - beta2**t)
    return x - lr * (m_hat + alpha * m_slow) / (sqrt(v_hat) + eps), m, m_slow, v


PEERS = (
    Peer(
        "optax",
        "ademamix",
        {"learning_rate": "lr", "b1": "beta1", "b2": "beta2", "b3": "beta3", "alpha": "alpha", "eps": "eps"},
        {
            **{"learning_rate": 1e-3, "b1": 0.9, "b2": 0.999, "b3": 0.9999, "alpha": 5.0, "eps": 1e-8},
            **{"eps_root": 0.0, "weight_decay": 0.0},
        },
        flags={"eps_root": 0.0},
        state={"m1": "m", "m2": "m_slow", "nu": "v"},
        decay="decoupled",
    ),
)
