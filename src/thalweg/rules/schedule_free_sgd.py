"""Schedule-Free SGD: gradient descent `z` and its average, with gradients taken at a point `x` between the two.

Why it works: a falling lr ends a run well because it averages out the last noise; the average of all `z` does so at
any time, with no end to be planned. Averages are slow to follow, so gradients are taken where they are most of the
way to the average, which damps `z` as momentum would. The average need not be stored: `x` and `z` tell it.

Source: Defazio et al. 2024, Schedule-Free SGD, with warm-up and the weights lr_max² of the authors' code. `x` here is
their y; what they call x is the evaluation weights.

Differs from: Optax with `warmup_steps`, whose steps are those of lr one step before, the first one zero, while it
weighs them with lr of the present one. Without warm-up Optax computes this one. torch has none; Keras has Adam only.

Use it when: the length of a run is not known beforehand, or a schedule should not be tuned. lr is larger than for
`sgd`. Not with a falling lr on top, which the average replaces; not without swapping to the evaluation weights before
testing and saving.

Pitfalls: on x²/2 with noise of 1 and lr 1 the loss at `x` is 13 times that at the evaluation weights. Where lr times
curvature is between 2 and `2 / (1 - beta)`, the weights run away before they come back: at 10 to 227 times the
distance of the start; a warm-up over 100 steps prevents it.

Example:
    The first average is z itself; afterwards `x` lies a tenth of the way from it towards z:

    >>> x, z, w_sum, lr_max = schedule_free_sgd(1.0, 1.0, 1, 1.0, 0.0, 0.0, lr=0.5)
    >>> x, z, w_sum, lr_max
    (0.5, 0.5, 0.25, 0.5)
    >>> x, z, w_sum, lr_max = schedule_free_sgd(x, 0.5, 2, z, w_sum, lr_max, lr=0.5)
    >>> round(x, 9), round(z, 9), round(averaged_weights(x, z, beta=0.9), 9)
    (0.3625, 0.25, 0.375)
"""

from thalweg.formula import AT_THE_WEIGHTS, Peer, maximum, minimum, rule, where


def averaged_weights(x, z, *, beta):
    """The average of all z so far, of which x is the share beta and z the rest: the weights to evaluate."""
    return x - (1 / beta - 1) * (z - x)


def warmed_up(lr, t, warmup_steps):
    """The learning rate of step t, which rises in a line over the first steps."""
    return lr * minimum(t / maximum(warmup_steps, 1), 1)


def descend(x, g, z, c, *, lr, beta):
    """The next x and z, where the new z enters the average with the weight c."""
    x = x + c * (z - x) - lr * (1 - beta * (1 - c)) * g
    return x, z - lr * g


@rule(
    "Defazio et al. 2024, Schedule-Free SGD",
    initial={"z": AT_THE_WEIGHTS},
    evaluation=averaged_weights,
    facts=("identity_at_zero_gradient",),
    scalars=("w_sum", "lr_max"),
)
def schedule_free_sgd(x, g, t, z, w_sum, lr_max, *, lr=1.0, beta=0.9, warmup_steps=0, power=2.0):
    lr = warmed_up(lr, t, warmup_steps)
    lr_max = maximum(lr_max, lr)
    w = lr_max**power
    w_sum = w_sum + w
    total = where(w_sum > 0, w_sum, 1.0)
    c = w / total
    x, z = descend(x, g, z, c, lr=lr, beta=beta)
    return x, z, w_sum, lr_max


PEERS = (
    Peer(
        "optax",
        "schedule_free_sgd",
        {"learning_rate": "lr", "b1": "beta", "weight_lr_power": "power"},
        {"learning_rate": 1.0, "warmup_steps": None, "b1": 0.9, "weight_decay": None, "weight_lr_power": 2.0},
        flags={"warmup_steps": None},
        state={"z": "z", "weight_sum": "w_sum", "max_lr": "lr_max"},
        decay="l2",
        fixed={"warmup_steps": 0.0},
    ),
    # Defazio et al. 2024, where the average weighs all steps alike.
    Peer(
        "paper",
        "ScheduleFreeSGD",
        {"gamma": "lr", "beta": "beta"},
        {"gamma": 1.0, "beta": 0.9},
        fixed={"warmup_steps": 0.0, "power": 0.0},
    ),
)
