"""The store's file: what is kept, who may read it, and what happens to older, newer, foreign and unwritable files."""

import dataclasses
import json
import sqlite3
import stat
from contextlib import closing
from pathlib import Path

import pytest

from store_runs import MACHINE, Run, epoch, keep, run, spec
from thalweg.errors import InputError
from thalweg.lab import database, store
from thalweg.lab import run as loop

VERSION_1 = """
CREATE TABLE runs (
    key TEXT PRIMARY KEY, status TEXT NOT NULL, message TEXT NOT NULL, spec TEXT NOT NULL,
    weights_digest TEXT NOT NULL, environment TEXT NOT NULL, ended_at TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP
);
CREATE TABLE epochs (
    key TEXT NOT NULL REFERENCES runs (key) ON DELETE CASCADE, epoch INTEGER NOT NULL, train_loss REAL, metric REAL,
    loss REAL, order_digest TEXT NOT NULL, time_seconds REAL NOT NULL, time_optimizer_seconds REAL NOT NULL,
    PRIMARY KEY (key, epoch)
);
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    store.prepare(tmp_path / "store.db")
    return tmp_path / "store.db"


def old_store(path: Path, text: str | None = None) -> Path:
    """A store as the first version left it: one run of two epochs."""
    written = dataclasses.asdict(spec(0))
    phase = written.pop("phases")[0]
    for name in ("part", "order", "stop", "device"):
        written.pop(name)
    written |= {name: phase[name] for name in ("rule", "rule_digest", "hyper", "initial")}
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.executescript(VERSION_1)
        row = ("old", "finished", "", text or json.dumps(written), "w", json.dumps(MACHINE))
        connection.execute("INSERT INTO runs VALUES (?, ?, ?, ?, ?, ?, '2026-01-01 00:00:00')", row)
        connection.executemany(
            "INSERT INTO epochs VALUES ('old', ?, 0.5, 0.75, NULL, 'o', 1, 0.25)", [(number,) for number in (1, 2)]
        )
        connection.execute("PRAGMA user_version = 1")
    return path


def ask(path: Path, question: str) -> list[tuple]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(question).fetchall()


def test_a_run_comes_back_as_it_was(path: Path) -> None:
    """With the real `Run` and `Epoch`: every field of an epoch is a column."""
    made = run(spec(0, phases=2))
    kept = [loop.Epoch(**each._asdict()) for each in made.epochs]
    keep(path, loop.Run(made.spec, "stopped", "because", tuple(kept), "w", 4096))  # type: ignore[arg-type]
    found = store.find(path, ["unknown", made.spec.key])
    assert list(found) == [made.spec.key]
    assert found[made.spec.key] == {
        "key": made.spec.key,
        "status": "stopped",
        "message": "because",
        "weights_digest": "w",
        "state_bytes": 4096,
        "spec": json.loads(json.dumps(dataclasses.asdict(made.spec))),
        "environment": MACHINE,
        "epochs": [dataclasses.asdict(each) for each in kept],
    }
    assert store.done(path, [made.spec.key, "unknown"]) == {made.spec.key}


def test_many_keys_come_in_the_order_asked_for(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where SQLite takes no more than 999 values in one question, as its older versions do."""
    opened = database._opened

    def limited(path: Path, how: str = "mode=rw") -> sqlite3.Connection:
        connection = opened(path, how)
        connection.setlimit(sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER, 999)
        return connection

    monkeypatch.setattr(database, "_opened", limited)
    runs = [run(spec(seed), epochs=1) for seed in range(12)]
    keep(path, *runs)
    keys = [one.spec.key for one in reversed(runs)]
    asked = [key for number, key in enumerate(keys) for key in (key, *(f"{number}-{k}" for k in range(150)))]
    assert len(asked) > 3 * 500
    assert list(store.find(path, asked)) == keys
    assert [len(one["epochs"]) for one in store.find(path, iter(asked)).values()] == [1] * 12
    assert store.done(path, asked) == set(keys)
    assert store.find(path, []) == {}


def test_numbers_that_are_none_and_text_that_is_none(path: Path) -> None:
    bad = Run(spec(0), "diverged", "in \udcff\0.py", (epoch(1, loss=float("nan")), epoch(2, loss=float("-inf"))), "w")
    keep(path, bad)
    found = store.find(path, [bad.spec.key])[bad.spec.key]
    assert [each["loss"] for each in found["epochs"]] == [None, None]
    assert found["message"] == "in \\udcff\0.py"


