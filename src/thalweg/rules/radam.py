"""RAdam: Adam that takes no adaptive step before its second moment has seen enough gradients to be trusted.

Why it works: in the first steps the second moment is an average of a few squares and varies wildly, and so does lr
over its root; that is what a warm-up of lr hides. rho counts on how many gradients the average rests, and r
shrinks the adaptive step by as much as its variance is above the final one. With too few of them the step is lr times
the corrected average of the gradient.

Source: Liu et al. 2020, Algorithm 2, with the threshold of 5 and the place of epsilon of the authors' code.

Differs from: Optax, which corrects the second moment before it adds epsilon (`radam_eps_after`). The paper has the
threshold 4 and no epsilon. torch computes this one; Keras has none.

Use it when: Adam needs a warm-up and its length should not be tuned. Not with large gradients and an lr chosen for
Adam: at beta2 .999 the first five steps are lr times the gradient's average, undivided.

Pitfalls: beta2 sets the length of the warm-up: half of Adam's step is reached in step 61 at .99 and in step 5508 at
.9999, and at 2/3 or less no step is adaptive at all.

Example:
    The first step is lr times the gradient; that of step 556 has half the length of Adam's, which is lr:

    >>> x, m, v = radam(0.0, 100.0, 1, 0.0, 0.0, lr=0.01)
    >>> x
    -1.0
    >>> x, m, v = radam(0.0, 100.0, 556, 100.0, 1e4 * (1 - 0.999**556), lr=0.01)
    >>> round(x, 4)
    -0.005
"""

from thalweg.formula import Peer, maximum, rule, sqrt, where


def rectification(t, beta2, threshold):
    """On how many gradients the second moment rests, and what to multiply an adaptive step with.

    Below the threshold the factor is not meant to be used: it is that at the threshold, so that it is a number.
    """
    rho_max = 2 / (1 - beta2) - 1
    rho = rho_max - 2 * t * beta2**t / (1 - beta2**t)
    rho_hat, rho_max_hat = maximum(rho, threshold), maximum(rho_max, threshold)
    r = sqrt((rho_hat - 4) * (rho_hat - 2) * rho_max_hat / ((rho_max_hat - 4) * (rho_max_hat - 2) * rho_hat))
    return rho, r


@rule("Liu et al. 2020, Algorithm 2", facts=("identity_at_zero_gradient",))
def radam(x, g, t, m, v, *, lr=1e-3, beta1=0.9, beta2=0.999, eps=1e-8, threshold=5.0):
    m = beta1 * m + (1 - beta1) * g
    v = beta2 * v + (1 - beta2) * g**2
    m_hat = m / (1 - beta1**t)
    rho, r = rectification(t, beta2, threshold)
    d = where(rho > threshold, r * sqrt(1 - beta2**t) / (sqrt(v) + eps), 1.0)
    return x - lr * m_hat * d, m, v


_TORCH = tuple(
    Peer(
        "torch",
        "RAdam",
        {"lr": "lr", "betas": ("beta1", "beta2"), "eps": "eps"},
        {"lr": 1e-3, "betas": (0.9, 0.999), "eps": 1e-8, "decoupled_weight_decay": False},
        flags={"decoupled_weight_decay": flag},
        state={"exp_avg": "m", "exp_avg_sq": "v"},
        decay=decay,
        fixed={"threshold": 5.0},
    )
    for flag, decay in ((False, "l2"), (True, "decoupled"))
)

PEERS = (
    *_TORCH,
    # Liu et al. 2020, Algorithm 2.
    Peer(
        "paper",
        "RAdam",
        {"alpha": "lr", "beta1": "beta1", "beta2": "beta2"},
        {"alpha": 1e-3, "beta1": 0.9, "beta2": 0.999},
        state={"m": "m", "v": "v"},
        fixed={"eps": 0.0, "threshold": 4.0},
    ),
)
