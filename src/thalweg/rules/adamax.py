"""AdaMax: an average of the gradient over the largest gradient of late, which fades by beta2 a step.

Why it works: Adam divides by a mean of squares, the case p = 2 of a mean of p-th powers; as p grows, that mean becomes
the maximum `u`. A step is then at most about lr, a maximum needs no correction for its start, and it takes up a large
gradient at once, where Adam's average needs many of them.

Source: Kingma & Ba 2015, Algorithm 2, with epsilon added to the gradient's size as in torch and Optax.

Differs from: Keras, which adds epsilon to `u` (`adamax_eps_outside`), and MLX, which does so and leaves out the
correction as well (`adamax_uncorrected`). The paper has no epsilon. torch and Optax compute this one.

Use it when: gradients are rare or spiky, as those of embeddings. Not when a single outlier must not count for long:
it takes 693 steps until half of it is forgotten.

Pitfalls: one gradient of 100 among gradients of 1 cuts the steps after it to .011 lr, those of `adam` to .3 lr.

Example:
    A gradient of 1 is remembered, so one of .01 makes a step of a hundredth of lr, where `adam` would step 1.4 times
    lr:

    >>> x, m, u = adamax(0.0, 0.01, 10_000, 0.01, 1 / 0.999, lr=1.0)
    >>> round(x, 4), round(u, 9)
    (-0.01, 1.0)
"""

from thalweg.formula import Peer, absolute, maximum, rule


@rule("Kingma & Ba 2015, Algorithm 2", facts=("scale_invariant",))
def adamax(x, g, t, m, u, *, lr=2e-3, beta1=0.9, beta2=0.999, eps=1e-8):
    m = beta1 * m + (1 - beta1) * g
    u = maximum(beta2 * u, absolute(g) + eps)
    m_hat = m / (1 - beta1**t)
    return x - lr * m_hat / u, m, u


_OPTAX = {"learning_rate": "lr", "b1": "beta1", "b2": "beta2", "eps": "eps"}
_OPTAX_DEFAULTS = {"learning_rate": None, "b1": 0.9, "b2": 0.999, "eps": 1e-8}

PEERS = (
    Peer(
        "torch",
        "Adamax",
        {"lr": "lr", "betas": ("beta1", "beta2"), "eps": "eps"},
        {"lr": 2e-3, "betas": (0.9, 0.999), "eps": 1e-8},
        state={"exp_avg": "m", "exp_inf": "u"},
        decay="l2",
    ),
    Peer("optax", "adamax", _OPTAX, _OPTAX_DEFAULTS, state={"mu": "m", "nu": "u"}),
    Peer(
        "optax",
        "adamaxw",
        _OPTAX,
        {**_OPTAX_DEFAULTS, "weight_decay": 1e-4},
        state={"mu": "m", "nu": "u"},
        decay="decoupled",
    ),
    # Kingma & Ba 2015, Algorithm 2.
    Peer(
        "paper",
        "AdaMax",
        {"alpha": "lr", "beta1": "beta1", "beta2": "beta2"},
        {"alpha": 2e-3, "beta1": 0.9, "beta2": 0.999},
        state={"m": "m", "u": "u"},
        fixed={"eps": 0.0},
    ),
)
