"""From a claim to its evidence: what the store does not have yet is trained or computed, and kept as it comes."""

from __future__ import annotations

import functools
import hashlib
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from thalweg.claims.claim import Claim, digest_of
from thalweg.claims.evidence import Computed, Evidence, Trained

if TYPE_CHECKING:
    from thalweg.lab.engines.engine import Engine
    from thalweg.lab.sinks.sink import Sink
    from thalweg.lab.study import Study

PILOT = 1000  # the first seed of a pilot, which no verdict has
PACKAGE = Path(__file__).parents[1]
# What turns a direct computation into numbers, besides the claim's own file and those by which it is measured.
COMPUTING = ("formula", "rules", "surfaces", "schedules", "compile", "sweep", "frameworks/numpy.py", "frameworks/torch")


class Watcher(Protocol):
    """Something that is told how far the evidence has come, in seconds of one core as they were declared."""

    def begin(self, claim: Claim, one: Trained | Computed, known: float) -> Sink | None:
        """A training or computation begins, of which so much is known already; the sink is told of its runs."""
        ...

    def advance(self, seconds: float) -> None:
        """So much of what was begun is done."""
        ...

    def end(self, one: Trained | Computed) -> None:
        """All of what was begun is done."""
        ...


@dataclass
class Gathering:
    """Where evidence is gathered, and what is open for it.

    Attributes:
        store: A prepared store.
        jobs: Runs at a time; None for one per processor.
        pilot: Whether seeds begin at `PILOT`.
        watcher: Who is told.
        failures: Label and message of every run that failed.
        engines: The engine, once the first training was begun.
    """

    store: Path
    jobs: int | None = None
    pilot: bool = False
    watcher: Watcher | None = None
    failures: list[tuple[str, str]] = field(default_factory=list)
    engines: list[Engine] = field(default_factory=list)

    @property
    def first(self) -> int:
        """The first seed or unit."""
        return PILOT if self.pilot else 0


@contextmanager
def gathering(
    store: Path, jobs: int | None = None, pilot: bool = False, watcher: Watcher | None = None
) -> Iterator[Gathering]:
    """Gather evidence in a store; the processes that train are stopped in the end, whatever happens.

    Args:
        store: A prepared store; others may use it at the same time.
        jobs: Runs at a time; None for one per processor.
        pilot: Whether to use the seeds of pilots.
        watcher: Who is told of progress.
    """
    state = Gathering(store, jobs, pilot, watcher)
    try:
        yield state
    finally:
        for engine in state.engines:
            engine.close()


def gather(state: Gathering, claim: Claim) -> tuple[Evidence, float]:
    """All evidence of a claim.

    Args:
        state: Where.
        claim: The claim.

    Returns:
        The evidence, and the seconds that its direct computations took when they were made.
    """
    tables, computed, seconds = {}, {}, 0.0
    for one in claim.evidence:
        if isinstance(one, Trained):
            tables[one.name] = _trained(state, claim, one)
        else:
            computed[one.name], taken = _computed(state, claim, one)
            seconds += taken
    return Evidence(tables, computed), seconds


def _trained(state: Gathering, claim: Claim, one: Trained) -> Any:
    from thalweg.lab.comparison import comparison
    from thalweg.lab.drive import drive, missing

    study = study_of(one, state.first)
    found: dict[str, Mapping[str, Any]] = {}
    todo = missing(study, state.store, found)
    sink = state.watcher.begin(claim, one, len(found) * one.seconds) if state.watcher else None
    if todo:
        failed = drive(study, state.store, _engine(state), [sink] if sink else [], found)
        state.failures += [(f"claim {claim.number}, {one.name}, {label}", message) for label, message in failed]
    if state.watcher:
        state.watcher.end(one)
    return comparison(study, found)


def study_of(one: Trained, first: int = 0) -> Study:
    """The lab's study of a training.

    Args:
        one: The training.
        first: The first seed of its rows.
    """
    from thalweg.lab.study import Request, plan

    request = Request(
        problem=one.problem,
        optimizers=",".join(one.optimizers),
        epochs=one.epochs,
        batch_size=one.batch_size,
        seeds=one.seeds,
        source=one.source,
        tune=one.tune,
        sampler=one.sampler,
        hyper=one.hyper,
        ranges=one.ranges,
        watch=0,
    )
    study = plan(request)
    return _with_seeds(study, request.source, tuple(range(first, first + one.seeds))) if first else study


def _with_seeds(study: Study, source: str | None, seeds: Sequence[int]) -> Study:
    from thalweg.lab.engines.worker import settled
    from thalweg.lab.files import find_anew

    digests = dict(study.digests)
    for seed in seeds:
        with settled(seed, study.common["threads"]):
            digests[seed] = find_anew(study.common["problem"]).load(source, seed).digest
    return replace(study, seeds=tuple(seeds), digests=digests)


def _engine(state: Gathering) -> Engine:
    """One for all trainings, so that processes start once."""
    from thalweg.lab import engines

    if not state.engines:
        state.engines.append(engines.open("local", state.jobs))
    return state.engines[0]


def _computed(state: Gathering, claim: Claim, one: Computed) -> tuple[dict[int, Any], float]:
    """What every unit gave, and the seconds that all took."""
    from thalweg.lab.store import keep, kept

    units = range(state.first, state.first + one.units)
    keys = {unit: _key(claim, one, unit) for unit in units}
    found = {unit: document for unit, key in keys.items() if (document := kept(state.store, key)) is not None}
    if state.watcher:
        state.watcher.begin(claim, one, len(found) * one.seconds)
    missing = [unit for unit in units if unit not in found]
    for group in [missing] if one.together and missing else [[unit] for unit in missing]:
        started = time.perf_counter()
        given = one.compute(group) if one.together else {group[0]: one.compute(group[0])}
        seconds = (time.perf_counter() - started) / len(group)
        for unit in group:
            found[unit] = {"given": dict(given[unit]), "time_seconds": seconds}
            keep(state.store, keys[unit], found[unit])
        if state.watcher:
            state.watcher.advance(one.seconds * len(group))
    if state.watcher:
        state.watcher.end(one)
    return {unit: found[unit]["given"] for unit in units}, sum(found[unit]["time_seconds"] for unit in units)


def _key(claim: Claim, one: Computed, unit: int) -> str:
    return f"claim {claim.number} {one.name} {unit} {digest_of(claim)} {computing_digest()}"


@functools.cache
def computing_digest() -> str:
    """A hash of the files named in `COMPUTING`."""
    places = [PACKAGE / name for name in COMPUTING]
    files = sorted(file for place in places for file in ([place] if place.is_file() else place.rglob("*.py")))
    told = (f"{file.relative_to(PACKAGE).as_posix()}\0".encode() + file.read_bytes() for file in files)
    return hashlib.sha256(b"\0".join(told)).hexdigest()
