"""Lion: a step of lr along the sign of a mixture of the gradient and its average.

Why it works: only signs count, so every weight moves by exactly lr and large gradients cannot throw it off. Two
averages are made of one state: the direction forgets fast (beta1), so that the present gradient counts, while what is
remembered forgets slowly (beta2). A search over programs found it.

Source: Chen et al. 2023, Algorithm 2.

Differs from: `adam`, which has a second state and steps that shrink where gradients are noisy; here nothing but lr
shrinks them. Optax, Keras and MLX compute this one, with decoupled decay, which is .001 by default in Optax and none
in the others; torch has none.

Use it when: memory is short, batches are large and lr falls to zero; with a third to a tenth of Adam's lr and that
much more decay. Not at a constant lr: near the minimum it jumps to and fro by lr.

Pitfalls: at lr .0001 no weight above .0512 moves that is kept in bfloat16. L2 decay in the gradient does nothing but
where it turns a sign: take `decoupled(lion)`.

Example:
    The step has the length lr; its direction is the average's, against the present gradient:

    >>> x, m = lion(0.0, -1.0, 2, 0.5, lr=0.01)
    >>> x, round(m, 9)
    (-0.01, 0.485)
"""

from thalweg.formula import Peer, rule, sign


@rule(
    "Chen et al. 2023, Algorithm 2",
    facts=("identity_at_zero_gradient", "scale_invariant", "step_bounded_by_lr"),
)
def lion(x, g, t, m, *, lr=1e-4, beta1=0.9, beta2=0.99):
    c = beta1 * m + (1 - beta1) * g
    m = beta2 * m + (1 - beta2) * g
    return x - lr * sign(c), m


PEERS = (
    Peer(
        "keras",
        "Lion",
        {"learning_rate": "lr", "beta_1": "beta1", "beta_2": "beta2"},
        {"learning_rate": 1e-3, "beta_1": 0.9, "beta_2": 0.99},
        state={"momentum": "m"},
        decay="decoupled",
    ),
    Peer(
        "optax",
        "lion",
        {"learning_rate": "lr", "b1": "beta1", "b2": "beta2"},
        {"learning_rate": None, "b1": 0.9, "b2": 0.99, "weight_decay": 1e-3},
        state={"mu": "m"},
        decay="decoupled",
    ),
    Peer(
        "mlx",
        "Lion",
        {"learning_rate": "lr", "betas": ("beta1", "beta2")},
        {"learning_rate": None, "betas": (0.9, 0.99), "weight_decay": 0.0},
        state={"m": "m"},
        decay="decoupled",
    ),
    # Chen et al. 2023, Algorithm 2, with the defaults of the authors' code.
    Peer(
        "paper",
        "Lion",
        {"eta": "lr", "beta1": "beta1", "beta2": "beta2"},
        {"eta": 1e-4, "beta1": 0.9, "beta2": 0.99, "weight_decay": 0.0},
        state={"m": "m"},
        decay="decoupled",
    ),
)
