"""AMSGrad: Adam that divides by the largest second moment so far instead of the present one.

Why it works: Adam forgets, so a rare large gradient may be outweighed by the many small ones that follow, and there
are convex problems on which it never settles. With the maximum a step's denominator cannot shrink in the long run, and
convergence can be proved again.

Source: Reddi, Kale & Kumar 2018, Algorithm 2, with Adam's bias correction as in torch and Keras.

Differs from: Optax, which corrects first and takes the maximum afterwards (`amsgrad_corrected`); the paper has no
correction at all. torch computes this one; Keras with its own place of epsilon.

Use it when: Adam's loss jumps long after it had settled. Not by default: in practice it seldom wins over `adam`, and
it needs a third state.

Pitfalls: one gradient of 100 among gradients of 1 shortens all steps after it to .30 lr for ever, while `adam` is back
at .9 lr with the 3751st.

Example:
    The maximum of 1 is remembered, so the step is a hundredth of lr, where `adam` would step 1.4 times lr:

    >>> x, m, v, v_max = amsgrad(0.0, 0.01, 10_000, 0.01, 5e-5, 1.0, lr=1.0)
    >>> round(x, 4), v_max
    (-0.01, 1.0)
"""

from thalweg.formula import Peer, maximum, rule, sqrt


@rule("Reddi, Kale & Kumar 2018, Algorithm 2", facts=("identity_at_zero_gradient", "scale_invariant"))
def amsgrad(x, g, t, m, v, v_max, *, lr=1e-3, beta1=0.9, beta2=0.999, eps=1e-8):
    m = beta1 * m + (1 - beta1) * g
    v = beta2 * v + (1 - beta2) * g**2
    v_max = maximum(v_max, v)
    m_hat = m / (1 - beta1**t)
    v_hat = v_max / (1 - beta2**t)
    return x - lr * m_hat / (sqrt(v_hat) + eps), m, v, v_max


_SPELLING = {"lr": "lr", "betas": ("beta1", "beta2"), "eps": "eps"}
_DEFAULTS = {"lr": 1e-3, "betas": (0.9, 0.999), "eps": 1e-8, "amsgrad": False}
_STATE = {"exp_avg": "m", "exp_avg_sq": "v", "max_exp_avg_sq": "v_max"}

PEERS = (
    Peer(
        "torch",
        "Adam",
        _SPELLING,
        _DEFAULTS | {"decoupled_weight_decay": False},
        flags={"amsgrad": True, "decoupled_weight_decay": False},
        state=_STATE,
        decay="l2",
    ),
    Peer(
        "torch",
        "Adam",
        _SPELLING,
        _DEFAULTS | {"decoupled_weight_decay": False},
        flags={"amsgrad": True, "decoupled_weight_decay": True},
        state=_STATE,
        decay="decoupled",
    ),
    Peer(
        "torch",
        "AdamW",
        _SPELLING,
        _DEFAULTS | {"weight_decay": 0.01},
        flags={"amsgrad": True},
        state=_STATE,
        decay="decoupled",
    ),
)
