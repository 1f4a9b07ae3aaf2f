"""Centered RMSProp with epsilon inside the root: the form of Graves, Keras and Optax.

Why it works: as `rmsprop_centered`. Inside the root epsilon is compared with the variance: where gradients agree to
the last digit, its root alone is left below the fraction and bounds the step.

Source: Graves 2013, equations 38 to 41, without the momentum; the variance as in Welford 1962.

Differs from: torch (`rmsprop_centered`), by the place of epsilon: 1e-7 inside acts like 3e-4 outside, and steps of
steady gradients are shorter for it. Keras and Optax compute this one, but subtract two averages, `E[g²] - E[g]²`: on
large and nearly constant gradients rounding makes the difference smaller than -eps, and the weights NaN.

Use it when: a Keras or Optax recipe with `centered=True` must be repeated. Not near constant gradients: steps then
grow to lr times the gradient over √eps.

Pitfalls: equal gradients of 1 bring steps up to 3162 lr at the default epsilon, and to half of that in 143 steps.

Example:
    The first variance is that of one gradient from zero; `rmsprop_inside` would divide by √.1 = .3162:

    >>> x, m, s = rmsprop_inside_centered(0.0, 1.0, 1, 0.0, 0.0, lr=0.3)
    >>> round(x, 4), round(m, 9), round(s, 9)
    (-1.0, 0.1, 0.09)
"""

from thalweg.formula import Difference, Peer, rule, sqrt
from thalweg.rules.rmsprop_centered import mean_and_variance


@rule(
    "Graves 2013, equations 38 to 41, without momentum; variance as in Welford 1962",
    facts=("identity_at_zero_gradient", "scale_invariant"),
)
def rmsprop_inside_centered(x, g, t, m, s, *, lr=0.001, beta=0.9, eps=1e-7):
    m, s = mean_and_variance(g, m, s, beta=beta)
    return x - lr * g / sqrt(s + eps), m, s


PEERS = (
    Peer(
        "keras",
        "RMSprop",
        {"learning_rate": "lr", "rho": "beta", "epsilon": "eps"},
        {"learning_rate": 1e-3, "rho": 0.9, "epsilon": 1e-7, "momentum": 0.0, "centered": False},
        flags={"momentum": 0.0, "centered": True},
        state={"average_gradient": "m", "variance": "s"},
        decay="decoupled",
        wrong="Keras subtracts two averages, whose difference turns negative and the weights NaN on nearly constant "
        "gradients.",
    ),
    Peer(
        "optax",
        "rmsprop",
        {"learning_rate": "lr", "decay": "beta", "eps": "eps"},
        {
            **{"learning_rate": 0.001, "decay": 0.9, "eps": 1e-8, "initial_scale": 0.0, "eps_in_sqrt": True},
            **{"centered": False, "momentum": None, "bias_correction": False},
        },
        flags={"eps_in_sqrt": True, "centered": True, "momentum": None, "bias_correction": False},
        state={"mu": "m", "variance": "s"},
        initial={"s": "initial_scale"},
        wrong="Optax subtracts two averages, whose difference turns negative and the weights NaN on nearly constant "
        "gradients.",
    ),
    Peer(
        "tf1",
        "RMSPropOptimizer",
        {"learning_rate": "lr", "decay": "beta", "epsilon": "eps"},
        {"learning_rate": 0.001, "decay": 0.9, "epsilon": 1e-10, "momentum": 0.0, "centered": False},
        flags={"momentum": 0.0, "centered": True},
        state={"mg": "m", "variance": "s"},
        initial={"s": 1.0},
        wrong="TensorFlow 1 subtracts two averages, whose difference turns negative and the weights NaN on nearly "
        "constant gradients.",
    ),
)

DIFFERS = {
    "rmsprop_centered": Difference(
        "epsilon stands inside the root in rmsprop_inside_centered and outside it in rmsprop_centered, where "
        "the square root of that one comes nearest",
        powers={"eps": 0.5},
    ),
}