def test_the_end_of_a_run_has_exactly_its_epochs(path: Path) -> None:
    owner, wanted = store.new_owner(), run(spec(0), "failed", "worker died", epochs=1)
    store.claim(path, wanted.spec, owner, MACHINE)
    for number in (1, 2):
        store.add_epoch(path, wanted.spec.key, owner, epoch(number))
    store.add_epoch(path, wanted.spec.key, owner, epoch(2, loss=7.0))  # said again, after a call that failed
    assert store.find(path, [wanted.spec.key]) == {}
    running = store.find(path, [wanted.spec.key], running=True)[wanted.spec.key]
    assert (running["status"], [e["loss"] for e in running["epochs"]]) == ("running", [epoch(1).loss, 7.0])
    store.finish(path, wanted, owner)
    assert len(store.find(path, [wanted.spec.key])[wanted.spec.key]["epochs"]) == 1
    assert ask(path, "SELECT count(*) FROM epochs") == [(1,)]


def test_only_the_user_may_read_what_is_made(path: Path) -> None:
    with store.writing(path) as owner:
        store.claim(path, spec(0), owner, MACHINE)
        files = {file.name: stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()}
    assert files == {"store.db": 0o600, "store.db-wal": 0o600, "store.db-shm": 0o600}
    assert [file.name for file in path.parent.iterdir()] == ["store.db"]


def test_rights_of_a_file_that_was_there_are_kept(tmp_path: Path) -> None:
    place = tmp_path / "shared with all?.db"
    place.touch()
    place.chmod(0o644)
    store.prepare(place)
    assert stat.S_IMODE(place.stat().st_mode) == 0o644
    assert ask(place, "PRAGMA journal_mode") == [("wal",)]


def test_on_a_network_file_system_the_older_journal_is_used(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "on_network", lambda path: True)
    store.prepare(path)
    assert ask(path, "PRAGMA journal_mode") == [("delete",)]
    keep(path, run(spec(0)))
    assert store.done(path, [spec(0).key]) == {spec(0).key}
    assert [file.name for file in path.parent.iterdir()] == ["store.db"]


