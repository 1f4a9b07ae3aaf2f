"""NAdam: Adam that steps along the average as the next momentum will have it, as Nesterov's method does.

Why it works: the present gradient enters the step twice, through the average and by itself, so it counts at once. The
momentum mu of that mixture starts at half of beta1 and rises to it, halfway in 4245 steps; `mu_product`, the product
of all momenta so far, takes the place of `beta1**t` in the correction.

Source: Dozat 2016, Algorithm 2, with mu's schedule from the author's experiments, and two details as in torch.

Differs from: the paper, where the average too goes by mu instead of beta1, and the corrected second moment has another
factor beta2. Keras has `momentum_decay` 1, which takes mu halfway in 17 steps; Optax keeps mu at beta1 and needs no
product. torch computes this one, with the product in float32 by default.

Use it when: `adam` swings across a valley, or a recipe names it. Not when the first steps must have the length of lr:
with equal gradients the fourth has 73 % of Adam's, and they agree to a hundredth from the 37th on.

Pitfalls: while mu is near half of beta1, the present gradient alone is more than half of the direction: one that is
ten times as large as the hundred before it makes a step of 4.4 lr, and of 1.3 lr in `adam`.

Example:
    The running product starts at 1, and after one step is the first momentum:

    >>> x, m, v, mu_product = nadam(1.0, 0.5, 1, 0.0, 0.0, 1.0, lr=0.1)
    >>> round(x, 4), round(mu_product, 4)
    (0.8944, 0.4501)
"""

from thalweg.formula import Peer, rule, sqrt


@rule(
    "Dozat 2016, Algorithm 2",
    initial={"mu_product": 1.0},
    facts=("identity_at_zero_gradient", "scale_invariant"),
    scalars=("mu_product",),
)
def nadam(x, g, t, m, v, mu_product, *, lr=2e-3, beta1=0.9, beta2=0.999, eps=1e-8, momentum_decay=4e-3):
    mu = beta1 * (1 - 0.5 * 0.96 ** (t * momentum_decay))
    mu_next = beta1 * (1 - 0.5 * 0.96 ** ((t + 1) * momentum_decay))
    mu_product = mu_product * mu
    m = beta1 * m + (1 - beta1) * g
    v = beta2 * v + (1 - beta2) * g**2
    v_hat = v / (1 - beta2**t)
    denominator = sqrt(v_hat) + eps
    x = x - lr * (1 - mu) / (1 - mu_product) * g / denominator
    x = x - lr * mu_next / (1 - mu_product * mu_next) * m / denominator
    return x, m, v, mu_product


_SPELLING = {"lr": "lr", "betas": ("beta1", "beta2"), "eps": "eps", "momentum_decay": "momentum_decay"}
_DEFAULTS = {
    "lr": 2e-3,
    "betas": (0.9, 0.999),
    "eps": 1e-8,
    "momentum_decay": 4e-3,
    "decoupled_weight_decay": False,
}

_TORCH = tuple(
    Peer(
        "torch",
        "NAdam",
        _SPELLING,
        _DEFAULTS,
        flags={"decoupled_weight_decay": flag},
        state={"exp_avg": "m", "exp_avg_sq": "v", "mu_product": "mu_product"},
        decay=decay,
    )
    for flag, decay in ((False, "l2"), (True, "decoupled"))
)

PEERS = (
    *_TORCH,
    Peer(
        "keras",
        "Nadam",
        {"learning_rate": "lr", "beta_1": "beta1", "beta_2": "beta2", "epsilon": "eps"},
        {"learning_rate": 1e-3, "beta_1": 0.9, "beta_2": 0.999, "epsilon": 1e-7},
        state={"momentum": "m", "velocity": "v", "u_product": "mu_product"},
        decay="decoupled",
        fixed={"momentum_decay": 1.0},
    ),
)
