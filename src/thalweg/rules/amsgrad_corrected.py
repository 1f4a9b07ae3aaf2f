"""AMSGrad in Optax's order: the second moment is corrected first, and the maximum taken of what comes out.

Why it works: as `amsgrad`, with a denominator that truly never shrinks: a corrected first moment of a large gradient
is kept whole. In the other order the denominator still falls with the correction after the maximum is taken, 32-fold
in all from the first step on.

Source: Reddi, Kale & Kumar 2018, Algorithm 2, with the order of Optax.

Differs from: torch and Keras (`amsgrad`), which take the maximum first. If the very first gradient is the largest,
this one divides by it for ever, torch's by ever less of it.

Use it when: an Optax recipe must be repeated, or the proof's condition should hold from the first step. Not when first
gradients are unusually large: they rule the whole run.

Pitfalls: a first gradient ten times as large as the rest keeps all steps at a tenth of lr, while those of `amsgrad`
are back at .97 lr after 1000.

Example:
    After a first gradient of 1 one of .01: the denominator stays 1 (in `amsgrad` it would be .71).

    >>> x, m, v, v_max = amsgrad_corrected(0.0, 1.0, 1, 0.0, 0.0, 0.0)
    >>> x, m, v, v_max = amsgrad_corrected(x, 0.01, 2, m, v, v_max)
    >>> round(v, 6), round(v_max, 9)
    (0.000999, 1.0)
"""

from thalweg.formula import Difference, Peer, maximum, rule, sqrt


@rule(
    "Reddi, Kale & Kumar 2018, Algorithm 2; corrected first as in Optax",
    facts=("identity_at_zero_gradient", "scale_invariant"),
)
def amsgrad_corrected(x, g, t, m, v, v_max, *, lr=1e-3, beta1=0.9, beta2=0.999, eps=1e-8):
    m = beta1 * m + (1 - beta1) * g
    v = beta2 * v + (1 - beta2) * g**2
    m_hat = m / (1 - beta1**t)
    v_max = maximum(v_max, v / (1 - beta2**t))
    return x - lr * m_hat / (sqrt(v_max) + eps), m, v, v_max


PEERS = (
    Peer(
        "optax",
        "amsgrad",
        {"learning_rate": "lr", "b1": "beta1", "b2": "beta2", "eps": "eps"},
        {
            "learning_rate": 1e-3,
            "b1": 0.9,
            "b2": 0.999,
            "eps": 1e-8,
            "eps_root": 0.0,
            "bias_correction_mu": True,
            "bias_correction_nu": True,
        },
        flags={"eps_root": 0.0, "bias_correction_mu": True, "bias_correction_nu": True},
        state={"mu": "m", "nu": "v", "nu_max": "v_max"},
    ),
)

DIFFERS = {
    "amsgrad": Difference(
        "amsgrad_corrected corrects the second moment before it takes the maximum, amsgrad afterwards"
    ),
}
