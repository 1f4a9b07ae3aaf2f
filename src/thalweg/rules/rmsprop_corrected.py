"""RMSProp whose average is corrected for its start at zero, as Adam's is.

Why it works: as `rmsprop`. The average of squares starts at zero and is too small in the first steps, which are
therefore too long: ten times lr at the first, at beta .99. Divided by `1 - beta**t`, the weight that the gradients
seen so far have in it, it is right from the start, and the first step has the length of lr.

Source: Tieleman & Hinton 2012, lecture 6.5, with the correction of Kingma & Ba 2015, Algorithm 1.

Differs from: `rmsprop`, which it becomes as `beta**t` fades. It is `adam` with beta1 0, and one array less. Optax
computes this one with `eps_in_sqrt=False, bias_correction=True`.

Use it when: you want `rmsprop` without a warm-up, or `adam` without momentum. Not to repeat a recipe of torch or
Keras, neither of which corrects.

Pitfalls: the correction mends the start only: a late gradient ten times as large as the rest still makes a step of
7.1 lr.

Example:
    The first step has the length of the learning rate; that of `rmsprop` is ten times as long:

    >>> x, v = rmsprop_corrected(0.0, 0.5, 1, 0.0, lr=0.01)
    >>> round(x, 6), round(v, 9)
    (-0.01, 0.0025)
"""

from thalweg.formula import Difference, Peer, rule, sqrt


@rule(
    "Tieleman & Hinton 2012, lecture 6.5; Kingma & Ba 2015, Algorithm 1",
    facts=("identity_at_zero_gradient", "scale_invariant"),
)
def rmsprop_corrected(x, g, t, v, *, lr=0.01, beta=0.99, eps=1e-8):
    v = beta * v + (1 - beta) * g**2
    v_hat = v / (1 - beta**t)
    return x - lr * g / (sqrt(v_hat) + eps), v


PEERS = (
    Peer(
        "optax",
        "rmsprop",
        {"learning_rate": "lr", "decay": "beta", "eps": "eps"},
        {
            **{"learning_rate": 0.001, "decay": 0.9, "eps": 1e-8, "initial_scale": 0.0, "eps_in_sqrt": True},
            **{"centered": False, "momentum": None, "bias_correction": False},
        },
        flags={"eps_in_sqrt": False, "centered": False, "momentum": None, "bias_correction": True},
        state={"nu": "v"},
        initial={"v": "initial_scale"},
    ),
)

DIFFERS = {
    "rmsprop": Difference("rmsprop_corrected divides the average by 1 - beta**t, and rmsprop takes it as it is"),
    "rmsprop_inside": Difference(
        "rmsprop_corrected divides the average by 1 - beta**t and has epsilon outside the root, "
        "rmsprop_inside takes the average as it is and has epsilon inside, where the square of that one comes"
        " nearest",
        powers={"eps": 2.0},
    ),
}
