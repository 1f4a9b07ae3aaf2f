"""Sign descent: every weight moves by the learning rate, against the sign of its gradient.

Why it works: the sign says which way is down, and costs one bit per weight to send between machines. How large a
gradient is does not matter, so layers whose gradients differ in scale move alike, and one broken gradient does little.

Source: Bernstein et al. 2018, Algorithm 1.

Differs from: `sgd` by the sign, and from `rprop_minus` by a step that does not adapt. `adam` with both betas 0 is this
one but for epsilon. Optax computes this one.

Use it when: gradients travel over a slow network, or have a few huge outliers. Not at a constant lr to the end: near a
minimum the weights jump from side to side by lr for ever.

Pitfalls: it follows the majority, not the mean: where gradients are 1 in nine steps and -10 in the tenth, it goes
uphill by .8 lr a step. With noise it strays further than by lr, and a quarter of lr only halves that: on x²/2 with
noise of 1 by 4 lr at lr .04, and by 8 lr at .01.

Example:
    Gradients of any size make the same step:

    >>> sign_sgd(1.0, 1e-6, 1, lr=0.1), sign_sgd(1.0, 1e6, 1, lr=0.1)
    (0.9, 0.9)
"""

from thalweg.formula import Peer, rule, sign


@rule(
    "Bernstein et al. 2018, Algorithm 1",
    facts=("identity_at_zero_gradient", "idle_at_zero_gradient", "scale_invariant", "step_bounded_by_lr"),
)
def sign_sgd(x, g, t, *, lr=1e-3):
    return x - lr * sign(g)


PEERS = (Peer("optax", "sign_sgd", {"learning_rate": "lr"}, {"learning_rate": 1e-3}),)
