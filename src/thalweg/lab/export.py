"""The store's runs for other programs: their epochs, figures or alarms, as CSV, Parquet or JSON lines."""

from __future__ import annotations

import csv
import json
import os
import sqlite3
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import chain, islice
from pathlib import Path
from typing import Any

from thalweg.errors import InputError, did_you_mean
from thalweg.lab.database import reading
from thalweg.lab.store import EPOCH, as_plain, watched_of
from thalweg.lab.watched import Watched
from thalweg.watch.figure import NAMES

# The columns and their types. Those that depend on the clock start with `time_`.
COLUMNS: dict[str, type] = {
    "key": str,
    "problem": str,
    "rule": str,
    "hyper": str,
    "part": str,
    "seed": int,
    "status": str,
    "message": str,
    "epoch": int,
    "metric": float,
    "loss": float,
    "train_loss": float,
    "steps": int,
    "order_digest": str,
    "time_seconds": float,
    "time_optimizer_seconds": float,
    "watch": int,
    "alarms": int,
    "epochs": int,
    "batch_size": int,
    "weights_digest": str,
    "state_bytes": int,
    "spec": str,
    "environment": str,
}
_RUN: dict[str, type] = {"key": str, "problem": str, "rule": str, "hyper": str, "seed": int}
FIGURES: dict[str, type] = {**_RUN, "layer": str, "step": int, "loss": float, **dict.fromkeys(NAMES, float)}
ALARMS: dict[str, type] = {
    **_RUN,
    "step": int,
    "epoch": int,
    "alarm": str,
    "layer": str,
    "value": float,
    "words": str,
    "advice": str,
}
_GROUP = 10_000  # rows of a Parquet row group
# A spreadsheet takes a text that starts so for a formula, and may fetch or run what it says.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")

Row = Mapping[str, Any]
Columns = Mapping[str, type]


def export(store: Path, out: Path, what: str = "epochs") -> int:
    """Write every run that has ended: its epochs, or what was watched of it.

    `"epochs"` gives one row per epoch; a run without one gets a row without its numbers. `"figures"` gives one row per
    run, layer or group, and measured step that was kept, with a column per figure; `"alarms"` one row per alarm.

    The file is there whole or not at all; one that exists is replaced. In CSV a text that a spreadsheet would take for
    a formula gets an apostrophe in front; the other formats have it as it is.

    Args:
        store: The store.
        out: The file to write, ending in `.csv`, `.parquet` or `.jsonl`.
        what: `"epochs"`, `"figures"` or `"alarms"`.

    Returns:
        How many rows it has.

    Raises:
        InputError: If the ending or what is asked for is another, the store cannot be read, or the file not be written.
    """
    write = _WRITERS.get(out.suffix.lower())
    if write is None:
        known = ", ".join(_WRITERS)
        raise InputError(f"expected a file ending in one of {known}, got '{out}': choose the format by its ending")
    if what not in _TABLES:
        hint = did_you_mean(what, list(_TABLES))
        raise InputError(f"expected epochs, figures or alarms to export, got '{what}': {hint}")
    if out.exists() and store.exists() and out.samefile(store):
        raise InputError(f"expected another file than the store itself, got '{out}': name a new one")
    with reading(store) as connection, _replacing(out) as file:
        heads = connection.execute("SELECT * FROM runs WHERE status != 'running' ORDER BY rowid")
        question = "SELECT * FROM epochs WHERE key = ? ORDER BY epoch"
        runs = ({**as_plain(h), "epochs": connection.execute(question, (h["key"],)).fetchall()} for h in heads)
        columns, rows = _TABLES[what]
        return write(file, columns, chain.from_iterable(rows(run, _watched(connection, store, run)) for run in runs))


def _watched(connection: sqlite3.Connection, store: Path, run: Row) -> Watched | None:
    return watched_of(connection, store, [run["key"]]).get(run["key"])


@contextmanager
def _replacing(out: Path) -> Iterator[Path]:
    """A file beside `out` that takes its place when all went well."""
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{out.name}.", suffix=".tmp", dir=out.parent)
        os.close(handle)
        try:
            yield Path(name)
            Path(name).replace(out)
        finally:
            Path(name).unlink(missing_ok=True)
    except OSError as error:
        raise InputError(f"expected a place to write '{out}', got '{error}': free space or name another") from error


