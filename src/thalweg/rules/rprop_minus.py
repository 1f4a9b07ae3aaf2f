"""Rprop-: each weight has its own step length, which grows while its gradient keeps its sign and shrinks when it flips.

Why it works: the size of a gradient says little about how far to go, its sign says which way. Equal signs twice mean
that the step may be longer, a flip means that a minimum was jumped over; then this form walks on against the new
gradient with the step halved.

Source: Igel & Hüsken 2003, the algorithm named Rprop-; Riedmiller 1994.

Differs from: `rprop_plus`, which takes the last step back after a flip, and `irprop_minus` (torch), which rests for a
step. `lr` is only what every step length starts at.

Use it when: the gradient is that of the full batch, small networks or fitting curves. Not with mini-batches: their
noise flips signs and shrinks the steps; `rmsprop` is the answer to that.

Pitfalls: step lengths shrink once more than 21 % of gradients change their sign, so mini-batches that have the sign
right in less than 88 % of steps drive them down to `eta_min`. On a long slope they grow to 50 by step 48: lower
`eta_max` to the size of the weights.

Example:
    The sign is kept, so the step grows by 1.2; then it flips, and the step is halved:

    >>> x, g_old, eta = rprop_minus(1.0, 3.0, 2, 3.0, 0.1)
    >>> round(x, 9), round(eta, 9)
    (0.88, 0.12)
    >>> x, g_old, eta = rprop_minus(x, -5.0, 3, g_old, eta)
    >>> round(x, 9), round(eta, 9)
    (0.94, 0.06)
"""

from thalweg.formula import Difference, Peer, maximum, minimum, rule, sign, where


def adapted(eta, same, *, up, down, eta_min, eta_max):
    """The step lengths after a step: longer where `same`, the product of old and new gradient, is above zero."""
    factor = where(same > 0, up, where(same < 0, down, 1.0))
    return minimum(maximum(eta * factor, eta_min), eta_max)


@rule(
    "Igel & Hüsken 2003, algorithm Rprop-; Riedmiller 1994",
    initial={"eta": "lr"},
    facts=("identity_at_zero_gradient", "scale_invariant"),
)
def rprop_minus(x, g, t, g_old, eta, *, lr=0.01, up=1.2, down=0.5, eta_min=1e-6, eta_max=50.0):
    eta = adapted(eta, g * g_old, up=up, down=down, eta_min=eta_min, eta_max=eta_max)
    return x - eta * sign(g), g, eta


# In the letters of Igel & Hüsken 2003, with the numbers that Riedmiller & Braun 1993 recommend.
PAPER = {
    "delta_0": "lr",
    "eta_plus": "up",
    "eta_minus": "down",
    "delta_min": "eta_min",
    "delta_max": "eta_max",
}
PAPER_DEFAULTS = {"delta_0": 0.1, "eta_plus": 1.2, "eta_minus": 0.5, "delta_min": 1e-6, "delta_max": 50.0}

PEERS = (Peer("paper", "Rprop-", PAPER, PAPER_DEFAULTS),)

DIFFERS = {
    "irprop_minus": Difference(
        "after a change of sign rprop_minus steps on, with the smaller step, and irprop_minus rests"
    ),
}
