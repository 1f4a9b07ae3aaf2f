"""What is left of a store after kill -9, a full disk, and several writers at once."""

import random
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from store_runs import EPOCHS, run, spec
from thalweg.lab import store

TESTS = Path(__file__).parent
WRITER = [sys.executable, "store_runs.py"]
RUNS = 40


def start(path: Path, runs: int, *more: str) -> subprocess.Popen[str]:
    command = [*WRITER, str(path), str(runs), *more]
    return subprocess.Popen(command, cwd=TESTS, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def sound(path: Path) -> bool:
    with closing(sqlite3.connect(path)) as connection:
        checks = [connection.execute(f"PRAGMA {name}").fetchall() for name in ("integrity_check", "foreign_key_check")]
    return checks == [[("ok",)], []]


def as_it_should_be(path: Path, runs: int) -> bool:
    """Every run is there, with the numbers of an uninterrupted study."""
    found = store.find(path, [spec(seed).key for seed in range(runs)], running=True)
    wanted = {spec(seed).key: [each._asdict() for each in run(spec(seed)).epochs] for seed in range(runs)}
    finished = all(one["status"] == "finished" for one in found.values())
    return finished and {key: one["epochs"] for key, one in found.items()} == wanted


def told(path: Path, lines: list[str]) -> bool:
    """Whether everything that a writer told, one line after each call, is there."""
    for line in lines:
        seed, what = line.split()
        found = store.find(path, [spec(int(seed)).key], running=True).get(spec(int(seed)).key)
        if found is None or (what != "finished" and int(what) not in [e["epoch"] for e in found["epochs"]]):
            return False
        if what == "finished" and found["status"] != "finished":
            return False
    return True


@pytest.mark.slow
def test_kill_9_at_random_moments_loses_nothing_that_was_told(tmp_path: Path) -> None:
    """And what is left is done by the next writer, at once: nothing is done twice."""
    path, draw = tmp_path / "store.db", random.Random(0)
    finished: list[str] = []
    for _ in range(5):
        writer = start(path, RUNS)
        assert writer.stdout is not None
        lines = [writer.stdout.readline().strip() for _ in range(draw.randrange(1, 25))]
        time.sleep(draw.random() * 0.01)
        writer.send_signal(signal.SIGKILL)
        lines = [line for line in lines + writer.communicate()[0].splitlines() if line]
        assert writer.returncode == -signal.SIGKILL, writer.returncode
        assert sound(path)
        assert told(path, lines)
        finished += [line for line in lines if line.endswith("finished")]
    output, errors = start(path, RUNS).communicate(timeout=60)
    finished += [line for line in output.splitlines() if line.endswith("finished")]
    assert errors == ""
    assert len(set(finished)) == len(finished)
    assert as_it_should_be(path, RUNS)
    assert start(path, RUNS).communicate(timeout=60) == ("", "")


@pytest.mark.slow
def test_several_writers_at_once_do_everything_once(tmp_path: Path) -> None:
    """Each in an order of its own, on a store that they also make at the same time."""
    path = tmp_path / "store.db"
    writers = [start(path, 100, "shuffled") for _ in range(3)]
    results = [writer.communicate(timeout=120) for writer in writers]
    assert [errors for _, errors in results] == [""] * 3
    finished = [line for output, _ in results for line in output.splitlines() if line.endswith("finished")]
    assert sorted(finished) == sorted(f"{seed} finished" for seed in range(100))
    assert sum("finished" in output for output, _ in results) > 1, "one writer did everything"
    assert sound(path) and as_it_should_be(path, 100)


FULL = """
import contextlib, resource, sys
from pathlib import Path
import store_runs as s
from thalweg.errors import InputError
from thalweg.lab import store
path = Path(sys.argv[1])
store.prepare(path)
with store.writing(path) if sys.argv[2] == "held" else contextlib.nullcontext("me") as owner:
    store.claim(path, s.spec(0), owner, {})
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[3]), resource.RLIM_INFINITY))
    number = 0
    try:
        while number < 5000:
            store.add_epoch(path, s.spec(0).key, owner, s.epoch(number + 1))
            number += 1
    except InputError as error:
        print(number, error)
        try:
            store.finish(path, s.run(s.spec(0), epochs=2000), owner)
        except InputError as error:
            print("finish", error)
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    kept = store.find(path, [s.spec(0).key], running=True)[s.spec(0).key]
    assert kept["status"] == "running" and [e["epoch"] for e in kept["epochs"]] == list(range(1, number + 1))
    assert store.add_epoch(path, s.spec(0).key, owner, s.epoch(number + 1))
    assert store.finish(path, s.run(s.spec(0)), owner)
    print("room again")
"""


@pytest.mark.parametrize("held", ["held", "alone"])
def test_a_full_disk_is_a_sentence_and_loses_nothing(tmp_path: Path, held: str) -> None:
    """The system refuses to let a file grow, as it does on a full disk; later there is room again."""
    path = tmp_path / "store.db"
    command = [sys.executable, "-c", FULL, str(path), held, "61440"]
    done = subprocess.run(command, cwd=TESTS, capture_output=True, text=True, timeout=120)
    assert done.stderr == ""
    first, second, last = done.stdout.splitlines()
    number, sentence = first.split(" ", 1)
    assert int(number) > 0
    for said in (sentence, second):
        assert "expected room on the disk for the store" in said and "nothing that was reported is lost" in said
    assert last == "room again"
    assert sound(path)
    assert [e["epoch"] for e in store.find(path, [spec(0).key])[spec(0).key]["epochs"]] == list(range(1, EPOCHS + 1))


def test_a_disk_that_is_full_from_the_start_is_a_sentence(tmp_path: Path) -> None:
    code = FULL.replace("path = Path", "resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))\npath = Path", 1)
    command = [sys.executable, "-c", code, str(tmp_path / "store.db"), "alone", "0"]
    done = subprocess.run(command, cwd=TESTS, capture_output=True, text=True, timeout=120)
    assert "InputError: expected room on the disk" in done.stderr
