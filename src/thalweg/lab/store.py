"""The store: every epoch of every run, and the tables made of them, in one SQLite file. Nothing else writes results."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from thalweg.errors import InputError
from thalweg.lab.claims import FINAL, Watch, beat, claim, look, new_owner, owns, release, writing
from thalweg.lab.database import VERSION, changing, prepare, reading
from thalweg.lab.watched import Noted, Watched, packed, unpacked

if TYPE_CHECKING:
    from thalweg.lab.run import Epoch, Run

__all__ = [
    "ALARM",
    "EPOCH",
    "FINAL",
    "VERSION",
    "Watch",
    "add_epoch",
    "beat",
    "claim",
    "comparisons",
    "done",
    "find",
    "finish",
    "keep",
    "kept",
    "last_comparison",
    "look",
    "new_owner",
    "prepare",
    "release",
    "save_comparison",
    "watched",
    "watched_of",
    "writing",
]

EPOCH = ("epoch", "train_loss", "metric", "loss", "order_digest", "steps", "time_seconds", "time_optimizer_seconds")
ALARM = ("step", "epoch", "alarm", "part", "value", "words", "advice")
_CHUNK = 500  # SQLite takes at least 999 values in one question
_INSERT_EPOCH = f"INSERT OR REPLACE INTO epochs (key, {', '.join(EPOCH)}) VALUES (?{', ?' * len(EPOCH)})"
_INSERT_ALARM = f"INSERT INTO alarms (key, number, {', '.join(ALARM)}) VALUES (?, ?{', ?' * len(ALARM)})"


def add_epoch(path: Path, key: str, owner: str, epoch: Epoch) -> bool:
    """Keep an epoch of a run that is being trained: on the disk when this returns.

    Args:
        path: The store.
        key: The run's.
        owner: Who claimed the run.
        epoch: What it gave.

    Returns:
        False if the run is not `owner`'s any more: another writer has it, so stop training it.

    Raises:
        InputError: If the disk is full or the store cannot be written.
    """
    with changing(path) as connection:
        if not owns(connection, key, owner):
            return False
        connection.execute(_INSERT_EPOCH, _epoch_row(key, epoch))
    return True


def finish(path: Path, run: Run, owner: str) -> bool:
    """Keep the end of a run, with exactly its epochs: all of it or, if the process dies here, nothing of it.

    What was watched goes with it.

    Args:
        path: The store.
        run: The run that has ended.
        owner: Who claimed it.

    Returns:
        False if the run is not `owner`'s any more, and nothing was written.

    Raises:
        InputError: If the disk is full or the store cannot be written.
    """
    key = run.spec.key
    end = (run.status, _text(run.message), run.weights_digest, run.state_bytes, key)
    with changing(path) as connection:
        if not owns(connection, key, owner):
            return False
        connection.execute(
            "UPDATE runs SET status = ?, message = ?, weights_digest = ?, state_bytes = ?, owner = NULL, "
            "ended_at = CURRENT_TIMESTAMP WHERE key = ?",
            end,
        )
        connection.execute("DELETE FROM epochs WHERE key = ?", (key,))
        connection.executemany(_INSERT_EPOCH, [_epoch_row(key, epoch) for epoch in run.epochs])
        if run.watched is not None:
            _add_watched(connection, key, run.watched)
    return True


def _add_watched(connection: sqlite3.Connection, key: str, watched: Watched) -> None:
    connection.execute("INSERT INTO watched VALUES (?, ?, ?)", (key, watched.every, packed(watched)))
    rows = ((key, number, *(getattr(one, name) for name in ALARM)) for number, one in enumerate(watched.alarms))
    connection.executemany(_INSERT_ALARM, rows)


def _epoch_row(key: str, epoch: Epoch) -> tuple[Any, ...]:
    return (key, *(_finite(getattr(epoch, name)) for name in EPOCH))


def _finite(value: Any) -> Any:
    """SQLite has no NaN and JSON neither infinity nor NaN: an absent number stands for both."""
    return None if isinstance(value, float) and (value != value or abs(value) == float("inf")) else value


def _text(message: str) -> str:
    """A message that any encoding takes: file names in it may hold what is no character."""
    return message.encode("utf-8", "backslashreplace").decode()


def find(path: Path, keys: Iterable[str], running: bool = False) -> dict[str, dict[str, Any]]:
    """The stored runs among `keys`, in their order: status, message, spec, digests, memory and epochs, as plain data.

    Args:
        path: The store.
        keys: What to look for.
        running: Whether to give also the runs that are being trained, with the epochs that they have so far.
    """
    wanted = list(dict.fromkeys(keys))
    with reading(path) as connection:
        heads = {row["key"]: row for row in _rows(connection, "SELECT * FROM runs WHERE key IN ({})", wanted)}
        chosen = [key for key in wanted if key in heads and (running or heads[key]["status"] != "running")]
        found = {key: as_plain(heads[key]) for key in chosen}
        for row in _rows(connection, "SELECT * FROM epochs WHERE key IN ({}) ORDER BY key, epoch", chosen):
            found[row["key"]]["epochs"].append({name: row[name] for name in EPOCH})
    return found


def watched(path: Path, keys: Iterable[str]) -> dict[str, Watched]:
    """What was watched of the runs among `keys`, in their order; runs that were not watched are left out.

    Args:
        path: The store.
        keys: What to look for.

    Raises:
        InputError: If the figures of a run cannot be read.
    """
    with reading(path) as connection:
        return watched_of(connection, path, list(dict.fromkeys(keys)))


def watched_of(connection: sqlite3.Connection, path: Path, wanted: list[str]) -> dict[str, Watched]:
    """The same through a connection that is open.

    Raises:
        InputError: If the figures of a run cannot be read.
    """
    heads = {row["key"]: row for row in _rows(connection, "SELECT * FROM watched WHERE key IN ({})", wanted)}
    alarms: dict[str, list[Noted]] = {key: [] for key in heads}
    for row in _rows(connection, "SELECT * FROM alarms WHERE key IN ({}) ORDER BY key, number", list(heads)):
        alarms[row["key"]].append(Noted(*(row[name] for name in ALARM)))
    return {key: _watched(path, heads[key], alarms[key]) for key in wanted if key in heads}


def _watched(path: Path, row: sqlite3.Row, alarms: Iterable[Noted]) -> Watched:
    try:
        return unpacked(row["every"], row["figures"], tuple(alarms))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise InputError(
            f"expected the figures of run {row['key'][:12]} in the store '{path}' as Thalweg keeps them, got "
            f"'{error}': the file is damaged, so train into a new one with --store"
        ) from error


def as_plain(head: sqlite3.Row) -> dict[str, Any]:
    """A row of the runs as plain data, without its epochs yet."""
    kept = {name: head[name] for name in ("key", "status", "message", "weights_digest", "state_bytes")}
    return {**kept, "spec": json.loads(head["spec"]), "environment": json.loads(head["environment"]), "epochs": []}


def _rows(connection: sqlite3.Connection, question: str, keys: list[str]) -> Iterator[sqlite3.Row]:
    for first in range(0, len(keys), _CHUNK):
        chunk = keys[first : first + _CHUNK]
        yield from connection.execute(question.format(", ".join("?" * len(chunk))), chunk)


def done(path: Path, keys: Iterable[str]) -> set[str]:
    """The keys whose runs are final and need not be trained again."""
    with reading(path) as connection:
        rows = _rows(connection, "SELECT key, status FROM runs WHERE key IN ({})", list(dict.fromkeys(keys)))
        return {row["key"] for row in rows if row["status"] in FINAL}


def keep(path: Path, key: str, document: dict[str, Any]) -> None:
    """Keep what was computed for a study and is no run, such as a learning rate that was found.

    Args:
        path: The store.
        key: A hash of all that decides it.
        document: Plain data.
    """
    with changing(path) as connection:
        connection.execute("INSERT OR REPLACE INTO kept VALUES (?, ?)", (key, json.dumps(document, allow_nan=False)))


def kept(path: Path, key: str) -> dict[str, Any] | None:
    """What was kept under a key; None where nothing was."""
    with reading(path) as connection:
        row = connection.execute("SELECT document FROM kept WHERE key = ?", (key,)).fetchone()
    return None if row is None else json.loads(row["document"])


def save_comparison(path: Path, name: str, document: dict[str, Any]) -> None:
    """Keep a table, so that a report can be made without the runs' models; the one that was there to the letter goes.

    Args:
        path: The store.
        name: What its study is called.
        document: As `thalweg.lab.document.to_plain` makes it of a `Comparison`.
    """
    row = (name, json.dumps(document, allow_nan=False))
    with changing(path) as connection:
        connection.execute("DELETE FROM comparisons WHERE name = ? AND document = ?", row)
        connection.execute("INSERT INTO comparisons (name, document) VALUES (?, ?)", row)


def comparisons(path: Path) -> list[tuple[str, dict[str, Any]]]:
    """Every table that was kept, as its study's name and its document, the newest last."""
    with reading(path) as connection:
        rows = connection.execute("SELECT name, document FROM comparisons ORDER BY number")
        return [(row["name"], json.loads(row["document"])) for row in rows]


def last_comparison(path: Path, name: str | None = None) -> dict[str, Any]:
    """The newest table, or the newest of a study.

    Args:
        path: The store.
        name: The study's; None for any.

    Raises:
        InputError: If there is none.
    """
    with reading(path) as connection:
        names = [row["name"] for row in connection.execute("SELECT DISTINCT name FROM comparisons ORDER BY name")]
        question = "SELECT document FROM comparisons WHERE ? IS NULL OR name = ? ORDER BY number DESC LIMIT 1"
        row = connection.execute(question, (name, name)).fetchone()
    if row is None:
        of = "a comparison" if name is None else f"a comparison of '{name}'"
        known = f"one of {', '.join(names)}" if names else "none: call 'thalweg compare' with this store first"
        raise InputError(f"expected {of} in the store '{path}', got {known}")
    return json.loads(row["document"])
