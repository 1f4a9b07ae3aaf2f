"""Rprop+: as Rprop-, but a step that made the gradient's sign flip is taken back first.

Why it works: a flip says that the last step jumped over a minimum, so the weight returns to where it was and goes on
from there with half the step. The remembered gradient is set to zero for that step, so that the flip is not punished
twice.

Source: Riedmiller & Braun 1993; Igel & Hüsken 2003, the algorithm named Rprop+.

Differs from: `rprop_minus` and `irprop_minus`, which keep the last step; it also needs a third state, the last change
`d`. No framework computes this one.

Use it when: the gradient is that of the full batch and overshooting is costly. Not with mini-batches, where it takes
back steps because of noise.

Pitfalls: as `irprop_minus`, with the same 82 % of right signs.

Example:
    The step from 1 to .9 made the gradient flip, so it is undone, and the step length halved:

    >>> x, g_old, eta, d = rprop_plus(0.9, -5.0, 2, 3.0, 0.1, -0.1)
    >>> x, g_old, eta, d
    (1.0, 0.0, 0.05, 0.1)
    >>> x, g_old, eta, d = rprop_plus(x, 3.0, 3, g_old, eta, d)
    >>> x, g_old, eta, d
    (0.95, 3.0, 0.05, -0.05)
"""

from thalweg.formula import Difference, Peer, rule, sign, where
from thalweg.rules.rprop_minus import PAPER, PAPER_DEFAULTS, adapted


@rule(
    "Riedmiller & Braun 1993; Igel & Hüsken 2003, algorithm Rprop+",
    initial={"eta": "lr"},
    facts=("identity_at_zero_gradient", "scale_invariant"),
)
def rprop_plus(x, g, t, g_old, eta, d, *, lr=0.01, up=1.2, down=0.5, eta_min=1e-6, eta_max=50.0):
    same = g * g_old
    eta = adapted(eta, same, up=up, down=down, eta_min=eta_min, eta_max=eta_max)
    d = where(same < 0, -d, -eta * sign(g))
    g = where(same < 0, 0.0, g)
    return x + d, g, eta, d


PEERS = (
    Peer("paper", "Rprop+", PAPER, PAPER_DEFAULTS),
    # Riedmiller & Braun 1993: the same algorithm under its first name.
    Peer("paper", "Rprop", PAPER, PAPER_DEFAULTS),
)

DIFFERS = {
    "irprop_minus": Difference("after a change of sign rprop_plus takes the last step back, and irprop_minus rests"),
}
