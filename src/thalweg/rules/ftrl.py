"""FTRL-Proximal: the weights that would have been best for all gradients so far, with many of them exactly zero.

Why it works: each step solves a small problem anew: a linear term `z`, the sum of what gradients have said; a square
for every step taken, which keeps the weights near where they were; and an L1 norm. Its solution is known, and is zero
wherever `z` is within `l1` of it, so the model stays small. Without `l1` and `l2` it is AdaGrad.

Source: McMahan et al. 2013, Algorithm 1, with the shrinkage of TensorFlow and Keras.

Differs from: `adagrad_inside`, whose steps it takes with `l1`, `l2` and `shrinkage` at zero and weights that start
there. Weights that start elsewhere are mostly forgotten in the first step, as `z` knows nothing of them. Keras computes
this one with its default power of -.5; its other powers are no rule of the catalogue, as libraries round a power of an
array each in their own way. The paper's beta is `beta0` here.

Use it when: a linear model has very many and rare features, and must be small in the end. Not for a network, whose
random start the first step undoes.

Pitfalls: the weight itself is in proportion to lr, not only its change: with the defaults half of lr is half of every
weight in the next step, even without a gradient. Leave lr as it is; the sum of squares shortens the steps.

Example:
    The linear term is within `l1` of zero, and so the weight becomes zero:

    >>> x, z, n = ftrl(0.5, 0.3, 1, 0.2, 1.0, lr=1.0, l1=1.0)
    >>> x, round(z, 4), round(n, 4)
    (0.0, 0.478, 1.09)
"""

from thalweg.formula import Peer, maximum, minimum, rule, sqrt


@rule("McMahan et al. 2013, Algorithm 1; shrinkage as in TensorFlow and Keras", initial={"n": 0.1})
def ftrl(x, g, t, z, n, *, lr=0.01, l1=0.0, l2=0.0, shrinkage=0.0, beta0=0.0):
    n_old = n
    n = n + g**2
    sigma = (sqrt(n) - sqrt(n_old)) / lr
    z = z + (g + 2 * shrinkage * x - sigma * x)
    clipped = maximum(minimum(z, l1), -l1)
    best = (clipped - z) / ((beta0 + sqrt(n)) / lr + 2 * l2)
    return best, z, n


PEERS = (
    Peer(
        "keras",
        "Ftrl",
        {
            **{"learning_rate": "lr", "beta": "beta0", "l1_regularization_strength": "l1"},
            **{"l2_regularization_strength": "l2", "l2_shrinkage_regularization_strength": "shrinkage"},
        },
        {
            **{"learning_rate": 1e-3, "learning_rate_power": -0.5, "initial_accumulator_value": 0.1, "beta": 0.0},
            **{"l1_regularization_strength": 0.0, "l2_regularization_strength": 0.0},
            **{"l2_shrinkage_regularization_strength": 0.0},
        },
        flags={"learning_rate_power": -0.5},
        state={"accumulator": "n", "linear": "z"},
        initial={"n": "initial_accumulator_value"},
        decay="decoupled",
    ),
)
