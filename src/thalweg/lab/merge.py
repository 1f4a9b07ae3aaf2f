"""Several stores into one new one, for instance after a study was spread over machines that share no disk."""

from __future__ import annotations

import os
import sqlite3
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from thalweg.errors import InputError
from thalweg.lab.claims import FINAL
from thalweg.lab.database import build, reading
from thalweg.lab.store import ALARM, EPOCH

_RUN = ("key", "status", "message", "spec", "weights_digest", "state_bytes", "environment", "ended_at")
_INSERT_RUN = f"INSERT INTO runs ({', '.join(_RUN)}) VALUES ({', '.join('?' * len(_RUN))})"
_INSERT_EPOCH = f"INSERT INTO epochs (key, {', '.join(EPOCH)}) VALUES (?{', ?' * len(EPOCH)})"
_OF_WATCHED = {"watched": ("key", "every", "figures"), "alarms": ("key", "number", *ALARM)}
# What a spec decides: two final runs of one key must agree in it, on whatever machine they ran.
_DECIDED = ("train_loss", "metric", "loss", "order_digest", "steps")


@dataclass(frozen=True)
class Merged:
    """What a merged store holds.

    Attributes:
        runs: How many runs.
        shared: How many of them more than one source had.
        comparisons: How many tables.
    """

    runs: int
    shared: int
    comparisons: int


def merge(sources: Sequence[Path], destination: Path) -> Merged:
    """Make a store of everything that others hold. The sources are only read; the new one is there whole or not at all.

    Of a run that several have, the first final one is taken, else the first failed one; runs that are being trained
    are left out. What was watched comes with its run, or from the first equal one that was watched.

    Args:
        sources: The stores to read.
        destination: The store to make; there must be nothing yet.

    Raises:
        InputError: If a source cannot be read, the destination exists or cannot be written, or two sources hold
            different numbers under one key.
    """
    if not sources:
        raise InputError("expected at least one store to merge, got none: name them before -o")
    with _new_file(destination) as file, closing(sqlite3.connect(file, isolation_level=None)) as merged:
        merged.row_factory = sqlite3.Row
        merged.execute("PRAGMA synchronous = EXTRA")
        merged.execute("BEGIN")
        build(merged, destination)
        shared: set[str] = set()
        for source in sources:
            with reading(source) as connection:
                shared |= _add_runs(merged, connection, source)
                _add_comparisons(merged, connection)
        counts = (merged.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in ("runs", "comparisons"))
        runs, comparisons = counts
        merged.execute("COMMIT")
    return Merged(runs, len(shared), comparisons)


@contextmanager
def _new_file(destination: Path) -> Iterator[Path]:
    """A private file beside the destination that takes its place at the end, unless something has by then."""
    if destination.exists():
        raise InputError(f"'{destination}' exists already, and merging never overwrites: name a new file with -o")
    try:
        destination.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{destination.name}.", suffix=".tmp", dir=destination.parent)
        os.close(handle)
        file = Path(name)
        try:
            yield file
            _take_place(file, destination)
        finally:
            file.unlink(missing_ok=True)
            file.with_name(f"{file.name}-journal").unlink(missing_ok=True)
    except (OSError, sqlite3.OperationalError) as error:
        raise InputError(
            f"expected a place for the merged store at '{destination}', got '{error}': free some space or name another "
            "with -o"
        ) from error


def _take_place(file: Path, destination: Path) -> None:
    """Give a file its name, and never take that from another."""
    try:
        os.link(file, destination)  # unlike a rename, this refuses to overwrite
    except FileExistsError:
        raise
    except OSError:  # a file system without links
        if destination.exists():
            raise
        file.rename(destination)


def _add_runs(merged: sqlite3.Connection, source: sqlite3.Connection, path: Path) -> set[str]:
    """Copy what is new and replace what failed; the keys that were there already."""
    shared = set()
    for run in source.execute("SELECT * FROM runs WHERE status != 'running' ORDER BY rowid"):
        epochs = source.execute("SELECT * FROM epochs WHERE key = ? ORDER BY epoch", (run["key"],)).fetchall()
        known = merged.execute("SELECT * FROM runs WHERE key = ?", (run["key"],)).fetchone()
        if known is not None:
            shared.add(run["key"])
            if run["status"] not in FINAL:
                continue
            if known["status"] in FINAL:
                own = merged.execute("SELECT * FROM epochs WHERE key = ? ORDER BY epoch", (run["key"],)).fetchall()
                _check_equal((known, own), (run, epochs), path)
                _add_watched(merged, source, run["key"])
                continue
            for table in ("epochs", *_OF_WATCHED, "runs"):
                merged.execute(f"DELETE FROM {table} WHERE key = ?", (run["key"],))
        merged.execute(_INSERT_RUN, [run[name] for name in _RUN])
        merged.executemany(_INSERT_EPOCH, [(run["key"], *(epoch[name] for name in EPOCH)) for epoch in epochs])
        _add_watched(merged, source, run["key"])
    return shared


def _add_watched(merged: sqlite3.Connection, source: sqlite3.Connection, key: str) -> None:
    """Copy what was watched of a run, unless that is known."""
    if merged.execute("SELECT 1 FROM watched WHERE key = ?", (key,)).fetchone():
        return
    for table, columns in _OF_WATCHED.items():
        rows = source.execute(f"SELECT {', '.join(columns)} FROM {table} WHERE key = ?", (key,)).fetchall()
        insert = f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})"
        merged.executemany(insert, map(tuple, rows))


def _check_equal(one: tuple[Any, Any], other: tuple[Any, Any], path: Path) -> None:
    """Refuse two runs of one key that differ in what their spec decides."""
    for (name, value), (_, second) in zip(_decided(*one), _decided(*other), strict=False):
        if value != second:
            raise InputError(
                f"run {one[0]['key'][:12]} has {name} {value} in one store and {second} in '{path}', though its spec "
                "decides that: find out which machine is wrong and leave out its store"
            )


def _decided(run: sqlite3.Row, epochs: Sequence[sqlite3.Row]) -> Iterator[tuple[str, Any]]:
    yield from ((name, run[name]) for name in ("status", "weights_digest"))
    yield "a number of epochs of", len(epochs)
    yield from ((f"in epoch {epoch['epoch']} a {name} of", epoch[name]) for epoch in epochs for name in _DECIDED)


def _add_comparisons(merged: sqlite3.Connection, source: sqlite3.Connection) -> None:
    for row in source.execute("SELECT name, document FROM comparisons ORDER BY number"):
        both = (row["name"], row["document"])
        merged.execute("DELETE FROM comparisons WHERE name = ? AND document = ?", both)
        merged.execute("INSERT INTO comparisons (name, document) VALUES (?, ?)", both)
