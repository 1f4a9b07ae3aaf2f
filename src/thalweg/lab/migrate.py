"""Older stores made new: their runs stay readable, under the keys that they had."""

from __future__ import annotations

import json
import sqlite3
from typing import Any

_COPY = """
INSERT INTO runs (key, status, message, spec, weights_digest, environment, ended_at)
    SELECT key, status, message, spec, weights_digest, environment, ended_at FROM old_runs ORDER BY rowid;
INSERT INTO epochs (key, epoch, train_loss, metric, loss, order_digest, time_seconds, time_optimizer_seconds)
    SELECT key, epoch, train_loss, metric, loss, order_digest, time_seconds, time_optimizer_seconds FROM old_epochs;
DROP TABLE old_epochs;
DROP TABLE old_runs;
"""
# What a run of version 1 always was, and its spec did not say.
_ALWAYS = {"part": "final", "order": "reshuffled", "stop": [], "device": "cpu"}
_OF_A_PHASE = ("rule", "rule_digest", "hyper", "initial")


def upgrade(connection: sqlite3.Connection, schema: str) -> None:
    """Turn a store of version 1 into one of version 2, in the transaction that is open.

    Args:
        connection: To the store.
        schema: The statements that make the new tables.
    """
    connection.execute("ALTER TABLE runs RENAME TO old_runs")
    connection.execute("ALTER TABLE epochs RENAME TO old_epochs")
    execute_all(connection, schema)
    execute_all(connection, _COPY)
    old = connection.execute("SELECT key, spec FROM runs").fetchall()
    new = [(json.dumps(with_phases(json.loads(spec))), key) for key, spec in old]
    connection.executemany("UPDATE runs SET spec = ? WHERE key = ?", new)


def execute_all(connection: sqlite3.Connection, statements: str) -> None:
    """Execute statements one by one: sqlite3's own way to do so would commit what is open."""
    for statement in statements.split(";"):
        connection.execute(statement)


def with_phases(spec: dict[str, Any]) -> dict[str, Any]:
    """A spec of version 1 as one of version 2: its one optimizer becomes its one phase.

    Example:
        >>> with_phases({"seed": 0, "rule": "sgd", "rule_digest": "", "hyper": [], "initial": []})["phases"]
        [{'first': 1, 'rule': 'sgd', 'rule_digest': '', 'hyper': [], 'initial': []}]
    """
    kept = {name: value for name, value in spec.items() if name not in _OF_A_PHASE}
    return {**kept, **_ALWAYS, "phases": [{"first": 1, **{name: spec[name] for name in _OF_A_PHASE}}]}
