"""The store: finished runs in one SQLite file. The only part of the project that writes results."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from thalweg.errors import InputError

VERSION = 1
# A failed run is kept for the record and trained again when asked for; the others are final.
FINAL = ("finished", "diverged")

_SCHEMA = """
CREATE TABLE IF NOT EXISTS runs (
    key TEXT PRIMARY KEY, status TEXT NOT NULL, message TEXT NOT NULL, spec TEXT NOT NULL,
    weights_digest TEXT NOT NULL, environment TEXT NOT NULL, ended_at TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP
);
CREATE TABLE IF NOT EXISTS epochs (
    key TEXT NOT NULL REFERENCES runs (key) ON DELETE CASCADE, epoch INTEGER NOT NULL, train_loss REAL, metric REAL,
    loss REAL, order_digest TEXT NOT NULL, time_seconds REAL NOT NULL, time_optimizer_seconds REAL NOT NULL,
    PRIMARY KEY (key, epoch)
);
"""
_EPOCH = ("epoch", "train_loss", "metric", "loss", "order_digest", "time_seconds", "time_optimizer_seconds")


def prepare(path: Path) -> None:
    """Make the store if there is none, and make sure that this version can read and write it.

    Raises:
        InputError: If it cannot be written, is no store, or was made by a newer version.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with _connected(path) as connection:
            connection.execute("BEGIN IMMEDIATE")
            found = connection.execute("PRAGMA user_version").fetchone()[0]
            tables = {row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
            if found > VERSION:
                raise InputError(
                    f"the store '{path}' has version {found}, made by a newer Thalweg, this one reads up to {VERSION}: "
                    "upgrade Thalweg or name another file with --store"
                )
            if found == 0 and tables:
                raise InputError(f"'{path}' is a database of something else: name another file with --store")
            for statement in _SCHEMA.split(";"):
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {VERSION}")
    except (sqlite3.Error, OSError) as error:
        raise InputError(
            f"expected a store that can be read and written at '{path}', got '{error}': name another with --store"
        ) from error


@contextmanager
def _connected(path: Path) -> Iterator[sqlite3.Connection]:
    """A connection whose changes are kept together when the block ends well, and dropped together when not."""
    with closing(sqlite3.connect(path, timeout=60)) as connection, connection:
        connection.execute("PRAGMA foreign_keys = ON")
        yield connection


def add(path: Path, run: Any, environment: dict[str, str]) -> None:
    """Keep a run: all of it or, if the process dies here, nothing of it; one that failed before is replaced.

    Args:
        path: The store.
        run: A `thalweg.lab.run.Run`.
        environment: Versions and machine.
    """
    key = run.spec.key
    head = (key, run.status, run.message, json.dumps(asdict(run.spec)), run.weights_digest, json.dumps(environment))
    rows = [(key, *(_finite(getattr(e, name)) for name in _EPOCH)) for e in run.epochs]
    with _connected(path) as connection:
        connection.execute("DELETE FROM runs WHERE key = ? AND status = 'failed'", (key,))
        fresh = connection.execute(
            "INSERT OR IGNORE INTO runs (key, status, message, spec, weights_digest, environment) "
            "VALUES (?, ?, ?, ?, ?, ?)",
            head,
        )
        if fresh.rowcount:
            connection.executemany(f"INSERT INTO epochs VALUES ({', '.join('?' * (1 + len(_EPOCH)))})", rows)


def _finite(value: Any) -> Any:
    """SQLite has no NaN and JSON neither infinity nor NaN: an absent number stands for both."""
    return None if isinstance(value, float) and (value != value or abs(value) == float("inf")) else value


def find(path: Path, keys: list[str]) -> dict[str, dict[str, Any]]:
    """The stored runs among `keys`: for each key its status, message, spec, digests and epochs, as plain data."""
    found: dict[str, dict[str, Any]] = {}
    with _connected(path) as connection:
        connection.row_factory = sqlite3.Row
        for key in keys:
            head = connection.execute("SELECT * FROM runs WHERE key = ?", (key,)).fetchone()
            if head is not None:
                rows = connection.execute("SELECT * FROM epochs WHERE key = ? ORDER BY epoch", (key,)).fetchall()
                found[key] = {
                    **{name: head[name] for name in ("key", "status", "message", "weights_digest")},
                    "spec": json.loads(head["spec"]),
                    "environment": json.loads(head["environment"]),
                    "epochs": [{name: row[name] for name in _EPOCH} for row in rows],
                }
    return found


def done(path: Path, keys: list[str]) -> set[str]:
    """The keys whose runs are final and need not be trained again."""
    return {key for key, run in find(path, keys).items() if run["status"] in FINAL}
