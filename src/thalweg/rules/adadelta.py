"""AdaDelta: the gradient times the root mean square of recent changes over that of recent gradients.

Why it works: RMSProp's scaled gradient has no unit; multiplied by the size of recent changes it has the weight's, as a
Newton step would. So the method finds its step length by itself and needs no learning rate: the 1 here is only a
handle. It starts slowly, from changes of about √eps, which grow like √t while gradients agree.

Source: Zeiler 2012, Algorithm 1.

Differs from: Keras only in its defaults: lr .001, rho .95, epsilon 1e-7, and with that lr it hardly moves. torch,
Optax, MLX and TensorFlow 1 compute this one; Optax with no lr given climbs instead of descending (its issue 1242).

Use it when: nothing may be tuned. Not with a learning rate taken from another rule: leave it at 1. A larger eps speeds
up the start.

Pitfalls: nothing makes up for Keras' lr .001, as `u` does not know lr: with the defaults of Keras 10,000 equal
gradients move a weight by .05, and with lr 1 by 50.

Example:
    The first change has about the size of √(eps / (1 - rho)), whatever the gradient:

    >>> x, v, u = adadelta(0.0, 1.0, 1, 0.0, 0.0)
    >>> round(x, 6), round(v, 9), round(u, 9)
    (-0.003162, 0.1, 1e-06)
"""

from thalweg.formula import Peer, rule, sqrt


@rule("Zeiler 2012, Algorithm 1", facts=("identity_at_zero_gradient", "scale_invariant"))
def adadelta(x, g, t, v, u, *, lr=1.0, rho=0.9, eps=1e-6):
    v = rho * v + (1 - rho) * g**2
    d = sqrt(u + eps) / sqrt(v + eps) * g
    u = rho * u + (1 - rho) * d**2
    return x - lr * d, v, u


PEERS = (
    Peer(
        "torch",
        "Adadelta",
        {"lr": "lr", "rho": "rho", "eps": "eps"},
        {"lr": 1.0, "rho": 0.9, "eps": 1e-6},
        state={"square_avg": "v", "acc_delta": "u"},
        decay="l2",
    ),
    Peer(
        "keras",
        "Adadelta",
        {"learning_rate": "lr", "rho": "rho", "epsilon": "eps"},
        {"learning_rate": 1e-3, "rho": 0.95, "epsilon": 1e-7},
        state={"accumulated_grad": "v", "accumulated_delta_var": "u"},
        decay="decoupled",
    ),
    # Without a learning rate Optax leaves out the sign as well.
    Peer(
        "optax",
        "adadelta",
        {"rho": "rho", "eps": "eps"},
        {"learning_rate": None, "rho": 0.9, "eps": 1e-6, "weight_decay": 0.0},
        flags={"learning_rate": None},
        state={"e_g": "v", "e_x": "u"},
        decay="l2",
        fixed={"lr": 1.0},
        wrong="Without a learning rate Optax adds the step instead of subtracting it, and climbs.",
    ),
    Peer(
        "optax",
        "adadelta",
        {"learning_rate": "lr", "rho": "rho", "eps": "eps"},
        {"learning_rate": None, "rho": 0.9, "eps": 1e-6, "weight_decay": 0.0},
        state={"e_g": "v", "e_x": "u"},
        decay="l2",
    ),
    Peer(
        "mlx",
        "AdaDelta",
        {"learning_rate": "lr", "rho": "rho", "eps": "eps"},
        {"learning_rate": 1.0, "rho": 0.9, "eps": 1e-6},
        state={"v": "v", "u": "u"},
    ),
    Peer(
        "tf1",
        "AdadeltaOptimizer",
        {"learning_rate": "lr", "rho": "rho", "epsilon": "eps"},
        {"learning_rate": 1e-3, "rho": 0.95, "epsilon": 1e-8},
        state={"accum": "v", "accum_update": "u"},
    ),
    # Zeiler 2012, Algorithm 1, with the numbers of section 4.1; it has no learning rate.
    Peer(
        "paper",
        "AdaDelta",
        {"rho": "rho", "epsilon": "eps"},
        {"rho": 0.95, "epsilon": 1e-6},
        fixed={"lr": 1.0},
    ),
)
