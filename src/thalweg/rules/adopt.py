"""ADOPT: Adam that divides each gradient by the root of the squares before it, and averages what comes out.

Why it works: Adam may fail to converge because a gradient is divided by a moment that it has a part in itself. Here the
moment knows only earlier gradients, and the division comes before the average, so convergence is proved for every
beta2. The first step only looks, and later ratios are bounded by a limit that grows like the fourth root of time.

Source: Taniguchi et al. 2024, the clipped form.

Differs from: `adam`, which averages first and divides by a moment that holds the present gradient; no bias correction
is needed here, for the moment starts at the first square, but the average starts at zero. Optax computes this one.

Use it when: a small beta2 makes `adam` unstable, or gradients have rare and huge outliers. Not when the first steps
must have the length of lr: the average starts at zero, and the tenth of equal steps has .61 of it.

Pitfalls: the first gradient alone fills the moment: if it is ten times as large as the rest, steps stay under lr / 2
for 34,974 of them, and in `adam` for 28.

Example:
    The first step only fills the moment; the second gradient is divided by the root of the first one's square:

    >>> x, m, v = adopt(0.0, 2.0, 1, 0.0, 0.0, lr=1.0)
    >>> x, m, v
    (0.0, 0.0, 4.0)
    >>> x, m, v = adopt(x, 1.0, 2, m, v, lr=1.0)
    >>> round(x, 9), round(m, 9)
    (-0.05, 0.05)
"""

from thalweg.formula import Peer, maximum, minimum, rule, sqrt, where


@rule("Taniguchi et al. 2024, clipped ADOPT", facts=("identity_at_zero_gradient", "scale_invariant"))
def adopt(x, g, t, m, v, *, lr=1e-3, beta1=0.9, beta2=0.9999, eps=1e-6):
    bound = (t - 1) ** 0.25
    n = maximum(minimum(g / maximum(sqrt(v), eps), bound), -bound)
    m = beta1 * m + (1 - beta1) * n
    v = where(t > 1, beta2, 0) * v + where(t > 1, 1 - beta2, 1) * g**2
    return x - lr * m, m, v


PEERS = (
    Peer(
        "optax",
        "adopt",
        {"learning_rate": "lr", "b1": "beta1", "b2": "beta2", "eps": "eps"},
        {
            **{"learning_rate": 1e-3, "b1": 0.9, "b2": 0.9999, "eps": 1e-6},
            **{"nesterov": False, "use_clipping": True},
        },
        flags={"nesterov": False, "use_clipping": True},
        state={"mu": "m", "nu": "v"},
    ),
)
