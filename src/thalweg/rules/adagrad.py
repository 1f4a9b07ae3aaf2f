"""AdaGrad: the gradient divided by the root of the sum of all squared gradients of that weight so far.

Why it works: a weight whose gradient is seldom anything but zero keeps a large step for the rare time it is needed, a
weight with large gradients gets a small one. The steps shrink like `1 / sqrt(t)`, as convex theory asks of noisy
gradients, without a schedule.

Source: Duchi, Hazan & Singer 2011, Algorithm 1.

Differs from: Keras and Optax, which put epsilon inside the root and start the sum at .1 (`adagrad_inside`). torch and
MLX compute this one, MLX with epsilon 1e-8.

Use it when: features are sparse (words, categories) or the problem is convex. Not for long training of a network: the
sum never forgets, so the steps die out, and large first gradients make all later ones small.

Pitfalls: with gradients of one size the hundredth step is a tenth of the first, the 10,000th a hundredth. A first
gradient of 100 among gradients of 1 makes all later steps shorter than that, and is more than half of `s` until step
10,000. A warm-up does not help, as `s` does not know lr: clip the first gradients, restart `s`, or raise lr.

Example:
    The same gradient four times: steps of lr times 1, 1/√2, 1/√3, 1/2.

    >>> x, s, steps = 0.0, 0.0, []
    >>> for t in (1, 2, 3, 4):
    ...     old, (x, s) = x, adagrad(x, 2.0, t, s, lr=1.0)
    ...     steps.append(round(old - x, 4))
    >>> steps
    [1.0, 0.7071, 0.5774, 0.5]
"""

from thalweg.formula import Peer, rule, sqrt


@rule(
    "Duchi, Hazan & Singer 2011, Algorithm 1",
    facts=("identity_at_zero_gradient", "idle_at_zero_gradient", "scale_invariant", "step_bounded_by_lr"),
)
def adagrad(x, g, t, s, *, lr=0.01, eps=1e-10):
    s = s + g**2
    return x - lr * g / (sqrt(s) + eps), s


PEERS = (
    Peer(
        "torch",
        "Adagrad",
        {"lr": "lr", "eps": "eps"},
        {"lr": 0.01, "eps": 1e-10, "lr_decay": 0.0, "initial_accumulator_value": 0.0},
        flags={"lr_decay": 0.0},
        state={"sum": "s"},
        initial={"s": "initial_accumulator_value"},
        decay="l2",
    ),
    Peer(
        "mlx",
        "Adagrad",
        {"learning_rate": "lr", "eps": "eps"},
        {"learning_rate": 0.01, "eps": 1e-8},
        state={"v": "s"},
    ),
    # Duchi, Hazan & Singer 2011, Algorithm 1, as composite mirror descent without a regulariser or bounds.
    Peer("paper", "AdaGrad", {"eta": "lr", "delta": "eps"}, {"eta": 0.01, "delta": 1e-10}),
)
