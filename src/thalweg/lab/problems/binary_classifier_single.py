"""The binary classifier with one tumour in every step.

It stands for learning from samples as they come: 341 noisy steps per epoch instead of the eleven of `binary-
classifier`.
"""

from __future__ import annotations

from dataclasses import replace

from thalweg.lab.problems import binary_classifier

PROBLEM = replace(
    binary_classifier.PROBLEM,
    name="binary-classifier-single",
    summary="a network with one hidden layer learns which tumours are benign, from one at a time",
    optimizers=(
        ("AdaGrad", "adagrad:lr=0.01"),
        ("Adam", "adam:lr=0.001"),
        ("RMSprop", "rmsprop:lr=0.0003"),
        ("SGD with momentum", "sgd:lr=0.001,momentum=0.9"),
        ("SGD", "sgd:lr=0.01"),
    ),
    epochs=5,
    batch_size=1,
)
