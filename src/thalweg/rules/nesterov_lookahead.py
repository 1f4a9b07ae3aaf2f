"""Nesterov's momentum as first stated: momentum whose gradient is taken where momentum alone would lead.

Why it works: the velocity carries the weights to `x + mu * v` in any case, so the slope there is the one that matters.
If the way leads up the far side of a valley, this gradient already points back, one step before plain momentum
notices.

Source: Nesterov 1983; Sutskever et al. 2013, equations 3 and 4.

Differs from: every framework, none of which can ask for a gradient at another point than the weights: `nesterov`
(torch, Optax) and `nesterov_velocity` (Keras) are this method with `x + mu * v` as the variable.

Use it when: the gradient can be had at any point, as on a surface, and the picture should show the method itself. Not
in a training loop, where the gradient is that at the weights.

Pitfalls: given the gradient at the weights it is `momentum_velocity` to the last digit, and nothing says so.

Example:
    On the parabola x²/2, whose gradient at a point is the point, coming from the right with the velocity -.5:

    >>> ahead = look_ahead(1.0, -0.5, mu=0.9)
    >>> ahead
    0.55
    >>> x, v = nesterov_lookahead(1.0, ahead, 2, -0.5, lr=0.1)
    >>> round(x, 9), round(v, 9)
    (0.495, -0.505)
"""

from thalweg.formula import Difference, Peer, rule
from thalweg.rules.momentum_velocity import momentum_velocity


def look_ahead(x, v, *, mu):
    """Where the velocity alone would lead: the point at which the rule wants its gradient."""
    return x + mu * v


@rule("Nesterov 1983; Sutskever et al. 2013, equations 3 and 4", point=look_ahead, facts=("identity_at_zero_gradient",))
def nesterov_lookahead(x, g, t, v, *, lr=0.01, mu=0.9):
    return momentum_velocity(x, g, t, v, lr=lr, mu=mu)


PEERS = (
    # Sutskever et al. 2013, equations 3 and 4.
    Peer("paper", "NAG", {"epsilon": "lr", "mu": "mu"}, {"epsilon": 0.01, "mu": 0.9}, state={"v": "v"}),
)

DIFFERS = {
    "nesterov": Difference(
        "nesterov_lookahead holds the weights, nesterov the point ahead of them: the same path in other "
        "variables as long as lr does not change"
    ),
    "nesterov_velocity": Difference(
        "nesterov_lookahead holds the weights, nesterov_velocity the point ahead of them: the same path in "
        "other variables"
    ),
}
