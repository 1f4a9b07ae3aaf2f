"""Linear regression with all 1,000 samples in every step: gradient descent in the strict sense, without noise.

It stands for full batches: a step costs 31 times one of `linear-regression`, and takes a larger learning rate. One
epoch is one step.
"""

from __future__ import annotations

from dataclasses import replace

from thalweg.lab.problems import linear_regression

PROBLEM = replace(
    linear_regression.PROBLEM,
    name="linear-regression-full",
    summary="a linear model learns ten coefficients from all samples at once",
    optimizers=(
        ("AdaGrad", "adagrad:lr=1.0"),
        ("Adam", "adam:lr=0.1"),
        ("RMSprop", "rmsprop:lr=0.1"),
        ("SGD", "sgd:lr=0.1"),
    ),
    epochs=100,
    batch_size=None,
)
