"""RMSProp with epsilon inside the root, whose average is corrected for its start at zero.

Why it works: as `rmsprop_corrected`. Epsilon is added to what has been corrected, so it acts alike at every step.

Source: Tieleman & Hinton 2012, lecture 6.5, with the correction of Kingma & Ba 2015, Algorithm 1, and epsilon moved
into the root as in Optax.

Differs from: `rmsprop_inside`, which it becomes as `beta**t` fades; `rmsprop_corrected`, by the place of epsilon.
Optax computes this one with `bias_correction=True`.

Use it when: an Optax recipe must be repeated. Not with an epsilon copied from torch: take its square.

Pitfalls: the default epsilon of 1e-8 is a floor of 1e-4: gradients of 1e-5 make steps of a tenth of lr.

Example:
    The gradient is √eps: the step is lr divided by √2, where `rmsprop_inside` divides by √1.1.

    >>> x, v = rmsprop_inside_corrected(0.0, 0.1, 1, 0.0, lr=1.0, eps=0.01)
    >>> round(x, 4), round(v, 9)
    (-0.7071, 0.001)
"""

from thalweg.formula import Difference, Peer, rule, sqrt


@rule(
    "Tieleman & Hinton 2012, lecture 6.5; Kingma & Ba 2015, Algorithm 1; epsilon inside the root as in Optax",
    facts=("identity_at_zero_gradient", "scale_invariant"),
)
def rmsprop_inside_corrected(x, g, t, v, *, lr=0.001, beta=0.9, eps=1e-8):
    v = beta * v + (1 - beta) * g**2
    v_hat = v / (1 - beta**t)
    return x - lr * g / sqrt(v_hat + eps), v


PEERS = (
    Peer(
        "optax",
        "rmsprop",
        {"learning_rate": "lr", "decay": "beta", "eps": "eps"},
        {
            **{"learning_rate": 0.001, "decay": 0.9, "eps": 1e-8, "initial_scale": 0.0, "eps_in_sqrt": True},
            **{"centered": False, "momentum": None, "bias_correction": False},
        },
        flags={"eps_in_sqrt": True, "centered": False, "momentum": None, "bias_correction": True},
        state={"nu": "v"},
        initial={"v": "initial_scale"},
    ),
)

DIFFERS = {
    "rmsprop_inside": Difference(
        "rmsprop_inside_corrected divides the average by 1 - beta**t, rmsprop_inside takes it as it is"
    ),
    "rmsprop_corrected": Difference(
        "epsilon stands inside the root in rmsprop_inside_corrected and outside it in rmsprop_corrected, "
        "where the square root of that one comes nearest",
        powers={"eps": 0.5},
    ),
    "rmsprop": Difference(
        "rmsprop_inside_corrected divides the average by 1 - beta**t and has epsilon inside the root, rmsprop"
        " takes the average as it is and has epsilon outside, where the square root of that one comes nearest",
        powers={"eps": 0.5},
    ),
}
