"""iRprop-: as Rprop-, but a weight whose gradient's sign flipped rests for one step.

Why it works: after a flip the sign is the least trustworthy, for the weight stands near a minimum. Setting the
gradient to zero there leaves the weight alone, and as the next product of gradients is zero too, the halved step is
then tried as it is.

Source: Igel & Hüsken 2003, the algorithm named iRprop-.

Differs from: `rprop_minus`, which walks on after a flip, and `rprop_plus`, which walks back. torch computes this one,
except that a NaN gradient leaves its weight alone there and shows in the weight here. Optax means this one,
but returns the step before. Keras has no Rprop.

Use it when: the gradient is that of the full batch; of the three forms try this one first. Not with mini-batches:
noise flips signs, and weights then rest or creep.

Pitfalls: mini-batches must have the sign right in 82 % of steps, or the step lengths shrink. That is less than the
88 % of `rprop_minus`, as the step after a flip changes none.

Example:
    The sign flips: the step is halved, the weight rests, and the remembered gradient is zero.

    >>> irprop_minus(1.0, -5.0, 2, 3.0, 0.1)
    (1.0, 0.0, 0.05)
"""

from thalweg.formula import Peer, rule, sign, where
from thalweg.rules.rprop_minus import PAPER, PAPER_DEFAULTS, adapted


@rule(
    "Igel & Hüsken 2003, algorithm iRprop-",
    initial={"eta": "lr"},
    facts=("identity_at_zero_gradient", "scale_invariant"),
)
def irprop_minus(x, g, t, g_old, eta, *, lr=0.01, up=1.2, down=0.5, eta_min=1e-6, eta_max=50.0):
    same = g * g_old
    eta = adapted(eta, same, up=up, down=down, eta_min=eta_min, eta_max=eta_max)
    g = where(same < 0, 0.0, g)
    return x - eta * sign(g), g, eta


PEERS = (
    Peer(
        "torch",
        "Rprop",
        {"lr": "lr", "etas": ("down", "up"), "step_sizes": ("eta_min", "eta_max")},
        {"lr": 0.01, "etas": (0.5, 1.2), "step_sizes": (1e-6, 50.0)},
        state={"prev": "g_old", "step_size": "eta"},
    ),
    Peer(
        "optax",
        "rprop",
        {
            "learning_rate": "lr",
            "eta_minus": "down",
            "eta_plus": "up",
            "min_step_size": "eta_min",
            "max_step_size": "eta_max",
        },
        {"learning_rate": 0.01, "eta_minus": 0.5, "eta_plus": 1.2, "min_step_size": 1e-6, "max_step_size": 50.0},
        state={"prev_updates": "g_old", "step_sizes": "eta"},
        wrong="Optax returns the step before, so that its first is zero and each comes one gradient late.",
    ),
    Peer("paper", "iRprop-", PAPER, PAPER_DEFAULTS),
)
