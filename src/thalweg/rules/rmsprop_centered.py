"""Centered RMSProp: the gradient divided by its running standard deviation, not by its root mean square.

Why it works: what remains after the mean is taken out is noise. Where gradients agree the deviation is small and the
step long, where they disagree it is short. The variance is kept by a recurrence whose terms are all squares (Welford's
form), so it cannot become negative by rounding.

Source: Graves 2013, equations 38 to 41, without the momentum; the variance as in Welford 1962.

Differs from: torch, Keras and Optax, which subtract two averages, `E[g²] - E[g]²`: the same number on paper, but on
nearly constant gradients rounding makes it negative, and the weights NaN.

Use it when: gradients are noisy and steps should follow how sure their direction is. Not near constant gradients: the
deviation goes to zero, eps alone is left below the fraction, and steps become huge; a larger eps bounds them.

Pitfalls: the deviation of equal gradients halves every 138 steps at beta .99: after 1000 of size 1 a step is 152 lr,
and after 3666, when epsilon is half of the denominator, 50 million lr.

Example:
    The first deviation is that of one gradient from zero:

    >>> x, m, s = rmsprop_centered(0.0, 1.0, 1, 0.0, 0.0)
    >>> round(x, 4), round(m, 9), round(s, 9)
    (-0.1005, 0.01, 0.0099)
"""

from thalweg.formula import Peer, rule, sqrt


def mean_and_variance(g, m, s, *, beta):
    """The running mean and variance of the gradients, the latter by Welford's recurrence."""
    d = g - m
    m = m + (1 - beta) * d
    s = beta * (s + (1 - beta) * d**2)
    return m, s


@rule(
    "Graves 2013, equations 38 to 41, without momentum; variance as in Welford 1962",
    facts=("identity_at_zero_gradient", "scale_invariant"),
)
def rmsprop_centered(x, g, t, m, s, *, lr=0.01, beta=0.99, eps=1e-8):
    m, s = mean_and_variance(g, m, s, beta=beta)
    return x - lr * g / (sqrt(s) + eps), m, s


PEERS = (
    Peer(
        "torch",
        "RMSprop",
        {"lr": "lr", "alpha": "beta", "eps": "eps"},
        {"lr": 0.01, "alpha": 0.99, "eps": 1e-8, "momentum": 0.0, "centered": False},
        flags={"momentum": 0.0, "centered": True},
        state={"grad_avg": "m", "variance": "s"},
        decay="l2",
        wrong="torch subtracts two averages, whose difference turns negative and the weights NaN on nearly constant "
        "gradients.",
    ),
    Peer(
        "optax",
        "rmsprop",
        {"learning_rate": "lr", "decay": "beta", "eps": "eps"},
        {
            "learning_rate": 0.001,
            "decay": 0.9,
            "eps": 1e-8,
            "initial_scale": 0.0,
            "eps_in_sqrt": True,
            "centered": False,
            "momentum": None,
            "bias_correction": False,
        },
        flags={"eps_in_sqrt": False, "centered": True, "momentum": None, "bias_correction": False},
        state={"mu": "m", "variance": "s"},
        initial={"s": "initial_scale"},
        wrong="Optax subtracts two averages, whose difference turns negative and the weights NaN on nearly constant "
        "gradients.",
    ),
)
