"""The store's runs for other programs: one row per epoch, as CSV, Parquet or JSON lines."""

from __future__ import annotations

import csv
import json
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import chain, islice
from pathlib import Path
from typing import Any

from thalweg.errors import InputError
from thalweg.lab.database import reading
from thalweg.lab.store import EPOCH, as_plain

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
    "epochs": int,
    "batch_size": int,
    "weights_digest": str,
    "state_bytes": int,
    "spec": str,
    "environment": str,
}
_GROUP = 10_000  # rows of a Parquet row group
# A spreadsheet takes a text that starts so for a formula, and may fetch or run what it says.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")

Row = Mapping[str, Any]


def export(store: Path, out: Path) -> int:
    """Write every run that has ended, one row per epoch; a run without one gets a row without its numbers.

    The file is there whole or not at all; one that exists is replaced. In CSV a text that a spreadsheet would take for
    a formula gets an apostrophe in front; the other formats have it as it is.

    Args:
        store: The store.
        out: The file to write, ending in `.csv`, `.parquet` or `.jsonl`.

    Returns:
        How many rows it has.

    Raises:
        InputError: If the ending is another, the store cannot be read, or the file not be written.
    """
    write = _WRITERS.get(out.suffix.lower())
    if write is None:
        known = ", ".join(_WRITERS)
        raise InputError(f"expected a file ending in one of {known}, got '{out}': choose the format by its ending")
    if out.exists() and store.exists() and out.samefile(store):
        raise InputError(f"expected another file than the store itself, got '{out}': name a new one with -o")
    with reading(store) as connection, _replacing(out) as file:
        heads = connection.execute("SELECT * FROM runs WHERE status != 'running' ORDER BY rowid")
        question = "SELECT * FROM epochs WHERE key = ? ORDER BY epoch"
        runs = ({**as_plain(h), "epochs": connection.execute(question, (h["key"],)).fetchall()} for h in heads)
        return write(file, chain.from_iterable(map(_rows, runs)))


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
        raise InputError(
            f"expected a place to write '{out}', got '{error}': free space or name another with -o"
        ) from error


def _rows(run: Row) -> Iterator[Row]:
    spec = run["spec"]
    facts = {
        **{name: run[name] for name in ("key", "status", "message", "weights_digest", "state_bytes")},
        **{name: spec[name] for name in ("problem", "part", "seed", "epochs", "batch_size")},
        "rule": "/".join(phase["rule"] for phase in spec["phases"]),
        "hyper": _hyper(spec["phases"]),
        "spec": json.dumps(spec),
        "environment": json.dumps(run["environment"]),
    }
    for epoch in run["epochs"] or [dict.fromkeys(map(str, EPOCH))]:
        yield {name: facts[name] if name in facts else epoch[name] for name in COLUMNS}


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


def _write_csv(file: Path, rows: Iterable[Row]) -> int:
    with file.open("w", encoding="utf-8", errors="backslashreplace", newline="") as stream:
        table = csv.writer(stream)
        table.writerow(COLUMNS)
        count = 0
        for count, row in enumerate(rows, 1):  # noqa: B007  (the last one is the number of rows)
            table.writerow([_cell(value) for value in row.values()])
    return count


def _cell(value: Any) -> Any:
    """A cell of a CSV file: a number as Python prints it, which reads back exactly; a text that runs nothing."""
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value


def _write_jsonl(file: Path, rows: Iterable[Row]) -> int:
    with file.open("w", encoding="utf-8") as stream:
        return sum(1 for row in rows if stream.write(json.dumps(row, allow_nan=False) + "\n"))


def _write_parquet(file: Path, rows: Iterable[Row]) -> int:
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        raise InputError(
            f"writing Parquet needs the package pyarrow, which cannot be imported ('{error}'): install it with "
            "'pip install pyarrow', or choose an ending of .csv or .jsonl"
        ) from error
    types = {str: pyarrow.string(), int: pyarrow.int64(), float: pyarrow.float64()}
    schema = pyarrow.schema([(name, types[kind]) for name, kind in COLUMNS.items()])
    waiting, count = iter(rows), 0
    with parquet.ParquetWriter(file, schema) as writer:
        while group := list(islice(waiting, _GROUP)):
            writer.write_table(pyarrow.Table.from_pylist(group, schema))
            count += len(group)
    return count


_WRITERS: dict[str, Callable[[Path, Iterable[Row]], int]] = {
    ".csv": _write_csv,
    ".parquet": _write_parquet,
    ".jsonl": _write_jsonl,
}
