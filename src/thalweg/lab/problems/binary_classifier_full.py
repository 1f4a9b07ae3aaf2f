"""The binary classifier with all tumours in every step: gradient descent without noise on a loss that is not convex.

It stands for full batches on small tables, where they are affordable. One epoch is one step.
"""

from __future__ import annotations

from dataclasses import replace

from thalweg.lab.problems import binary_classifier

PROBLEM = replace(
    binary_classifier.PROBLEM,
    name="binary-classifier-full",
    summary="a network with one hidden layer learns which tumours are benign, from all at once",
    optimizers=(
        ("AdaGrad", "adagrad:lr=0.03"),
        ("Adam", "adam:lr=0.01"),
        ("RMSprop", "rmsprop:lr=0.01"),
        ("SGD with momentum", "sgd:lr=0.1,momentum=0.9"),
        ("SGD", "sgd:lr=0.3"),
    ),
    epochs=100,
    batch_size=None,
)
