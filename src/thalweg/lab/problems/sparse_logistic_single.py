"""Logistic regression on words with one paragraph in every step: of 4,000 weights some twenty have a gradient.

It stands for online learning from sparse features, as from clicks: momentum and Adam go on moving weights whose word
is not there, AdaGrad and plain gradient descent do not.
"""

from __future__ import annotations

from dataclasses import replace

from thalweg.lab.problems import sparse_logistic

PROBLEM = replace(
    sparse_logistic.PROBLEM,
    name="sparse-logistic-single",
    summary="a logistic regression tells two kinds of documentation apart, one paragraph at a time",
    optimizers=(
        ("AdaGrad", "adagrad:lr=0.1"),
        ("Adam", "adam:lr=0.001"),
        ("RMSprop", "rmsprop:lr=0.001"),
        ("SGD with momentum", "sgd:lr=0.01,momentum=0.9"),
        ("SGD", "sgd:lr=0.1"),
    ),
    epochs=4,
    batch_size=1,
)
