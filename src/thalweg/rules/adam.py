"""Adam: an average of the gradient over the root of an average of its square, both corrected for their start at zero.

Why it works: dividing by the root of the second moment gives every weight a step of about the learning rate, however
large its gradients are; averaging the gradient first takes out noise. Both averages start at zero and would be too
small in the first steps: `1 - beta**t` is exactly the weight that the gradients seen so far have in them.

Source: Kingma & Ba 2015, Algorithm 1.

Differs from: Keras and TensorFlow, which add their epsilon before the correction (`adam_eps_hat`); MLX, which leaves
the correction out by default (`adam_uncorrected`). torch and Optax compute this one.

Use it when: a network is new to you, gradients differ in scale between layers, or the time for tuning is short. Not
when the last tenth of a percent on an image classifier matters and momentum can be tuned, nor with L2 decay (use
`adamw`).

Pitfalls: the second moment is slow: steps grow to 5.2 lr when gradients grow tenfold (to 1.1 lr at beta2 .95: lower
it, or clip updates, where their norm doubles, for a spike of the loss may follow), and stay under lr / 2 for 3494
steps when gradients fall to a tenth. Gradients as small as eps make half a step: raise the scale of a tiny loss. In
bfloat16 the moment stalls at beta2 .999, where it never falls, and stops at .25 under gradients of 1, so that steps
are twice too long: keep it in float32.

Example:
    The first step has the length of the learning rate, whatever the size of the gradient:

    >>> x, m, v = adam(1.0, 0.5, 1, 0.0, 0.0)
    >>> round(x, 9), round(m, 9), round(v, 9)
    (0.999, 0.05, 0.00025)
"""

from thalweg.formula import Peer, rule, sqrt


@rule("Kingma & Ba 2015, Algorithm 1", facts=("identity_at_zero_gradient", "scale_invariant"))
def adam(x, g, t, m, v, *, lr=1e-3, beta1=0.9, beta2=0.999, eps=1e-8):
    m = beta1 * m + (1 - beta1) * g
    v = beta2 * v + (1 - beta2) * g**2
    m_hat = m / (1 - beta1**t)
    v_hat = v / (1 - beta2**t)
    return x - lr * m_hat / (sqrt(v_hat) + eps), m, v


_PAPER = {"alpha": "lr", "beta1": "beta1", "beta2": "beta2", "epsilon": "eps"}
_PAPER_DEFAULTS = {"alpha": 1e-3, "beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8}

PEERS = (
    Peer(
        "torch",
        "Adam",
        {"lr": "lr", "betas": ("beta1", "beta2"), "eps": "eps"},
        {"lr": 1e-3, "betas": (0.9, 0.999), "eps": 1e-8, "amsgrad": False, "decoupled_weight_decay": False},
        flags={"amsgrad": False, "decoupled_weight_decay": False},
        state={"exp_avg": "m", "exp_avg_sq": "v"},
        decay="l2",
    ),
    Peer(
        "optax",
        "adam",
        {"learning_rate": "lr", "b1": "beta1", "b2": "beta2", "eps": "eps"},
        {"learning_rate": 1e-3, "b1": 0.9, "b2": 0.999, "eps": 1e-8, "eps_root": 0.0, "nesterov": False},
        flags={"eps_root": 0.0, "nesterov": False},
        state={"mu": "m", "nu": "v"},
    ),
    Peer(
        "mlx",
        "Adam",
        {"learning_rate": "lr", "betas": ("beta1", "beta2"), "eps": "eps"},
        {"learning_rate": 1e-3, "betas": (0.9, 0.999), "eps": 1e-8, "bias_correction": False},
        flags={"bias_correction": True},
        state={"m": "m", "v": "v"},
    ),
    # Kingma & Ba 2015, Algorithm 1.
    Peer("paper", "Adam", _PAPER, _PAPER_DEFAULTS, state={"m": "m", "v": "v"}),
    # Loshchilov & Hutter 2019, Algorithm 2, whose schedule multiplies alpha and the decay alike.
    Peer(
        "paper",
        "AdamW",
        _PAPER,
        {**_PAPER_DEFAULTS, "weight_decay": 0.0},
        state={"m": "m", "v": "v"},
        decay="independent",
    ),
)
