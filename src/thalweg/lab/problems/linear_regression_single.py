"""Linear regression with one sample in every step: stochastic gradient descent in the strict sense.

It stands for learning from samples as they come: steps are cheap, many and noisy, and take a smaller learning rate
than those of `linear-regression`.
"""

from __future__ import annotations

from dataclasses import replace

from thalweg.lab.problems import linear_regression

PROBLEM = replace(
    linear_regression.PROBLEM,
    name="linear-regression-single",
    summary="a linear model learns ten coefficients from one sample at a time",
    optimizers=(
        ("AdaGrad", "adagrad:lr=0.1"),
        ("Adam", "adam:lr=0.003"),
        ("RMSprop", "rmsprop:lr=0.003"),
        ("SGD", "sgd:lr=0.001"),
    ),
    epochs=5,
    batch_size=1,
)
