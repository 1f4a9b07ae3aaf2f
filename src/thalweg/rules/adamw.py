"""AdamW: the weights shrink by `lr * decay` of themselves, then Adam steps.

Why it works: decay that is added to the gradient (L2) is divided by Adam's denominator, so weights with large
gradients hardly decay at all. Kept out of the gradient, decay is the same share for every weight, and its best value
depends less on lr.

Source: Loshchilov & Hutter 2019, Algorithm 2, with lr multiplying the decay as in torch.

Differs from: `l2(adam)`, which is torch's `Adam(weight_decay=...)`. In the paper decay follows the schedule but not
the base lr (`independent(adam)`). Keras' Adam and AdamW are `decoupled(adam_eps_hat)`. torch and Optax compute this
one, and MLX if asked to correct; decay is .01 in torch and MLX, 1e-4 in Optax, .004 in Keras.

Use it when: transformers are trained, or Adam is to be regularised at all. Not with a decay tuned for L2: the two
numbers mean different things. Biases and norms are usually left out of it.

Pitfalls: decay is coupled to lr: at lr .001 and decay .01 a weight without gradients halves in 69,314 steps, and a
schedule that lowers lr lowers its decay too. In bfloat16 no weight decays at all while `lr * decay` is below 1/512.

Example:
    With no gradient, only the decay is left:

    >>> x, m, v = adamw(1.0, 0.0, 1, 0.0, 0.0, lr=0.1, decay=0.1)
    >>> x, m, v
    (0.99, 0.0, 0.0)
"""

from thalweg.formula import Peer, rule
from thalweg.rules.adam import adam


@rule("Loshchilov & Hutter 2019, Algorithm 2", facts=("scale_invariant",))
def adamw(x, g, t, m, v, *, lr=1e-3, beta1=0.9, beta2=0.999, eps=1e-8, decay=0.01):
    x = x - lr * decay * x
    return adam(x, g, t, m, v, lr=lr, beta1=beta1, beta2=beta2, eps=eps)


_SPELLING = {"lr": "lr", "betas": ("beta1", "beta2"), "eps": "eps", "weight_decay": "decay"}
_DEFAULTS = {"lr": 1e-3, "betas": (0.9, 0.999), "eps": 1e-8, "amsgrad": False}
_STATE = {"exp_avg": "m", "exp_avg_sq": "v"}

PEERS = (
    Peer("torch", "AdamW", _SPELLING, _DEFAULTS | {"weight_decay": 0.01}, flags={"amsgrad": False}, state=_STATE),
    Peer(
        "torch",
        "Adam",
        _SPELLING,
        _DEFAULTS | {"weight_decay": 0.0, "decoupled_weight_decay": False},
        flags={"amsgrad": False, "decoupled_weight_decay": True},
        state=_STATE,
    ),
    Peer(
        "optax",
        "adamw",
        {"learning_rate": "lr", "b1": "beta1", "b2": "beta2", "eps": "eps", "weight_decay": "decay"},
        {
            "learning_rate": 1e-3,
            "b1": 0.9,
            "b2": 0.999,
            "eps": 1e-8,
            "eps_root": 0.0,
            "weight_decay": 1e-4,
            "nesterov": False,
        },
        flags={"eps_root": 0.0, "nesterov": False},
        state={"mu": "m", "nu": "v"},
    ),
    Peer(
        "mlx",
        "AdamW",
        {"learning_rate": "lr", "betas": ("beta1", "beta2"), "eps": "eps", "weight_decay": "decay"},
        {"learning_rate": 1e-3, "betas": (0.9, 0.999), "eps": 1e-8, "bias_correction": False, "weight_decay": 0.01},
        flags={"bias_correction": True},
        state={"m": "m", "v": "v"},
    ),
)
