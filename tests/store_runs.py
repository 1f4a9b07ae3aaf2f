"""Runs for tests of the store, made up instead of trained; called as a program, a writer that tells what it wrote."""

import os
import random
import sys
from pathlib import Path
from typing import NamedTuple

from thalweg.lab import store
from thalweg.lab.spec import Phase, RunSpec
from thalweg.lab.watched import Watched

MACHINE = {"Python": "3"}
EPOCHS = 3


class Epoch(NamedTuple):
    """What `thalweg.lab.run.Epoch` has, without torch, which takes seconds to import."""

    epoch: int
    train_loss: float
    metric: float
    loss: float
    order_digest: str
    steps: int
    time_seconds: float
    time_optimizer_seconds: float


class Run(NamedTuple):
    spec: RunSpec
    status: str
    message: str
    epochs: tuple[Epoch, ...]
    weights_digest: str
    state_bytes: int | None = None
    watched: Watched | None = None


def spec(seed: int, phases: int = 1, rule: str = "adam") -> RunSpec:
    hyper = (("eps", 1e-8), ("lr", "cosine(0.001, 10)"))
    return RunSpec(
        problem="tiny",
        problem_digest="p",
        source=None,
        data_digest="d",
        part="final",
        phases=tuple(Phase(1 + k, rule, f"r{k}", hyper, (("v", 0.1),)) for k in range(phases)),
        seed=seed,
        epochs=EPOCHS,
        batch_size=32,
        order="reshuffled",
        stop=(None, 0.5, None),
        dtype="float32",
        backend="numba",
        device="cpu",
        threads=1,
        torch="2",
        processor="c",
        code_digest="k",
    )


def epoch(number: int, seed: int = 0, loss: float | None = None) -> Epoch:
    draw = random.Random(seed * 1000 + number)
    return Epoch(number, draw.random(), draw.random(), draw.random() if loss is None else loss, "o", 125, 0.5, 0.1)


def run(of: RunSpec, status: str = "finished", message: str = "", epochs: int = EPOCHS) -> Run:
    return Run(of, status, message, tuple(epoch(k, of.seed) for k in range(1, epochs + 1)), "w", 4096)


def keep(path: Path, *runs: Run) -> None:
    """Store runs as a study does."""
    owner = store.new_owner()
    for one in runs:
        assert store.claim(path, one.spec, owner, MACHINE) == "mine"
        for each in one.epochs:
            assert store.add_epoch(path, one.spec.key, owner, each)
        assert store.finish(path, one, owner)
    store.release(path, owner)


def write(path: Path, seeds: list[int]) -> None:
    """Do the runs that are left, and tell after each call what is on the disk by then."""
    store.prepare(path)
    owner = store.new_owner()
    for seed in seeds:
        wanted = run(spec(seed))
        if store.claim(path, wanted.spec, owner, MACHINE) != "mine":
            continue
        for each in wanted.epochs:
            assert store.add_epoch(path, wanted.spec.key, owner, each)
            print(seed, each.epoch, flush=True)
        assert store.finish(path, wanted, owner)
        print(seed, "finished", flush=True)


if __name__ == "__main__":
    place, order = Path(sys.argv[1]), list(range(int(sys.argv[2])))
    if "shuffled" in sys.argv:
        random.Random(os.getpid()).shuffle(order)
    write(place, order)
