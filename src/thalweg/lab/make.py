"""Make a study from beginning to end: output, rates, engine, sinks, driver, table."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from math import inf
from pathlib import Path
from typing import Any

from thalweg.errors import InputError, did_you_mean
from thalweg.lab import engines, sinks, store
from thalweg.lab.comparison import comparison
from thalweg.lab.device import kind_of
from thalweg.lab.document import to_plain
from thalweg.lab.drive import drive, missing
from thalweg.lab.engines.engine import Engine
from thalweg.lab.files import prepare_folder
from thalweg.lab.sinks.sink import Sink
from thalweg.lab.study import Study, expected_epochs
from thalweg.lab.table import Comparison, Outlook


@dataclass(frozen=True)
class Means:
    """Where a study is made and what it leaves behind.

    Attributes:
        store: The store.
        out: The folder for logs.
        engine: `"local"` or `"ray"`.
        address: Of a Ray cluster; None for one of this machine.
        jobs: Runs at a time; None for one per processor, and on a GPU for no more than fit, and than four.
        gpus: How many GPUs each run takes on Ray; a fraction shares one, and 0 is one where runs need one.
        log: Sinks by their names, separated by commas; None for none.
    """

    store: Path
    out: Path
    engine: str = "local"
    address: str | None = None
    jobs: int | None = None
    gpus: float = 0.0
    log: str | None = None


def check_means(means: Means, device: str = "cpu") -> None:
    """Refuse what can be seen to be wrong before anything is trained, or found to be trained already.

    Args:
        means: What was asked for.
        device: What runs are to be trained on.

    Raises:
        InputError: If the engine or a sink is unknown, a number out of range, or two of them contradict each other.
    """
    if means.engine not in engines.NAMES:
        raise InputError(f"there is no engine '{means.engine}': {did_you_mean(means.engine, list(engines.NAMES))}")
    if means.engine != "ray" and (means.address is not None or means.gpus):
        raise InputError(f"expected an address and GPUs only with the engine 'ray', got the engine '{means.engine}'")
    if means.jobs is not None and means.jobs < 1:
        raise InputError(f"--jobs must be a whole number above 0, got {means.jobs}: choose at least 1")
    if not 0 <= means.gpus < inf:
        raise InputError(f"--gpus must be a number from 0 on, got {means.gpus}: choose 1, or 0.5 to share one")
    if means.gpus > 1 and means.gpus % 1:
        raise InputError(f"--gpus above 1 must be a whole number, got {means.gpus:g}: choose {round(means.gpus)}")
    _check_device(means, device)
    for name in _sinks(means):
        if name not in sinks.NAMES:
            raise InputError(f"unknown sink '{name}': {did_you_mean(name, list(sinks.NAMES))}")


def _check_device(means: Means, device: str) -> None:
    if means.gpus and kind_of(device) != "cuda":
        raise InputError(f"expected --gpus only with --device cuda, got --device {device}: add --device cuda")
    if means.engine == "ray" and kind_of(device) == "cuda" and device != "cuda":
        raise InputError(f"expected --device cuda on Ray, which says which GPU a run has, got {device}: leave it out")


def gpus_of(means: Means, device: str) -> float:
    """How many GPUs each run takes on Ray: one where none were asked for and it needs one.

    Example:
        >>> ray = Means(Path("s.db"), Path("."), "ray")
        >>> gpus_of(ray, "cpu"), gpus_of(ray, "cuda")
        (0.0, 1.0)
    """
    return means.gpus or (1.0 if means.engine == "ray" and kind_of(device) == "cuda" else 0.0)


def gpu_elsewhere(means: Means, device: str, threads: int = 1) -> str | None:
    """The kind of GPU of the workers of a Ray cluster; None where no GPU or this machine's is meant.

    Raises:
        InputError: If there is no such cluster, or it has no GPU.
    """
    if means.engine != "ray" or means.address is None or kind_of(device) != "cuda":
        return None
    from thalweg.lab.engines.ray import gpu_of_a_worker

    return gpu_of_a_worker(means.address, gpus_of(means, device), threads)


def prepare(means: Means) -> None:
    """Make the output folder and the store, and make sure that both can be written before anything is trained.

    Raises:
        InputError: If they cannot.
    """
    prepare_folder(means.out)
    store.prepare(means.store)


def _sinks(means: Means) -> list[str]:
    return [] if means.log is None else [name.strip() for name in means.log.split(",")]


Watching = Callable[[Outlook], AbstractContextManager[Sink]]


def make(
    study: Study, means: Means, watching: Watching | None = None, packed: bytes | None = None
) -> tuple[Comparison, list[tuple[str, str]]]:
    """Train what the store does not have yet, and give the table.

    Args:
        study: What to make.
        means: Where and how; the store is prepared.
        watching: From an outlook to a context whose sink shows progress; None for no progress.
        packed: A problem that lives in memory, as cloudpickle's bytes.

    Returns:
        The table, and label and message of every run that failed.

    Raises:
        InputError: If an engine or a sink is unknown or cannot be had, or the store can be written no more.
    """
    found: dict[str, Mapping[str, Any]] = {}
    failures: list[tuple[str, str]] = []
    todo = missing(study, means.store, found)
    outlook = _outlook(study, found, len(todo))
    with ExitStack() as stack:
        shown = [stack.enter_context(watching(outlook))] if watching else []
        if todo:
            told = stack.enter_context(_told(study, means))
            engine = stack.enter_context(_engine(study, means, packed))
            failures = drive(study, means.store, engine, [*told, *shown], found)
    result = comparison(study, found, partial(store.watched, means.store))
    store.save_comparison(means.store, study.problem.name, to_plain(result))
    return result, failures


def _outlook(study: Study, found: Mapping[str, Mapping[str, Any]], todo: int) -> Outlook:
    return Outlook(
        epochs=expected_epochs(study),
        known=sum(len(run["epochs"]) for run in found.values()),
        runs_known=len(found),
        runs=None if study.plans else len(found) + todo,
        so_far=lambda: comparison(study, found),
    )


@contextmanager
def _told(study: Study, means: Means) -> Iterator[Sequence[Sink]]:
    """The sinks that were asked for, closed in the end whatever happens."""
    opened = sinks.open(_sinks(means), means.out, study.problem.name)
    try:
        yield opened
    finally:
        for sink in opened:
            sink.close()


@contextmanager
def _engine(study: Study, means: Means, packed: bytes | None) -> Iterator[Engine]:
    device = study.common["device"]
    engine = engines.open(
        means.engine,
        means.jobs,
        means.address,
        gpus=gpus_of(means, device),
        threads=study.common["threads"],
        packed=packed,
        device=device,
        memory=study.memory,
    )
    try:
        yield engine
    finally:
        engine.close()
