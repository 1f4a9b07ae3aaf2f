"""Claim 23: adaptive methods cost memory; RMSProp costs much more time per epoch than Adam."""

from __future__ import annotations

import functools
import itertools
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from thalweg.claims.claim import Claim, Part
from thalweg.claims.contrast import difference, factor
from thalweg.claims.evidence import Computed, Evidence
from thalweg.claims.table import Contrast, Line, Panel, Picture
from thalweg.claims.verdict import Decision

ADAPTIVE = {"adagrad": "AdaGrad", "rmsprop": "RMSProp", "adadelta": "AdaDelta", "adam": "Adam"}
PLAIN = {"sgd": "gradient descent", "momentum": "momentum"}
MAKES = ("torch", "Thalweg")
NETWORKS = {"MLP": 40, "CNN": 8}  # and how many batches of 64 a repeat trains
MUCH = 1.2  # times the time: "much more"; the table that circulates has 10:01 against 7:20, 1.37 times


def memory(seed: int) -> Mapping[str, Any]:
    """Bytes of state per weight after a step, by rule, of a network of random widths."""
    import torch

    from thalweg.frameworks.torch import Optimizer

    widths = np.random.default_rng(seed).integers(8, 200, 4).tolist()
    found = {}
    for rule in (*PLAIN, *ADAPTIVE):
        layers = [torch.nn.Linear(a, b) for a, b in itertools.pairwise(widths)]
        weights = [p for layer in layers for p in layer.parameters()]
        for weight in weights:
            weight.grad = torch.ones_like(weight)
        optimizer = Optimizer(weights, rule=rule)
        optimizer.step()
        arrays = [v for state in optimizer.state.values() for v in state.values() if isinstance(v, torch.Tensor)]
        size = sum(a.numel() * a.element_size() for a in arrays if a.dim() or a.numel() > 1)
        found[rule] = size / sum(w.numel() for w in weights)
    return found


def times(repeat: int) -> Mapping[str, Any]:
    """Seconds per batch, by make, network and rule: one after the other, in an order of its own in each repeat."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        trainings = _trainings()
        order = np.random.default_rng(repeat).permutation(len(trainings))
        names = [list(trainings)[place] for place in order]
        return {name: _timed(trainings[name], NETWORKS[name.split(", ")[1]]) for name in names}
    finally:
        torch.set_num_threads(threads)


def _timed(train: Callable[[], None], batches: int) -> float:
    """The median over batches: what interrupts one of them does not count."""
    taken = []
    for _ in range(batches):
        started = time.perf_counter()
        train()
        taken.append(time.perf_counter() - started)
    return float(np.median(taken))


@functools.cache
def _trainings() -> dict[str, Callable[[], None]]:
    """Every training that is timed, warmed up."""
    import torch

    from thalweg.frameworks.torch import Optimizer

    made = {
        "torch": {"rmsprop": lambda w: torch.optim.RMSprop(w, lr=1e-3), "adam": lambda w: torch.optim.Adam(w, lr=1e-3)},
        "Thalweg": {rule: functools.partial(Optimizer, rule=rule, lr=1e-3) for rule in ("rmsprop", "adam")},
    }
    found = {}
    for network in NETWORKS:
        for make in MAKES:
            for rule, optimizer in made[make].items():
                found[f"{make}, {network}, {rule}"] = _training(network, optimizer)
    for train in found.values():
        for _ in range(3):
            train()
    return found


def _training(network: str, optimizer_of: Callable[[Any], Any]) -> Callable[[], None]:
    import torch
    from torch import nn

    torch.manual_seed(0)
    dense = (nn.Flatten(), nn.Linear(784, 256), nn.ReLU(), nn.Linear(256, 10))
    convolved = (nn.Conv2d(1, 32, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(5408, 256), nn.ReLU())
    model = nn.Sequential(*(dense if network == "MLP" else (*convolved, nn.Linear(256, 10))))
    images, labels = torch.randn(64, 1, 28, 28), torch.randint(0, 10, (64,))
    optimizer, loss = optimizer_of(list(model.parameters())), nn.CrossEntropyLoss()

    def train() -> None:
        optimizer.zero_grad()
        loss(model(images), labels).backward()
        optimizer.step()

    return train


def more_memory(evidence: Evidence) -> list[Contrast]:
    """Bytes per weight, every adaptive rule against gradient descent."""
    return [
        difference(
            name,
            (name, evidence.values("memory", rule)),
            ("gradient descent", evidence.values("memory", "sgd")),
            measure="bytes of state per weight",
            more_is_better=True,
            none=0.1,
            unit="network",
        )
        for rule, name in ADAPTIVE.items()
    ]


def more_time(evidence: Evidence) -> list[Contrast]:
    """The time of a batch, RMSProp against Adam, by make and network."""
    return [
        factor(
            setting,
            ("RMSProp", evidence.values("times", f"{setting}, rmsprop")),
            ("Adam", evidence.values("times", f"{setting}, adam")),
            measure="time of a batch",
            more_is_better=True,
            none=1.02,
            threshold=MUCH,
            unit="repeat",
        )
        for setting in (f"{make}, {network}" for make in MAKES for network in NETWORKS)
    ]


def picture(evidence: Evidence) -> Picture:
    """Memory of weights, gradients and state together, against gradient descent's."""
    rules = {**PLAIN, **ADAPTIVE}
    lines = []
    for place, (rule, name) in enumerate(rules.items(), 1):
        size = 8 + float(np.mean([*evidence.values("memory", rule).values()]))
        lines.append(Line(f"{name}: {size:.0f} bytes", (0.0, size), (float(place),) * 2, rule=rule, points=True))
    memory = Panel(
        "Weight, gradient and state of one float32 weight",
        "bytes",
        "",
        tuple(lines),
        window=((0, 17), (0.5, len(rules) + 0.5)),
    )
    note = (
        "What an adaptive rule keeps per weight is one number or two; momentum keeps one as well, so that AdaGrad and "
        "RMSProp cost no more memory than momentum does."
    )
    return Picture(note, (memory,))


CLAIM = Claim(
    number=23,
    file=__file__,
    short="adaptive costs memory, RMSProp much more time",
    text=(
        "Adaptive methods cost memory; RMSProp costs much more time per epoch than Adam (10:01 against 7:20 "
        "minutes in one "
        "table)."
    ),
    source="a table of six optimizers on MNIST that circulates",
    method=(
        "Memory: bytes of the optimizer's state per weight after a step, on networks of random widths; exact. "
        "Time: whole "
        "training steps (batch 64, one thread) of the network of that table and of an MLP, RMSProp and Adam of "
        "torch and of "
        "Thalweg one after the other in an order drawn anew for every repeat; of each the median over its "
        "batches. “Much "
        f"more” is more than {MUCH:g} times; the table has 1.37."
    ),
    parts=(
        Part(
            text="An adaptive rule keeps more state per weight than gradient descent.",
            contrasts=more_memory,
            rule=Decision(spare=0),
            variable="the rule",
        ),
        Part(
            text=f"An epoch with RMSProp takes more than {MUCH:g} times as long as one with Adam.",
            contrasts=more_time,
            rule=Decision(spare=0),
            variable="the library and the network",
            clock=True,
        ),
    ),
    evidence=(
        Computed("memory", memory, units=8, seconds=0.1, unit="network"),
        Computed("times", times, units=20, seconds=1.5, unit="repeat"),
    ),
    picture=picture,
    remarks=("The table was made with Keras, whose times are not measured here.",),
)
