"""Yogi: Adam whose second moment grows and shrinks by steps of a bounded size.

Why it works: Adam forgets a large gradient by a factor per step, however small the gradients are that follow, so its
step can grow fast just where gradients are rare. Here the moment moves towards the squared gradient by a share of that
square, not of the distance: it shrinks slowly where gradients have become small, and grows as fast as Adam's.

Source: Zaheer et al. 2018, Algorithm 2, with the bias correction of Optax.

Differs from: `adam` in the second moment only. The paper does not correct for the start at zero; it starts the moment
at the square of the first gradients, or at 1e-6. Optax computes this one, and starts the first moment at 1e-6 too, so
that weights without a gradient move a little in the first steps.

Use it when: gradients are sparse or their size changes much, and Adam's steps are too wild. Not with Adam's epsilon
and lr: the paper's epsilon is 1e-3, its lr ten times Adam's.

Pitfalls: the second moment falls slower still than Adam's: when gradients fall to a tenth, steps stay under lr / 2 for
96,000 of them. Gradients of .001, the size of epsilon, make half a step at most.

Example:
    After a large gradient a small one: the moment falls by a thousandth of the small square, where Adam's falls by a
    thousandth of itself.

    >>> x, m, v = yogi(0.0, 0.1, 2, 0.0, 1.0)
    >>> round(v, 9)
    0.99999
"""

from thalweg.formula import Peer, rule, sign, sqrt


@rule(
    "Zaheer et al. 2018, Algorithm 2; bias correction as in Optax",
    initial={"v": 1e-6},
    facts=("identity_at_zero_gradient", "scale_invariant"),
)
def yogi(x, g, t, m, v, *, lr=0.01, beta1=0.9, beta2=0.999, eps=1e-3):
    m = beta1 * m + (1 - beta1) * g
    v = v - (1 - beta2) * sign(v - g**2) * g**2
    m_hat = m / (1 - beta1**t)
    v_hat = v / (1 - beta2**t)
    return x - lr * m_hat / (sqrt(v_hat) + eps), m, v


PEERS = (
    Peer(
        "optax",
        "yogi",
        {"learning_rate": "lr", "b1": "beta1", "b2": "beta2", "eps": "eps"},
        {"learning_rate": 0.01, "b1": 0.9, "b2": 0.999, "eps": 1e-3},
        state={"mu": "m", "nu": "v"},
        initial={"m": 1e-6, "v": 1e-6},
    ),
)
