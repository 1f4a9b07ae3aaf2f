"""AdaGrad with epsilon inside the root, its sum starting at .1: the form of Keras and Optax.

Why it works: as `adagrad`. The sum that starts above zero makes the first steps short where gradients are small,
instead of as long as lr; a root of a number well above zero also needs no epsilon to keep the division safe.

Source: Duchi, Hazan & Singer 2011, Algorithm 1, with epsilon moved into the root as in Keras and Optax.

Differs from: torch and MLX (`adagrad`), where the sum starts at zero and epsilon stands outside. With equal starts the
two nearly agree; it is the .1 that separates them, until the squared gradients add up to more than that.
TensorFlow 1 is this one without an epsilon.

Use it when: a Keras or Optax recipe must be repeated. Not when gradients are much smaller than √.1: then the start
rules the denominator, and this is `sgd` with about three times the lr.

Pitfalls: as `adagrad`, but late where gradients are small: those of .001 take 100,000 steps to add as much to the sum
as it starts with.

Example:
    A gradient of .3 adds .09 to a sum of .1; with a sum that starts at zero the step would be lr:

    >>> x, s = adagrad_inside(0.0, 0.3, 1, 0.1, lr=1.0)
    >>> round(x, 4), round(s, 9)
    (-0.6882, 0.19)
"""

from thalweg.formula import Difference, Peer, rule, sqrt


@rule(
    "Duchi, Hazan & Singer 2011, Algorithm 1; epsilon inside the root as in Keras and Optax",
    initial={"s": 0.1},
    facts=("identity_at_zero_gradient", "idle_at_zero_gradient", "step_bounded_by_lr"),
)
def adagrad_inside(x, g, t, s, *, lr=0.01, eps=1e-7):
    s = s + g**2
    return x - lr * g / sqrt(s + eps), s


PEERS = (
    Peer(
        "keras",
        "Adagrad",
        {"learning_rate": "lr", "epsilon": "eps"},
        {"learning_rate": 1e-3, "epsilon": 1e-7, "initial_accumulator_value": 0.1},
        state={"accumulator": "s"},
        initial={"s": "initial_accumulator_value"},
        decay="decoupled",
    ),
    Peer(
        "optax",
        "adagrad",
        {"learning_rate": "lr", "eps": "eps"},
        {"learning_rate": 0.01, "eps": 1e-7, "initial_accumulator_value": 0.1},
        state={"sum_of_squares": "s"},
        initial={"s": "initial_accumulator_value"},
    ),
    Peer(
        "tf1",
        "AdagradOptimizer",
        {"learning_rate": "lr"},
        {"learning_rate": 0.01, "initial_accumulator_value": 0.1},
        state={"accumulator": "s"},
        initial={"s": "initial_accumulator_value"},
        fixed={"eps": 0.0},
    ),
)

DIFFERS = {
    "adagrad": Difference(
        "epsilon stands inside the root in adagrad_inside and outside it in adagrad, where its square root comes "
        "nearest if s starts at 0, else the same number",
        powers={"eps": 0.5},
        grows="s",
    ),
}
