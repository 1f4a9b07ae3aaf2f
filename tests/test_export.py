"""The store for other programs: CSV, Parquet and JSON lines, all with the same rows."""

import csv
import json
import sys
from pathlib import Path

import pytest
from pyarrow import parquet

from store_runs import EPOCHS, MACHINE, Run, epoch, keep, run, spec
from thalweg.errors import InputError
from thalweg.lab import store
from thalweg.lab.export import COLUMNS, export

SWITCH = spec(1, phases=2)
EVIL = spec(2, rule="=HYPERLINK(A1).py")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "store.db"
    store.prepare(path)
    dead = Run(EVIL, "diverged", '-2+3, "quoted"\nof Ångström', (), "w")
    lossless = Run(SWITCH, "stopped", "missed", (epoch(1, loss=float("nan")),), "w", 4096)
    keep(path, run(spec(0)), lossless, dead)
    store.claim(path, spec(3), "me", MACHINE)
    return path


def rows_of(file: Path) -> list[dict]:
    if file.suffix == ".parquet":
        return parquet.read_table(file).to_pylist()
    if file.suffix == ".jsonl":
        return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    with file.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    return [{name: None if row[name] == "" else COLUMNS[name](row[name]) for name in row} for row in rows]


@pytest.mark.parametrize("ending", [".csv", ".parquet", ".jsonl", ".CSV"])
def test_one_row_per_epoch_and_one_for_a_run_without(path: Path, tmp_path: Path, ending: str) -> None:
    out = tmp_path / "new" / f"runs{ending}"
    assert export(path, out) == EPOCHS + 1 + 1
    rows = rows_of(out.rename(out.with_suffix(ending.lower())))
    assert all(list(row) == list(COLUMNS) for row in rows)
    assert [(row["seed"], row["status"], row["epoch"]) for row in rows] == [
        *((0, "finished", number) for number in range(1, EPOCHS + 1)),
        (1, "stopped", 1),
        (2, "diverged", None),
    ]
    assert rows[1]["train_loss"] == epoch(2).train_loss  # to the bit
    assert [rows[3][name] for name in ("loss", "steps", "state_bytes", "rule")] == [None, 125, 4096, "adam/adam"]
    assert json.loads(rows[0]["hyper"]) == {"eps": 1e-8, "lr": "cosine(0.001, 10)"}
    assert [(p["first"], p["eps"]) for p in json.loads(rows[3]["hyper"])] == [(1, 1e-8), (2, 1e-8)]
    assert json.loads(rows[0]["spec"]) == store.find(path, [spec(0).key])[spec(0).key]["spec"]
    mark = "'" if ending.lower() == ".csv" else ""
    assert rows[4]["rule"] == f"{mark}=HYPERLINK(A1).py"
    assert rows[4]["message"] == f'{mark}-2+3, "quoted"\nof Ångström'


def test_negative_numbers_stay_numbers(path: Path, tmp_path: Path) -> None:
    cold = spec(5)
    keep(path, Run(cold, "finished", "", (epoch(1, loss=-0.25),), "w"))
    export(path, tmp_path / "runs.csv")
    assert rows_of(tmp_path / "runs.csv")[-1]["loss"] == -0.25


def test_exporting_changes_nothing_and_replaces_the_last(path: Path, tmp_path: Path) -> None:
    out = tmp_path / "runs.jsonl"
    export(path, out)
    first = out.read_text()
    keep(path, run(spec(4)))
    with store.writing(path):  # while a study runs
        export(path, out)
    assert out.read_text().startswith(first) and len(rows_of(out)) == 2 * EPOCHS + 2
    assert sorted(file.name for file in tmp_path.iterdir()) == ["runs.jsonl", "store.db"]


@pytest.mark.parametrize("ending", [".csv", ".parquet", ".jsonl"])
def test_an_empty_store_gives_the_columns(tmp_path: Path, ending: str) -> None:
    store.prepare(tmp_path / "store.db")
    out = tmp_path / f"runs{ending}"
    assert export(tmp_path / "store.db", out) == 0
    assert rows_of(out) == []
    if ending == ".csv":
        assert out.read_text().strip().split(",") == list(COLUMNS)


def test_what_cannot_be_exported(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for out, message in (
        (tmp_path / "runs.xlsx", r"ending in one of \.csv, \.parquet, \.jsonl"),
        (tmp_path / "runs", "ending in one of"),
        (path / "runs.csv", "a place to write"),
    ):
        with pytest.raises(InputError, match=message):
            export(path, out)
    with pytest.raises(InputError, match="no such file"):
        export(tmp_path / "none.db", tmp_path / "runs.csv")
    named = path.rename(tmp_path / "store.csv")
    with pytest.raises(InputError, match="another file than the store"):
        export(named, named)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(InputError, match="needs the package pyarrow"):
        export(named, tmp_path / "runs.parquet")
    assert [file.name for file in tmp_path.iterdir()] == ["store.csv"]