def test_the_journal_is_changed_as_soon_as_nobody_else_has_the_store_open(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From WAL to the older one SQLite does not wait by itself."""
    with closing(sqlite3.connect(path)) as other, closing(database._opened(path)) as connection:
        other.execute("SELECT count(*) FROM runs").fetchone()
        waits = []
        monkeypatch.setattr(database.time, "sleep", lambda seconds: waits.append(other.close()))
        database._set_journal(connection, "DELETE")
    assert len(waits) == 1
    assert ask(path, "PRAGMA journal_mode") == [("delete",)]


@pytest.mark.parametrize(
    ("kind", "network"), [("ext4", False), ("nfs4", True), ("cifs", True), ("fuse.sshfs", True), ("fuseblk", False)]
)
def test_which_file_systems_are_networks(kind: str, network: bool) -> None:
    mounts = f"a / ext4 rw 0 0\nb /data nfs rw 0 0\nc /data\\040two {kind} rw 0 0"
    assert database.on_network(Path("/data two/x/store.db"), mounts) is network
    assert database.on_network(Path("/data/store.db"), mounts)
    assert not database.on_network(Path("/database/store.db"), mounts)


def test_an_old_store_is_upgraded_at_once_and_kept_readable(tmp_path: Path) -> None:
    path = old_store(tmp_path / "store.db")
    before = store.find(path, ["old"])  # reading changes nothing
    assert ask(path, "PRAGMA user_version") == [(1,)]
    for _ in range(2):
        store.prepare(path)
        assert store.find(path, ["old"]) == before
        assert ask(path, "PRAGMA user_version") == [(store.VERSION,)]
    found = before["old"]
    assert found["spec"] == json.loads(json.dumps({**dataclasses.asdict(spec(0)), "stop": []}))
    assert [(e["epoch"], e["metric"], e["loss"], e["steps"]) for e in found["epochs"]] == [
        (1, 0.75, None, None),
        (2, 0.75, None, None),
    ]
    assert ask(path, "SELECT ended_at FROM runs") == [("2026-01-01 00:00:00",)]
    assert ask(path, "PRAGMA foreign_key_check") == [] and ask(path, "PRAGMA integrity_check") == [("ok",)]
    keep(path, run(spec(1)))
    assert store.done(path, ["old", spec(1).key]) == {"old", spec(1).key}


def test_an_upgrade_that_fails_leaves_the_old_store(tmp_path: Path) -> None:
    path = old_store(tmp_path / "store.db", "no JSON")
    before = path.read_bytes()
    with pytest.raises(json.JSONDecodeError):
        store.prepare(path)
    assert path.read_bytes() == before


@pytest.mark.parametrize("old", [True, False])
def test_a_store_that_may_not_be_written_is_a_sentence(
    path: Path, old: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A tester may be root, to whom every file is writable: SQLite is told to open it for reading."""
    path = old_store(tmp_path / "old.db") if old else path
    opened = database._opened
    monkeypatch.setattr(database, "_opened", lambda path, how="": opened(path, "mode=ro"))
    with pytest.raises(InputError, match="may be read but not written"):
        store.prepare(path)
    assert store.done(path, ["old"]) == ({"old"} if old else set())


def test_a_store_in_a_folder_where_nothing_can_be_made_is_read(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """There SQLite cannot make the files of WAL, and says that it cannot open the database."""
    keep(path, run(spec(0)))
    opened = database._opened

    def without_wal(path: Path, how: str = "mode=rw") -> sqlite3.Connection:
        if "immutable" in how:
            return opened(path, how)
        raise sqlite3.OperationalError("unable to open database file")

    monkeypatch.setattr(database, "_opened", without_wal)
    assert store.done(path, [spec(0).key]) == {spec(0).key}


@pytest.mark.parametrize(
    ("statements", "message"),
    [
        ("PRAGMA user_version = 99; CREATE TABLE runs (key); CREATE TABLE epochs (key)", "newer Thalweg"),
        ("CREATE TABLE bookmarks (url)", "something else"),
        ("PRAGMA user_version = 1; CREATE TABLE bookmarks (url)", "something else"),
        ("PRAGMA user_version = 2; CREATE TABLE runs (key); CREATE TABLE epochs (key)", "something else"),
        ("PRAGMA user_version = 99; CREATE TABLE bookmarks (url)", "something else"),
        ("PRAGMA user_version = 1", "something else"),
        (None, "expected a store"),
    ],
)
def test_newer_stores_and_other_databases_are_refused_and_kept(
    tmp_path: Path, statements: str | None, message: str
) -> None:
    path = tmp_path / "store.db"
    if statements is None:
        path.write_text("no database, and longer than a header " * 20)
    else:
        with closing(sqlite3.connect(path)) as connection:
            connection.executescript(statements)
    before = path.read_bytes()
    for call in (store.prepare, store.comparisons):
        with pytest.raises(InputError, match=message):
            call(path)
    assert path.read_bytes() == before


def test_a_path_that_cannot_be_a_store_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for path in (tmp_path, tmp_path / "file" / "store.db", Path(f"{tmp_path}/{'x' * 300}.db")):
        with pytest.raises(InputError, match="expected a store that can be read and written"):
            store.prepare(path)
    with pytest.raises(InputError, match="no such file"):
        store.find(tmp_path / "none.db", ["a"])
    with pytest.raises(InputError, match="no such file"):
        store.claim(tmp_path / "none.db", spec(0), "me", MACHINE)
    assert [place.name for place in tmp_path.iterdir()] == ["file"]
    with pytest.raises(InputError, match="prepare it first"):
        store.claim(tmp_path / "file", spec(0), "me", MACHINE)


def test_a_lock_that_stays_is_a_sentence(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "PATIENCE", 0.05)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(InputError, match="stayed locked by another process"):
            store.claim(path, spec(0), "me", MACHINE)
        assert store.done(path, ["a"]) == set()  # a reader does not wait for a writer


def test_comparisons_are_kept_in_order_and_once(path: Path) -> None:
    with pytest.raises(InputError, match="call 'thalweg compare'"):
        store.last_comparison(path)
    for name, number in (("a", 1), ("b", 2), ("a", 3), ("a", 1)):
        store.save_comparison(path, name, {"rows": [number, None, 0.1]})
    kept = [(name, document["rows"][0]) for name, document in store.comparisons(path)]
    assert kept == [("b", 2), ("a", 3), ("a", 1)]
    assert store.last_comparison(path) == store.last_comparison(path, "a") == {"rows": [1, None, 0.1]}
    assert store.last_comparison(path, "b")["rows"][0] == 2
    with pytest.raises(InputError, match=r"comparison of 'c' .* got one of a, b"):
        store.last_comparison(path, "c")
