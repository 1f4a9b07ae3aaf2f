"""A study from beginning to end: what is trained, and that kills, other studies and clocks do not change the table."""

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lab_runs import TINY, Here, made, planned
from thalweg.errors import InputError
from thalweg.lab import store
from thalweg.lab.comparison import comparison
from thalweg.lab.drive import drive, missing
from thalweg.lab.study import TUNING_SEED, Study
from thalweg.lab.table import Comparison

TWO = "adam:lr=0.01,sgd:lr=0.1"


def without_times(document: object) -> object:
    """A document of `--json` without what depends on the clock."""
    if isinstance(document, dict):
        return {k: without_times(v) for k, v in document.items() if not k.startswith("time_")}
    return [without_times(entry) for entry in document] if isinstance(document, list) else document


def tuned(**options: object) -> Study:
    return planned(TWO, **{"tune": 4, "seeds": 2, "epochs": 3, **options})


def test_default_rows_then_trials_then_tuned_rows(tmp_path: Path) -> None:
    study = tuned()
    result, failures = made(study, tmp_path / "store.db")
    assert failures == []
    assert [(row.optimizer, row.kind) for row in result.rows] == [
        ("adam:lr=0.01", "default"),
        ("adam:lr=0.01", "tuned"),
        ("sgd:lr=0.1", "default"),
        ("sgd:lr=0.1", "tuned"),
    ]
    for row in (row for row in result.rows if row.kind == "tuned"):
        assert row.tuning is not None
        assert row.settings["lr"] == row.tuning.best["lr"]
        assert row.tuning.budget_steps == 4 * 3 * 5
        assert row.seeds == study.seeds and TUNING_SEED not in row.seeds


def test_every_optimizer_gets_the_same_weights_and_orders(tmp_path: Path) -> None:
    result, _ = made(tuned(), tmp_path / "store.db")
    for seed in (0, 1):
        runs = [run for run in result.runs if run["seed"] == seed]
        assert len(runs) == 4
        assert len({run["weights_digest"] for run in runs}) == len({run["order_digest"] for run in runs}) == 1
    assert len({run["order_digest"] for run in result.runs}) == 2


