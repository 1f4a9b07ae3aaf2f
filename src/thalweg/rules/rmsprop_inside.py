"""RMSProp with epsilon inside the root: the form of Keras, TensorFlow and Optax.

Why it works: as `rmsprop`. Inside the root epsilon is compared with squared gradients: at 1e-7 it rules the
denominator for all gradients below 3e-4, where the rule turns into `sgd` with lr times 3162.

Source: Tieleman & Hinton 2012, lecture 6.5, with epsilon moved into the root as in Keras and TensorFlow.

Differs from: torch and MLX (`rmsprop`): an equal epsilon is not an equal rule, 1e-8 inside acts like 1e-4 outside.
Keras and Optax compute this one, and TensorFlow 1, which starts the average at 1.

Use it when: a recipe from Keras, TensorFlow or Optax must be repeated, as of the EfficientNet family. Not with an
epsilon copied from torch: take its square.

Pitfalls: where the average starts makes a recipe another one: with gradients of .01 and TensorFlow's start at 1 the
first step is a hundredth of lr, and the 77th the first of more than half; from zero, as in Keras, the first is three
times lr.

Example:
    The gradient is √eps, and the average a tenth of its square: the step is lr divided by √1.1, while epsilon outside
    the root would give 3.2 times lr.

    >>> x, v = rmsprop_inside(0.0, 0.1, 1, 0.0, lr=1.0, eps=0.01)
    >>> round(x, 4), round(v, 9)
    (-0.9535, 0.001)
"""

from thalweg.formula import Difference, Peer, rule, sqrt


@rule(
    "Tieleman & Hinton 2012, lecture 6.5; epsilon inside the root as in Keras",
    facts=("identity_at_zero_gradient", "scale_invariant"),
)
def rmsprop_inside(x, g, t, v, *, lr=0.001, beta=0.9, eps=1e-7):
    v = beta * v + (1 - beta) * g**2
    return x - lr * g / sqrt(v + eps), v


PEERS = (
    Peer(
        "keras",
        "RMSprop",
        {"learning_rate": "lr", "rho": "beta", "epsilon": "eps"},
        {"learning_rate": 1e-3, "rho": 0.9, "epsilon": 1e-7, "momentum": 0.0, "centered": False},
        flags={"momentum": 0.0, "centered": False},
        state={"velocity": "v"},
        decay="decoupled",
    ),
    Peer(
        "optax",
        "rmsprop",
        {"learning_rate": "lr", "decay": "beta", "eps": "eps"},
        {
            "learning_rate": 0.001,
            "decay": 0.9,
            "eps": 1e-8,
            "initial_scale": 0.0,
            "eps_in_sqrt": True,
            "centered": False,
            "momentum": None,
            "bias_correction": False,
        },
        flags={"eps_in_sqrt": True, "centered": False, "momentum": None, "bias_correction": False},
        state={"nu": "v"},
        initial={"v": "initial_scale"},
    ),
    Peer(
        "tf1",
        "RMSPropOptimizer",
        {"learning_rate": "lr", "decay": "beta", "epsilon": "eps"},
        {"learning_rate": 0.001, "decay": 0.9, "epsilon": 1e-10, "momentum": 0.0, "centered": False},
        flags={"momentum": 0.0, "centered": False},
        state={"rms": "v"},
        initial={"v": 1.0},
    ),
)

DIFFERS = {
    "rmsprop": Difference(
        "epsilon stands inside the root in rmsprop_inside and outside it in rmsprop, where the square root of"
        " that one comes nearest",
        powers={"eps": 0.5},
    ),
}
