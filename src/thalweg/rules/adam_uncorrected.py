"""Adam without bias correction: both averages are used as they are, though they start at zero.

Why it works: after a few thousand steps as `adam`. Before that the root of the slow second average is too small by
more than the first average is, so steps are too long: 3.2 times at the first step, 6.6 times at the twelfth, and below
1.1 times only from step 1751.

Source: Kingma & Ba 2015, Algorithm 1 without the correction of section 3; they measure its loss in section 6.4.

Differs from: torch, Keras and Optax, which all correct (`adam`, `adam_eps_hat`). It is the default of MLX.

Use it when: a run that was made without the correction must be repeated. Not for a new one, unless lr warms up over
the first thousand steps.

Pitfalls: beta2 decides how much too long the steps are: at .9999 the twelfth is 20.7 times too long, while at .95 none
is by more than a tenth.

Example:
    The first step is 3.2 times the learning rate; `adam` would make it exactly that rate:

    >>> x, m, v = adam_uncorrected(1.0, 0.5, 1, 0.0, 0.0)
    >>> round(1 - x, 6), round(m, 9), round(v, 9)
    (0.003162, 0.05, 0.00025)
"""

from thalweg.formula import Difference, Peer, rule, sqrt


@rule(
    "Kingma & Ba 2015, Algorithm 1 without the correction of section 3",
    facts=("identity_at_zero_gradient", "scale_invariant"),
)
def adam_uncorrected(x, g, t, m, v, *, lr=1e-3, beta1=0.9, beta2=0.999, eps=1e-8):
    m = beta1 * m + (1 - beta1) * g
    v = beta2 * v + (1 - beta2) * g**2
    return x - lr * m / (sqrt(v) + eps), m, v


PEERS = (
    Peer(
        "mlx",
        "Adam",
        {"learning_rate": "lr", "betas": ("beta1", "beta2"), "eps": "eps"},
        {"learning_rate": 1e-3, "betas": (0.9, 0.999), "eps": 1e-8, "bias_correction": False},
        flags={"bias_correction": False},
        state={"m": "m", "v": "v"},
    ),
    Peer(
        "mlx",
        "AdamW",
        {"learning_rate": "lr", "betas": ("beta1", "beta2"), "eps": "eps"},
        {"learning_rate": 1e-3, "betas": (0.9, 0.999), "eps": 1e-8, "bias_correction": False, "weight_decay": 0.01},
        flags={"bias_correction": False},
        state={"m": "m", "v": "v"},
        decay="decoupled",
    ),
)

DIFFERS = {
    "adam": Difference(
        "adam_uncorrected has no bias correction: with the default betas its steps are up to 6.6 times as "
        "long, and within a tenth of adam's only from step 1751"
    ),
    "adam_eps_hat": Difference(
        "adam_uncorrected has no bias correction: with the default betas its steps are up to 6.6 times as "
        "long, and within a tenth of adam_eps_hat's only from step 1751"
    ),
}
