"""Logistic regression on words with all paragraphs in every step: no word is rare any more.

It stands for full batches of sparse features: every weight has a gradient in every step, though that of a rare word
is small. One epoch is one step.
"""

from __future__ import annotations

from dataclasses import replace

from thalweg.lab.problems import sparse_logistic

PROBLEM = replace(
    sparse_logistic.PROBLEM,
    name="sparse-logistic-full",
    summary="a logistic regression tells two kinds of documentation apart, all paragraphs at once",
    optimizers=(
        ("AdaGrad", "adagrad:lr=0.3"),
        ("Adam", "adam:lr=0.03"),
        ("RMSprop", "rmsprop:lr=0.01"),
        ("SGD with momentum", "sgd:lr=3.0,momentum=0.9"),
        ("SGD", "sgd:lr=5.0"),
    ),
    epochs=60,
    batch_size=None,
)
