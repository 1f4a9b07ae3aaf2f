"""AdaBelief: Adam that divides by how far gradients are from their average instead of by how large they are.

Why it works: where a gradient is what the average foretold, the step is believed and long; where it is not, short. On
a slope that stays the same Adam's step is lr whatever the slope; this one's grows, as it would for a small curvature.

Source: Zhuang et al. 2020, Algorithm 2.

Differs from: the paper and the authors' code, which use one epsilon in both places and, in later versions of the
code, rectify as `radam` does. `eps_root` is added to the state in every step, so it piles up, to a thousandfold at
beta2 .999. Optax computes this one; torch and Keras have none.

Use it when: `adam` generalises worse than momentum and a drop-in is wanted. Not with gradients that hardly change:
after 1000 equal ones a step is 20 lr, after 10000 it is 2300 lr, and only `eps_root` bounds it.

Pitfalls: what `eps_root` piles up to, 1e-13, is a floor of 3e-7 for the denominator, not of 1e-8: noise of 1e-7 makes
steps less than a third as long as noise of 1 does.

Example:
    A gradient that the average foretold to a tenth: the step is ten times what `adam` would make of it.

    >>> x, m, s = adabelief(0.0, 1.0, 10_000, 1.0 / 0.9 - 0.1, 0.0, lr=0.001, beta2=0.0)
    >>> round(m, 3), round(s, 3), round(x, 3)
    (1.01, 0.0, -0.101)
"""

from thalweg.formula import Peer, rule, sqrt


@rule("Zhuang et al. 2020, Algorithm 2", facts=("scale_invariant",))
def adabelief(x, g, t, m, s, *, lr=1e-3, beta1=0.9, beta2=0.999, eps=1e-16, eps_root=1e-16):
    m = beta1 * m + (1 - beta1) * g
    s = beta2 * s + (1 - beta2) * (g - m) ** 2 + eps_root
    m_hat = m / (1 - beta1**t)
    s_hat = s / (1 - beta2**t)
    return x - lr * m_hat / (sqrt(s_hat) + eps), m, s


PEERS = (
    Peer(
        "optax",
        "adabelief",
        {"learning_rate": "lr", "b1": "beta1", "b2": "beta2", "eps": "eps", "eps_root": "eps_root"},
        {
            **{"learning_rate": None, "b1": 0.9, "b2": 0.999, "eps": 1e-16, "eps_root": 1e-16},
            **{"nesterov": False},
        },
        flags={"nesterov": False},
        state={"mu": "m", "nu": "s"},
    ),
)
