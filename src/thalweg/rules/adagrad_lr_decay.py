"""AdaGrad with a learning rate that falls as `1 / (1 + (t - 1) * lr_decay)`, an option of torch alone.

Why it works: the root of AdaGrad's sum already lets steps fall like `1 / sqrt(t)`; this makes them fall in the end
like `t ** -1.5`, so that the weights come to rest.

Source: Duchi, Hazan & Singer 2011, Algorithm 1, with the lr_decay of torch.optim.Adagrad.

Differs from: Keras, Optax and MLX, whose AdaGrad has no such argument; a schedule of lr does the same there.

Use it when: a torch recipe with `lr_decay=` must be repeated. Not for a new model: with gradients of a steady size the
sum of all steps stays bounded however long training lasts, so a minimum far away is never reached; `adagrad` alone
shrinks enough.

Pitfalls: at lr_decay .01 and with gradients of one size all steps that it will ever make add up to 30 lr: lr must be
no less than a thirtieth of the way.

Example:
    The second step has half the length that AdaGrad's would have:

    >>> x, s = adagrad_lr_decay(0.0, 2.0, 2, 4.0, lr=1.0, lr_decay=1.0)
    >>> round(x, 4), s
    (-0.3536, 8.0)
"""

from thalweg.formula import Difference, Peer, rule
from thalweg.rules.adagrad import adagrad


@rule(
    "Duchi, Hazan & Singer 2011, Algorithm 1; lr_decay as in torch.optim.Adagrad",
    facts=("identity_at_zero_gradient", "idle_at_zero_gradient", "scale_invariant", "step_bounded_by_lr"),
)
def adagrad_lr_decay(x, g, t, s, *, lr=0.01, eps=1e-10, lr_decay=0.0):
    return adagrad(x, g, t, s, lr=lr / (1 + (t - 1) * lr_decay), eps=eps)


PEERS = (
    Peer(
        "torch",
        "Adagrad",
        {"lr": "lr", "eps": "eps", "lr_decay": "lr_decay"},
        {"lr": 0.01, "eps": 1e-10, "lr_decay": 0.0, "initial_accumulator_value": 0.0},
        state={"sum": "s"},
        initial={"s": "initial_accumulator_value"},
        decay="l2",
    ),
)

DIFFERS = {
    "adagrad": Difference("adagrad_lr_decay divides lr by 1 + (t - 1) * lr_decay"),
    "adagrad_inside": Difference(
        "adagrad_lr_decay divides lr by 1 + (t - 1) * lr_decay, and has epsilon outside the root where adagrad_inside "
        "has it inside: there its square comes nearest if s starts at 0, else the same number",
        powers={"eps": 2.0},
        grows="s",
    ),
}
