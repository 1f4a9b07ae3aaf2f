"""Adam that steps along the average as the next momentum will have it, with one momentum throughout: Optax's NAdam.

Why it works: as `nadam`. The present gradient enters the step twice, through the average and by itself, so it counts
at once. With a momentum that does not change, both parts are corrected by powers of beta1 and no product is kept.

Source: Dozat 2016, Algorithm 2, with a constant momentum, and the second moment corrected as in Adam.

Differs from: `nadam`, the form of torch and Keras, whose momentum rises from half of beta1 to beta1. With equal
gradients the first step here is 1.47 times lr, and from the ninth on it is lr to a hundredth. Optax computes this one.

Use it when: an Optax recipe with `nadam` or `nesterov=True` must be repeated, or `adam` swings across a valley. Not
without warm-up where `adam` needs one: the first steps are longer still.

Pitfalls: late in training a gradient ten times as large as the rest makes a step of 2.6 lr at once, and of 1.8 lr in
`adam`.

Example:
    The first step is `1 + beta1 / (1 + beta1)` times lr:

    >>> x, m, v = adam_nesterov(0.0, 0.5, 1, 0.0, 0.0, lr=1.0)
    >>> round(x, 4)
    -1.4737
"""

from thalweg.formula import Difference, Peer, rule, sqrt


def nesterov_direction(g, t, m, v, *, beta1, beta2, eps):
    """The step in units of lr, and the new averages."""
    m = beta1 * m + (1 - beta1) * g
    v = beta2 * v + (1 - beta2) * g**2
    m_hat = beta1 * m / (1 - beta1 ** (t + 1)) + (1 - beta1) * g / (1 - beta1**t)
    v_hat = v / (1 - beta2**t)
    return m_hat / (sqrt(v_hat) + eps), m, v


@rule(
    "Dozat 2016, Algorithm 2, with a constant momentum",
    facts=("identity_at_zero_gradient", "scale_invariant"),
)
def adam_nesterov(x, g, t, m, v, *, lr=1e-3, beta1=0.9, beta2=0.999, eps=1e-8):
    u, m, v = nesterov_direction(g, t, m, v, beta1=beta1, beta2=beta2, eps=eps)
    return x - lr * u, m, v


_DEFAULTS = {"learning_rate": 1e-3, "b1": 0.9, "b2": 0.999, "eps": 1e-8, "eps_root": 0.0}

PEERS = tuple(
    Peer(
        "optax",
        name,
        {"learning_rate": "lr", "b1": "beta1", "b2": "beta2", "eps": "eps"},
        _DEFAULTS | own,
        flags={"nesterov": True, "eps_root": 0.0},
        state={"mu": "m", "nu": "v"},
        decay=decay,
    )
    for name, own, decay in (
        ("nadam", {"nesterov": True}, ""),
        ("nadamw", {"nesterov": True, "weight_decay": 1e-4}, "decoupled"),
        ("adam", {"nesterov": False}, ""),
        ("adamw", {"nesterov": False, "weight_decay": 1e-4}, "decoupled"),
    )
)

DIFFERS = {
    "nadam": Difference("the momentum of nadam rises from half of beta1 to beta1, adam_nesterov has beta1 throughout"),
}
