"""Gradient descent: a step against the gradient, as long as the learning rate says.

Why it works: a differentiable loss falls fastest against its gradient, and a small enough step along it must lower the
loss. With a gradient estimated on some of the samples the step is right on average, and the noise averages out as long
as the learning rate is small. Full-batch, stochastic and mini-batch gradient descent are this one rule; the three
names are batch sizes: all samples, one, or some 16 to 512.

Source: Robbins & Monro 1951, equation 6 (stochastic); Cauchy 1847 (full batch).

Differs from: no framework at all.

Use it when: memory for state is short, or as the baseline that any other rule must beat. Not when the curvature
differs much between directions: the largest one bounds the learning rate, the smallest one then decides the time.

Pitfalls: where lr times curvature is above 2, every step ends further from the minimum than it began, and the run
diverges. Weights kept in bfloat16 lose, under any rule, each step that is shorter than a 512th of the weight: round
stochastically, or keep the weights in float32.

Example:
    One step of .1 down the parabola x²/2, whose gradient is x:

    >>> sgd(1.0, 1.0, 1, lr=0.1)
    0.9
"""

from thalweg.formula import Peer, rule


@rule("Robbins & Monro 1951, equation 6", facts=("identity_at_zero_gradient", "idle_at_zero_gradient"))
def sgd(x, g, t, *, lr=0.01):
    return x - lr * g


PEERS = (
    Peer("torch", "SGD", {"lr": "lr"}, {"lr": 1e-3, "momentum": 0.0}, flags={"momentum": 0.0}, decay="l2"),
    Peer(
        "keras",
        "SGD",
        {"learning_rate": "lr"},
        {"learning_rate": 0.01, "momentum": 0.0},
        flags={"momentum": 0.0},
        decay="decoupled",
    ),
    Peer("optax", "sgd", {"learning_rate": "lr"}, {"learning_rate": 0.01, "momentum": None}, flags={"momentum": None}),
    Peer(
        "mlx",
        "SGD",
        {"learning_rate": "lr"},
        {"learning_rate": 0.01, "momentum": 0.0, "weight_decay": 0.0},
        flags={"momentum": 0.0},
        decay="l2",
    ),
    Peer("tf1", "GradientDescentOptimizer", {"learning_rate": "lr"}, {"learning_rate": 0.01}),
    # Robbins & Monro 1951 write a for lr; the name is today's.
    Peer("paper", "SGD", {"a": "lr"}, {"a": 0.01}),
)