def _epochs(run: Row, watched: Watched | None) -> Iterator[Row]:
    spec = run["spec"]
    facts = {
        **_run(run),
        **{name: run[name] for name in ("status", "message", "weights_digest", "state_bytes")},
        **{name: spec[name] for name in ("part", "epochs", "batch_size")},
        "watch": watched and watched.every,
        "spec": json.dumps(spec),
        "environment": json.dumps(run["environment"]),
    }
    for epoch in run["epochs"] or [dict.fromkeys(map(str, EPOCH))]:
        facts["alarms"] = watched and sum(one.epoch == epoch["epoch"] for one in watched.alarms)
        yield {name: facts[name] if name in facts else epoch[name] for name in COLUMNS}


def _run(run: Row) -> dict[str, Any]:
    """What every table says of a run."""
    spec = run["spec"]
    rule = "/".join(phase["rule"] for phase in spec["phases"])
    own = {name: spec[name] for name in ("problem", "seed")}
    return {"key": run["key"], **own, "rule": rule, "hyper": _hyper(spec["phases"])}


def _figures(run: Row, watched: Watched | None) -> Iterator[Row]:
    if watched is None:
        return
    facts, none = _run(run), (None,) * len(watched.layers + watched.groups)
    for place, (step, loss) in enumerate(zip(watched.steps, watched.loss, strict=True)):
        measured = {name: watched.figures[name][place] if name in watched.figures else none for name in NAMES}
        for column, layer in enumerate(watched.layers + watched.groups):
            own = {"layer": layer, "step": step, "loss": loss, **{n: row[column] for n, row in measured.items()}}
            yield {name: (facts | own)[name] for name in FIGURES}


def _alarms(run: Row, watched: Watched | None) -> Iterator[Row]:
    facts = _run(run)
    for one in watched.alarms if watched else ():
        own = {**vars(one), "layer": one.part}
        yield {name: (facts | own)[name] for name in ALARMS}


_TABLES: dict[str, tuple[dict[str, type], Callable[[Row, Watched | None], Iterator[Row]]]] = {
    "epochs": (COLUMNS, _epochs),
    "figures": (FIGURES, _figures),
    "alarms": (ALARMS, _alarms),
}


def _hyper(phases: list[Row]) -> str:
    """The hyperparameters as a JSON object; of a switch as a list of one object per phase, with its first epoch.

    Example:
        >>> _hyper([{"first": 1, "rule": "sgd", "hyper": [["lr", 0.1]]}])
        '{"lr": 0.1}'
    """
    by_phase = [dict(phase["hyper"]) for phase in phases]
    if len(phases) == 1:
        return json.dumps(by_phase[0])
    return json.dumps([{"first": p["first"], "rule": p["rule"], **h} for p, h in zip(phases, by_phase, strict=True)])


def _write_csv(file: Path, columns: Columns, rows: Iterable[Row]) -> int:
    with file.open("w", encoding="utf-8", errors="backslashreplace", newline="") as stream:
        table = csv.writer(stream)
        table.writerow(columns)
        count = 0
        for count, row in enumerate(rows, 1):  # noqa: B007  (the last one is the number of rows)
            table.writerow([_cell(value) for value in row.values()])
    return count


def _cell(value: Any) -> Any:
    """A cell of a CSV file: a number as Python prints it, which reads back exactly; a text that runs nothing."""
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value


def _write_jsonl(file: Path, columns: Columns, rows: Iterable[Row]) -> int:
    with file.open("w", encoding="utf-8") as stream:
        return sum(1 for row in rows if stream.write(json.dumps(row, allow_nan=False) + "\n"))


def _write_parquet(file: Path, columns: Columns, rows: Iterable[Row]) -> int:
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        raise InputError(
            f"writing Parquet needs the package pyarrow, which cannot be imported ('{error}'): install it with "
            "'pip install pyarrow', or choose an ending of .csv or .jsonl"
        ) from error
    types = {str: pyarrow.string(), int: pyarrow.int64(), float: pyarrow.float64()}
    schema = pyarrow.schema([(name, types[kind]) for name, kind in columns.items()])
    waiting, count = iter(rows), 0
    with parquet.ParquetWriter(file, schema) as writer:
        while group := list(islice(waiting, _GROUP)):
            writer.write_table(pyarrow.Table.from_pylist(group, schema))
            count += len(group)
    return count


_WRITERS: dict[str, Callable[[Path, Columns, Iterable[Row]], int]] = {
    ".csv": _write_csv,
    ".parquet": _write_parquet,
    ".jsonl": _write_jsonl,
}
