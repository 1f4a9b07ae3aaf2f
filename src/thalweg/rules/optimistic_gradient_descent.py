"""Optimistic gradient descent: the next gradient is guessed from how the last one changed.

Why it works: in a game of two players, as of a generator and a critic, descent circles around the solution and drifts
away from it. Adding the change of the gradient is, to first order, to take the gradient where the other player is about
to be, and the circle becomes a spiral inwards.

Source: Popov 1980; Daskalakis et al. 2018, Algorithm 1 without Adam; the two weights as in Mokhtari, Ozdaglar &
Pattathil 2020.

Differs from: `momentum`, which adds old gradients, where this subtracts one. `optimism` 0 is `sgd` with lr times
alpha. At the first step the gradient is taken not to have changed. Optax computes this one and calls optimism beta.

Use it when: the loss is a game, minimized by some weights and maximized by others. Not for an ordinary loss with noisy
gradients: the difference of two of them has more noise than either.

Pitfalls: it diverges where lr times curvature is above `2 / (alpha + 2 * optimism)`, .67 by default, a third of the
limit of `sgd`. Noise in the gradients counts √5 = 2.2 times as much as there.

Example:
    The gradient fell by half, so it is expected to fall by as much again, to zero, and the weight rests:

    >>> x, g_old = optimistic_gradient_descent(1.0, 1.0, 1, 0.0, lr=0.1)
    >>> x, g_old
    (0.9, 1.0)
    >>> optimistic_gradient_descent(x, 0.5, 2, g_old, lr=0.1)
    (0.9, 0.5)
"""

from thalweg.formula import Peer, rule, where


def optimistic(u, t, u_old, *, alpha, optimism):
    """A direction, and its change since the last step; there is none in the first."""
    weight = where(t > 1, optimism, 0.0)
    return alpha * u + weight * (u - u_old)


@rule(
    "Popov 1980; Daskalakis et al. 2018; Mokhtari, Ozdaglar & Pattathil 2020",
    facts=("identity_at_zero_gradient",),
)
def optimistic_gradient_descent(x, g, t, g_old, *, lr=0.01, alpha=1.0, optimism=1.0):
    return x - lr * optimistic(g, t, g_old, alpha=alpha, optimism=optimism), g


PEERS = (
    Peer(
        "optax",
        "optimistic_gradient_descent",
        {"learning_rate": "lr", "alpha": "alpha", "beta": "optimism"},
        {"learning_rate": 0.01, "alpha": 1.0, "beta": 1.0},
        state={"previous_gradient": "g_old"},
    ),
)
