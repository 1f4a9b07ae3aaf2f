"""The store's file: how it is opened, made, upgraded and locked, and which sentence each of SQLite's errors becomes.

Every call opens a connection of its own and closes it: 1 ms with the sync to the disk (0.35 ms while another one of the
process is open: `held_open`), and nothing that a fork, a thread or a deleted file could break.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

from thalweg.errors import InputError
from thalweg.lab import migrate

VERSION = 3
PATIENCE = 60  # seconds to wait for another process' lock

SCHEMA = """
CREATE TABLE runs (
    key TEXT PRIMARY KEY, status TEXT NOT NULL, message TEXT NOT NULL DEFAULT '', spec TEXT NOT NULL,
    weights_digest TEXT NOT NULL DEFAULT '', state_bytes INTEGER, environment TEXT NOT NULL, owner TEXT, ended_at TEXT,
    CHECK ((status = 'running') = (owner IS NOT NULL))
);
CREATE INDEX runs_by_owner ON runs (owner) WHERE owner IS NOT NULL;
CREATE TABLE epochs (
    key TEXT NOT NULL REFERENCES runs (key) ON DELETE CASCADE, epoch INTEGER NOT NULL, train_loss REAL, metric REAL,
    loss REAL, order_digest TEXT NOT NULL, steps INTEGER, time_seconds REAL NOT NULL,
    time_optimizer_seconds REAL NOT NULL, PRIMARY KEY (key, epoch)
) WITHOUT ROWID;
CREATE TABLE writers (
    owner TEXT PRIMARY KEY, place TEXT NOT NULL, process INTEGER NOT NULL, born TEXT NOT NULL, beats INTEGER NOT NULL
);
CREATE TABLE kept (key TEXT PRIMARY KEY, document TEXT NOT NULL);
CREATE TABLE comparisons (
    number INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL, document TEXT NOT NULL
);
"""
# A row of `watched` per run that was: its figures as `thalweg.lab.watched.packed` packs them.
SCHEMA_OF_WATCHED = """
CREATE TABLE watched (
    key TEXT PRIMARY KEY REFERENCES runs (key) ON DELETE CASCADE, every INTEGER NOT NULL, figures BLOB NOT NULL
);
CREATE TABLE alarms (
    key TEXT NOT NULL REFERENCES runs (key) ON DELETE CASCADE, number INTEGER NOT NULL, step INTEGER NOT NULL,
    epoch INTEGER NOT NULL, alarm TEXT NOT NULL, part TEXT NOT NULL, value REAL, words TEXT NOT NULL,
    advice TEXT NOT NULL, PRIMARY KEY (key, number)
) WITHOUT ROWID;
"""
# What a store of each version holds at least: other programs number their databases, too.
_TABLES = {1: {"runs", "epochs"}, 2: {"runs", "epochs", "writers", "kept", "comparisons"}}
_TABLES[3] = _TABLES[2] | {"watched", "alarms"}
# File systems on which machines do not share memory, which WAL needs, or do not share locks well enough for it.
_NETWORK = ("nfs", "cifs", "smb", "afs", "9p", "ceph", "lustre", "gpfs", "beegfs", "glusterfs", "fuse.", "ncpfs")


def prepare(path: Path) -> None:
    """Make the store if there is none, upgrade one of an older version, and make sure that it can be written.

    Raises:
        InputError: If it cannot be written, is no store, or was made by a newer version.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _make_private(path)
    except OSError as error:
        raise InputError(_unusable(path, error)) from error
    with _told(path), closing(_opened(path)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        build(connection, path)
        connection.execute("COMMIT")
        _choose_journal(connection, path)


def build(connection: sqlite3.Connection, path: Path) -> None:
    """Bring a database up to this version, in the transaction that is open.

    Raises:
        InputError: If it was made by a newer version, or is of something else.
    """
    found = version_of(connection, path)
    if found == 0:
        migrate.execute_all(connection, SCHEMA)
    elif found == 1:
        migrate.upgrade(connection, SCHEMA)
    if found < 3:
        migrate.execute_all(connection, SCHEMA_OF_WATCHED)
    connection.execute(f"PRAGMA user_version = {VERSION}")  # in any case: it shows whether the file can be written


def _make_private(path: Path) -> None:
    """A new file that only its user can read; SQLite gives the files beside it the same rights.

    One that exists is left closed: closing it here would drop the locks of this process' connections to it.
    """
    if not path.exists():
        try:
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        except FileExistsError:
            return  # another process was as quick


def version_of(connection: sqlite3.Connection, path: Path) -> int:
    """The version of a store, 0 for an empty file.

    Raises:
        InputError: If it is newer than this one, or no store.
    """
    found = connection.execute("PRAGMA user_version").fetchone()[0]
    tables = {row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    if found > VERSION and _TABLES[1] <= tables:
        raise InputError(
            f"the store '{path}' has version {found}, made by a newer Thalweg, this one reads up to {VERSION}: "
            "upgrade Thalweg or name another file with --store"
        )
    if (found, tables) != (0, set()) and not (found in _TABLES and _TABLES[found] <= tables):
        raise InputError(f"'{path}' is a database of something else: name another file with --store")
    return found


@contextmanager
def changing(path: Path) -> Iterator[sqlite3.Connection]:
    """A connection that alone may write, whose changes are on the disk when the block ends well, and dropped when not.

    Raises:
        InputError: If the store cannot be written.
    """
    with _told(path), closing(_opened(path)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        _check_current(connection, path)
        yield connection
        connection.execute("COMMIT")


@contextmanager
def reading(path: Path) -> Iterator[sqlite3.Connection]:
    """A connection that sees the store as it is now, whatever others write meanwhile; an older one as if upgraded.

    Raises:
        InputError: If there is no store, or it cannot be read.
    """
    with _told(path), ExitStack() as whole:
        connection = _readable(path, whole)
        connection.row_factory = sqlite3.Row
        if not connection.in_transaction:
            connection.execute("BEGIN")
            _check_current(connection, path)
        yield connection


@contextmanager
def held_open(path: Path) -> Iterator[None]:
    """While it lasts, other connections open and close faster: the last to close would empty and remove the WAL.

    Raises:
        InputError: If there is no store, or it cannot be read.
    """
    with ExitStack() as whole:
        with _told(path):
            connection = whole.enter_context(closing(_opened(path)))
            connection.execute("SELECT count(*) FROM writers").fetchone()
        yield


def _check_current(connection: sqlite3.Connection, path: Path) -> None:
    if (found := version_of(connection, path)) != VERSION:
        raise InputError(f"expected a store of version {VERSION} at '{path}', got version {found}: prepare it first")


def _readable(path: Path, whole: ExitStack) -> sqlite3.Connection:
    """A connection for reading; an old store's is to a copy in memory, upgraded there in a transaction left open."""
    try:
        connection = whole.enter_context(closing(_opened(path)))
        found = version_of(connection, path)
    except sqlite3.OperationalError:
        if not _closed_well(path):
            raise
        # A folder where the files of WAL cannot be made.
        connection = whole.enter_context(closing(_opened(path, "mode=ro&immutable=1")))
        found = version_of(connection, path)
    if found in (0, VERSION):
        return connection
    copy = whole.enter_context(closing(sqlite3.connect(":memory:", isolation_level=None)))
    connection.backup(copy)
    copy.execute("BEGIN")
    build(copy, path)
    return copy


def _closed_well(path: Path) -> bool:
    beside = [path.with_name(path.name + end) for end in ("-wal", "-journal")]
    return path.is_file() and not any(file.exists() and file.stat().st_size for file in beside)


def _opened(path: Path, how: str = "mode=rw") -> sqlite3.Connection:
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?{how}", uri=True, timeout=PATIENCE, isolation_level=None)
    try:
        # EXTRA is FULL under WAL, and also syncs the folder under the older journal: commits outlive a power cut.
        for pragma in ("foreign_keys = ON", "synchronous = EXTRA", "fullfsync = ON"):
            connection.execute(f"PRAGMA {pragma}")
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def _choose_journal(connection: sqlite3.Connection, path: Path) -> None:
    """WAL, under which readers do not wait for the writer; the older journal where the file system cannot carry it."""
    if on_network(path):
        _set_journal(connection, "DELETE")
        return
    try:
        _set_journal(connection, "WAL")
    except sqlite3.OperationalError as error:
        if error.sqlite_errorname.startswith("SQLITE_BUSY"):
            raise
        _set_journal(connection, "DELETE")


def _set_journal(connection: sqlite3.Connection, mode: str) -> None:
    """Change the journal, waiting while others use the file, which SQLite itself does not do from WAL to another."""
    give_up = time.monotonic() + PATIENCE
    while connection.execute("PRAGMA journal_mode").fetchone()[0] != mode.lower():
        try:
            connection.execute(f"PRAGMA journal_mode = {mode}")
            return
        except sqlite3.OperationalError as error:
            if not error.sqlite_errorname.startswith("SQLITE_BUSY") or time.monotonic() > give_up:
                raise
            time.sleep(0.02)


def on_network(path: Path, mounts: str | None = None) -> bool:
    r"""Whether a file lies on a file system that other machines share, as far as the system tells.

    Args:
        path: The file; it need not exist.
        mounts: The mounted file systems in the form of `/proc/self/mounts`; None to ask the system.

    Example:
        >>> on_network(Path("/home/me/store.db"), "/dev/vda / ext4 rw 0 0\nserver:/home /home nfs4 rw 0 0")
        True
    """
    if mounts is None:
        table = Path("/proc/self/mounts")
        mounts = table.read_text(errors="replace") if table.is_file() else ""
    kinds: dict[str, str] = {}  # by place: what is mounted later over the same place hides what was there
    for row in (line.split() for line in mounts.splitlines()):
        kinds |= {row[1].replace("\\040", " "): row[2]} if len(row) > 2 else {}
    whole = path.resolve()
    nearest = next((str(place) for place in (whole, *whole.parents) if str(place) in kinds), None)
    return nearest is not None and kinds[nearest].startswith(_NETWORK)


@contextmanager
def _told(path: Path) -> Iterator[None]:
    """What goes wrong with the file becomes one sentence; mistakes in the program stay what they are."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        name = getattr(error, "sqlite_errorname", "")
        if isinstance(error, sqlite3.IntegrityError | sqlite3.ProgrammingError) or name == "SQLITE_ERROR":
            raise
        raise InputError(_sentence(path, name, error)) from error


def _unusable(path: Path, error: Exception) -> str:
    return f"expected a store that can be read and written at '{path}', got '{error}': name another with --store"


def _sentence(path: Path, name: str, error: Exception) -> str:
    if name.startswith(("SQLITE_FULL", "SQLITE_IOERR")):
        return (
            f"expected room on the disk for the store '{path}', got '{error}': free some space and call again, nothing "
            "that was reported is lost"
        )
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED", "SQLITE_PROTOCOL")):
        return (
            f"the store '{path}' stayed locked by another process for {PATIENCE} s ('{error}'): end what holds it and "
            "call again"
        )
    if name.startswith("SQLITE_READONLY"):
        return f"the store '{path}' may be read but not written ('{error}'): allow writing or name another with --store"
    if name.startswith("SQLITE_CANTOPEN") and not path.exists():
        return f"expected a store at '{path}', got no such file: name one that a comparison has made"
    return _unusable(path, error)
