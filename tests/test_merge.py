"""Several stores into one."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from store_runs import MACHINE, epoch, keep, run, spec
from test_store import old_store
from thalweg.errors import InputError
from thalweg.lab import merge as merging
from thalweg.lab import store
from thalweg.lab.merge import Merged, merge


def filled(path: Path, *runs) -> Path:
    store.prepare(path)
    keep(path, *runs)
    return path


def kept(path: Path, seeds: int) -> dict[int, str]:
    found = store.find(path, [spec(seed).key for seed in range(seeds)], running=True)
    return {one["spec"]["seed"]: one["status"] + one["message"] for one in found.values()}


def test_the_union_by_key(tmp_path: Path) -> None:
    one = filled(tmp_path / "a.db", run(spec(0)), run(spec(1), "failed", " first"), run(spec(2), "failed", " first"))
    two = filled(tmp_path / "b.db", run(spec(0)), run(spec(1), "stopped"), run(spec(2), "failed", " second"))
    store.claim(two, spec(3), "me", MACHINE)
    for path, name, number in ((one, "s", 1), (one, "s", 2), (two, "s", 1), (two, "t", 3)):
        store.save_comparison(path, name, {"n": number})
    for sources in ((one, two), (two, one)):
        out = tmp_path / f"{sources[0].stem}-first.db"
        assert merge(sources, out) == Merged(runs=3, shared=3, comparisons=3)
        second = " first" if sources[0] is one else " second"
        assert kept(out, 4) == {0: "finished", 1: "stopped", 2: f"failed{second}"}
        assert store.find(out, [spec(1).key]) == store.find(two, [spec(1).key])
        store.prepare(out)
        assert store.claim(out, spec(0), "me", MACHINE) == "done"
    assert [document["n"] for _, document in store.comparisons(tmp_path / "a-first.db")] == [2, 1, 3]
    assert kept(two, 4)[3] == "running"  # the sources are as they were
    assert sorted(file.name for file in tmp_path.iterdir()) == ["a-first.db", "a.db", "b-first.db", "b.db"]


def test_old_stores_and_one_store_twice(tmp_path: Path) -> None:
    old, new = old_store(tmp_path / "old.db"), filled(tmp_path / "new.db", run(spec(0)))
    before = old.read_bytes()
    assert merge([old, new, new], tmp_path / "out.db") == Merged(runs=2, shared=1, comparisons=0)
    assert store.find(tmp_path / "out.db", ["old"]) == store.find(old, ["old"])
    assert old.read_bytes() == before


@pytest.mark.parametrize(
    ("other", "difference"),
    [
        (run(spec(0))._replace(weights_digest="x"), "has weights_digest w in one store and x in"),
        (run(spec(0), "diverged"), "has status finished in one store and diverged"),
        (run(spec(0), epochs=2), "a number of epochs of 3 in one store and 2"),
        (run(spec(0))._replace(epochs=(epoch(1), epoch(2, loss=0.5), epoch(3))), "in epoch 2 a loss of .* and 0.5 in"),
        (run(spec(0))._replace(epochs=(epoch(1)._replace(steps=7), epoch(2), epoch(3))), "in epoch 1 a steps of 125 "),
    ],
)
def test_two_truths_are_refused(tmp_path: Path, other, difference: str) -> None:
    sources = [filled(tmp_path / "a.db", run(spec(0))), filled(tmp_path / "b.db", other)]
    with pytest.raises(InputError, match=difference):
        merge(sources, tmp_path / "out.db")
    assert sorted(file.name for file in tmp_path.iterdir()) == ["a.db", "b.db"]


def test_times_and_machines_may_differ(tmp_path: Path) -> None:
    slow = run(spec(0))
    slow = slow._replace(epochs=tuple(each._replace(time_seconds=99.0) for each in slow.epochs))
    merge([filled(tmp_path / "a.db", run(spec(0))), filled(tmp_path / "b.db", slow)], tmp_path / "out.db")
    assert store.find(tmp_path / "out.db", [spec(0).key]) == store.find(tmp_path / "a.db", [spec(0).key])


def test_nothing_is_overwritten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = filled(tmp_path / "a.db", run(spec(0)))
    for out in (source, tmp_path):
        with pytest.raises(InputError, match="never overwrites"):
            merge([source], out)

    def late(merged: sqlite3.Connection, connection: sqlite3.Connection, path: Path) -> set[str]:
        (tmp_path / "out.db").write_text("somebody else's")
        return set()

    monkeypatch.setattr(merging, "_add_runs", late)
    with pytest.raises(InputError, match="exists"):
        merge([source], tmp_path / "out.db")
    assert (tmp_path / "out.db").read_text() == "somebody else's"


def test_what_cannot_be_merged(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "other.db")) as connection:
        connection.execute("CREATE TABLE bookmarks (url)")
    (tmp_path / "text.db").write_text("text, and longer than the header of a database is, so that SQLite sees it" * 10)
    for source, message in (
        ("none.db", "no such file"),
        ("other.db", "something else"),
        ("text.db", "expected a store"),
    ):
        with pytest.raises(InputError, match=message):
            merge([filled(tmp_path / f"a {source}", run(spec(0))), tmp_path / source], tmp_path / "out.db")
        assert not (tmp_path / "out.db").exists()
    with pytest.raises(InputError, match="at least one store"):
        merge([], tmp_path / "out.db")
    with pytest.raises(InputError, match="a place for the merged store"):
        merge([tmp_path / "a none.db"], tmp_path / "text.db" / "out.db")
