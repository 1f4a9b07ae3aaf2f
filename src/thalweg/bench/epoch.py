"""A training epoch of the network of `mnist-cnn`, against the same without an optimizer, with torch's, and in Keras."""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from collections.abc import Callable
from typing import Any

import torch

import thalweg.torch
from thalweg.bench.job import Group, Job, Sizes
from thalweg.bench.pairs import Question, Side, answered, rounds
from thalweg.bench.table import Row
from thalweg.lab.batches import data_order
from thalweg.lab.problem import Data
from thalweg.lab.problems.mnist_cnn import PROBLEM
from thalweg.lab.run import train_epoch

TARGET = 0.95


class LeftOut(torch.optim.SGD):
    """An optimizer whose step does nothing; gradients are let go of as ever."""

    def step(self, closure: Callable[[], Any] | None = None) -> None:  # type: ignore[override]
        """Leave the weights as they are."""


def torch_epoch(optimizer: Callable[..., Any], data: Data, digits: int) -> Side:
    """An epoch of the lab's own loop.

    Args:
        optimizer: Made from the network's parameters.
        data: Of the problem.
        digits: How many of them to train on.
    """
    torch.manual_seed(0)
    model = PROBLEM.model(0)
    made = optimizer(model.parameters())
    inputs, targets = (torch.from_numpy(array[:digits]) for array in data.train)
    batches = torch.from_numpy(data_order(0, 1, len(targets))).split(PROBLEM.batch_size or len(targets))
    return Side(lambda: train_epoch(model, made, PROBLEM, ((inputs[b], targets[b]) for b in batches)))


def keras_epoch(data: Data, digits: int) -> Side | None:
    """An epoch of Keras' `fit` of the same network on its torch backend; None where there is no such Keras."""
    keras = _keras()
    if keras is None:
        return None
    layers, first = keras.layers, {"data_format": "channels_first"}  # the layout that the digits and torch have
    model = keras.Sequential(
        [
            keras.Input((1, 28, 28)),
            layers.Conv2D(32, 3, activation="relu", **first),
            layers.MaxPooling2D(2, **first),
            layers.Dropout(0.25),
            layers.Flatten(),
            layers.Dense(256, activation="relu"),
            layers.Dropout(0.5),
            layers.Dense(10),
        ]
    )
    model.compile(optimizer="adam", loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    inputs, targets = (array[:digits] for array in data.train)
    return Side(lambda: model.fit(inputs, targets, batch_size=PROBLEM.batch_size, epochs=1, verbose=0))


def _keras() -> Any:
    if importlib.util.find_spec("keras") is None:
        return None
    if "keras" not in sys.modules:
        os.environ["KERAS_BACKEND"] = "torch"  # Keras reads it when it is imported
    keras = importlib.import_module("keras")
    return keras if keras.backend.backend() == "torch" else None


def _rows(digits: int, pairs: int) -> list[Row]:
    data = PROBLEM.load(None, 0)
    makers = {
        "": thalweg.torch.Adam,
        "no step": lambda params: LeftOut(params, lr=0.0),
        "torch's default": torch.optim.Adam,
    }
    sides = {against: torch_epoch(maker, data, digits) for against, maker in makers.items()}
    if (keras := keras_epoch(data, digits)) is not None:
        sides["Keras' fit"] = keras
    for side in sides.values():
        side.call()  # an epoch is warm-up enough
    ours, *peers = zip(*rounds(list(sides.values()), pairs), strict=True)
    targets = {"no step": TARGET}
    questions = [Question("epoch", "Adam", against, targets.get(against)) for against in list(sides)[1:]]
    return [answered(q, list(zip(ours, peer, strict=True))) for q, peer in zip(questions, peers, strict=True)]


def _jobs(sizes: Sizes) -> list[Job]:
    def rows(pairs: int) -> list[Row]:
        return _rows(sizes.digits, pairs)

    return [Job("training epochs", rows)]


def _title(sizes: Sizes) -> str:
    return f"Training {sizes.digits:,} digits of mnist-cnn once: times as fast"


GROUP = Group("epoch", _title, _jobs)