def test_trials_are_trained_and_judged_on_other_data_than_the_table(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    made(tuned(), path)
    with sqlite3.connect(path) as connection:
        rows = connection.execute("SELECT spec, sum(steps) FROM runs JOIN epochs USING (key) GROUP BY key").fetchall()
    parts = [(json.loads(spec)["part"], steps / 3) for spec, steps in rows if json.loads(spec)["epochs"] == 3]
    assert {steps for part, steps in parts if part == "final"} == {6}
    assert {steps for part, steps in parts if part == "tuning" and steps == 5} == {5}


def test_called_again_nothing_is_trained_and_the_table_is_the_same(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    first, _ = made(tuned(), path)
    engine, found = Here(), {}
    assert missing(tuned(), path, found) == []
    drive(tuned(), path, engine, (), found)
    assert engine.trained == []
    assert comparison(tuned(), found) == first


def test_a_repeated_order_repeats_and_is_said(tmp_path: Path) -> None:
    result, _ = made(planned(order="repeated"), tmp_path / "store.db")
    assert "repeats the data order" in result.caveats[0]
    assert len({epoch["order_digest"] for epoch in result.runs[0]["epochs"]}) == 1


def test_a_switch_trains_both_and_says_what_becomes_of_the_state(tmp_path: Path) -> None:
    study = planned("adam:lr=0.01,adam@1:lr=0.01/sgd:lr=0.1,sgd:lr=0.1", epochs=3, tune=2)
    result, _ = made(study, tmp_path / "store.db")
    plain, switched = (row for row in result.rows if row.kind == "default" and row.optimizer.startswith("adam"))
    assert switched.rule == "adam/sgd" and switched.settings["lr@2"] == 0.1
    assert switched.epochs[0] == plain.epochs[0] and switched.epochs[1] != plain.epochs[1]
    assert "nothing of the state stays" in switched.notes[0]
    [found] = [row for row in result.rows if row.kind == "tuned" and row.rule == "adam/sgd"]
    assert set(found.tuning.best) == {"lr", "lr@2"}  # pyright: ignore[reportOptionalMemberAccess]


def test_a_tuned_rate_is_the_largest_of_its_schedule(tmp_path: Path) -> None:
    study = planned("sgd:lr=warmup(3,cosine(0.1))", epochs=3, tune=2)
    result, _ = made(study, tmp_path / "store.db")
    [row] = [row for row in result.rows if row.kind == "tuned"]
    assert row.settings["lr"] == f"warmup(3, cosine({row.tuning.best['lr']!r}, 15))"


def test_a_clock_that_jumps_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    still, _ = made(tuned(), tmp_path / "still.db")
    rng = random.Random(0)
    monkeypatch.setattr(time, "time", lambda: rng.choice([-1e9, 0.0, 1e6, 1e10]) * rng.random())
    jumping, _ = made(tuned(), tmp_path / "jumping.db")
    assert final_numbers(jumping) == final_numbers(still)


def final_numbers(result: Comparison) -> list[tuple]:
    return [(row.optimizer, row.kind, row.settings, row.statuses, row.epochs, row.final) for row in result.rows]


def test_what_another_study_trained_meanwhile_is_not_trained_again(tmp_path: Path) -> None:
    path, study, found = tmp_path / "store.db", planned(TWO, seeds=2), {}
    store.prepare(path)
    other = Here()

    class Interleaved(Here):
        """While our first run goes on, another study makes one that we want later."""

        def wait(self, seconds: float) -> list:
            if not other.trained:
                drive(planned("sgd:lr=0.1"), path, other, (), {})
            return super().wait(seconds)

    ours = Interleaved()
    drive(study, path, ours, (), found)
    assert len(found) == 4 and len(other.trained) == 1
    assert len(ours.trained) == 3 and not set(ours.trained) & set(other.trained)


# --- whole programs


def command(folder: Path, *options: str, optimizers: str = TWO) -> list[str]:
    own = ["compare", TINY, "--optimizers", optimizers, "--json", "--out", str(folder), *options]
    return [sys.executable, "-m", "thalweg.cli", *own]


def begun(folder: Path, *options: str, optimizers: str = TWO) -> subprocess.Popen[str]:
    return subprocess.Popen(
        command(folder, *options, optimizers=optimizers),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def ended(folder: Path) -> int:
    """How many runs of a store have ended."""
    try:
        with sqlite3.connect(folder / "store.db", timeout=10) as connection:
            return connection.execute("SELECT count(*) FROM runs WHERE status != 'running'").fetchone()[0]
    except sqlite3.Error:
        return 0


def killed_five_times(folder: Path, *options: str) -> None:
    rng = random.Random(1)
    for after in (2, 6, 6, 6, 6):
        process, before = begun(folder, *options), ended(folder)
        limit = time.monotonic() + 120
        while ended(folder) < before + after and time.monotonic() < limit and process.poll() is None:
            time.sleep(0.02)
        time.sleep(rng.random() * 0.3)
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate(timeout=60)


STUDY = ("--seeds", "8", "--tune", "5", "--epochs", "12")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The study that nobody killed: its folder and its JSON."""
    folder = tmp_path_factory.mktemp("whole")
    return folder, begun(folder, *STUDY).communicate(timeout=300)[0]


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["local", "ray"])
def test_killed_five_times_it_ends_with_the_table_of_one_that_was_not(
    engine: str, whole: tuple[Path, str], tmp_path: Path
) -> None:
    folder, document = whole
    killed_five_times(tmp_path / "cut", *STUDY, "--engine", engine)
    last, errors = begun(tmp_path / "cut", *STUDY, "--engine", engine).communicate(timeout=300)
    assert without_times(json.loads(last)) == without_times(json.loads(document)), errors
    with sqlite3.connect(tmp_path / "cut/store.db") as cut, sqlite3.connect(folder / "store.db") as intact:
        keys = [[row[0] for row in c.execute("SELECT key FROM runs ORDER BY key")] for c in (cut, intact)]
        assert keys[0] == keys[1] and len(keys[0]) >= 40
        assert cut.execute("SELECT count(*) FROM runs WHERE status = 'running'").fetchone() == (0,)
        counts = [
            c.execute("SELECT key, count(*) FROM epochs GROUP BY key ORDER BY key").fetchall() for c in (cut, intact)
        ]
        assert counts[0] == counts[1]


@pytest.mark.slow
def test_two_studies_at_once_share_a_store_and_train_nothing_twice(tmp_path: Path) -> None:
    shared = str(tmp_path / "shared.db")
    options = ("--seeds", "5", "--epochs", "10", "--log", "jsonl", "--store", shared)
    one = begun(tmp_path / "one", *options)
    other = begun(tmp_path / "other", *options, optimizers="sgd:lr=0.1,rmsprop:lr=0.01")
    tables = [json.loads(process.communicate(timeout=300)[0]) for process in (one, other)]
    assert without_times(tables[0][1]["epochs"]) == without_times(tables[1][0]["epochs"])
    ends = []
    for folder in ("one", "other"):
        for log in (tmp_path / folder).glob("*.jsonl"):
            lines = [json.loads(line) for line in log.read_text().splitlines()]
            ends += [line["key"] for line in lines if "ended" in line.values()]
    assert len(ends) == len(set(ends)) == 15


@pytest.mark.skipif(not hasattr(signal, "SIGXFSZ"), reason="needs a limit of file sizes to stand for a full disk")
@pytest.mark.slow
def test_a_full_disk_is_a_sentence_and_nothing_reported_is_lost(tmp_path: Path) -> None:
    """A limit of file sizes fails writes as a full disk does."""
    options = ("--seeds", "6", "--epochs", "40")
    script = (
        "import resource, runpy, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (90_000, 90_000)); "
        "sys.argv = sys.argv[1:]; runpy.run_module('thalweg.cli', run_name='__main__')"
    )
    full = [sys.executable, "-c", script, *command(tmp_path, *options)[2:]]
    done = subprocess.run(full, capture_output=True, text=True, timeout=300)
    assert done.returncode == 2, done.stderr
    assert done.stderr.splitlines()[-1].startswith("thalweg: ") and "free" in done.stderr
    kept = ended(tmp_path)
    again = subprocess.run(command(tmp_path, *options), capture_output=True, text=True, timeout=300)
    assert again.returncode == 0, again.stderr
    assert f"{kept} of 12 runs are in the store already" in again.stderr or kept == 0
    assert [row["status"] for row in json.loads(again.stdout)] == [["finished"] * 6] * 2


def test_a_store_that_cannot_be_written_any_more_ends_the_study_with_a_sentence(tmp_path: Path) -> None:
    study = planned(TWO)
    path = tmp_path / "store.db"
    store.prepare(path)

    class Removing(Here):
        def wait(self, seconds: float) -> list:
            for file in tmp_path.iterdir():
                file.unlink()
            path.mkdir()
            return super().wait(seconds)

    with pytest.raises(InputError):
        drive(study, path, Removing(), (), {})
