"""Who works on which run: a run that is being trained belongs to one writer, until it ends or the writer is dead.

No clock of the wall is read. A writer of this machine whose process is gone is dead at once. Any other is dead when its
beats have not moved for `SILENCE` seconds of the watcher's own monotonic clock; a pause of the watcher itself (a frozen
machine, a debugger) counts for no more than `BLINK` of them. A writer that was taken for dead and comes back is told so
by every call, and what it reports is refused: nothing is ever written twice.
"""

from __future__ import annotations

import json
import os
import secrets
import socket
import sqlite3
import threading
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from thalweg.errors import InputError
from thalweg.lab.database import changing, held_open, reading

if TYPE_CHECKING:
    from thalweg.lab.spec import RunSpec

FINAL = ("finished", "diverged", "stopped")  # a failed run is kept for the record and trained again when asked for
SILENCE = 60.0
BLINK = 10.0
PULSE = 5.0  # seconds between two beats


@dataclass(frozen=True)
class Watch:
    """What a watcher has seen of the writers, from one `look` to the next.

    Attributes:
        at: The watcher's monotonic clock at its last look.
        beats: For every writer its beats then.
        silent: For every writer for how long they had not moved.
    """

    at: float = float("-inf")
    beats: Mapping[str, int] = field(default_factory=dict)
    silent: Mapping[str, float] = field(default_factory=dict)

    def is_silent(self, owner: str, beats: int) -> bool:
        """Whether a writer has not moved for so long that it counts as dead, and still has not."""
        return self.beats.get(owner) == beats and self.silent[owner] >= SILENCE


def new_owner() -> str:
    """A name for a writer that nobody else has."""
    return uuid.uuid4().hex


@contextmanager
def writing(path: Path) -> Iterator[str]:
    """Be a writer of a prepared store: a new owner that beats in a thread, and gives back its claims in the end.

    Args:
        path: The store.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> from thalweg.lab.database import prepare
        >>> with TemporaryDirectory() as folder:
        ...     prepare(Path(folder) / "store.db")
        ...     with writing(Path(folder) / "store.db") as owner:
        ...         len(owner)
        32
    """
    owner, ended = new_owner(), threading.Event()

    def beat_on() -> None:
        while not ended.wait(PULSE):
            with suppress(InputError):  # a full disk, perhaps not for long; who writes a run will be told
                beat(path, owner)

    thread = threading.Thread(target=beat_on, daemon=True, name="thalweg-beat")
    with held_open(path):
        thread.start()
        try:
            yield owner
        finally:
            ended.set()
            thread.join()
            with suppress(InputError):
                release(path, owner)


def look(path: Path, watch: Watch | None = None) -> Watch:
    """See how the writers do: every few seconds while a run is taken by another, to claim with what it returns.

    Args:
        path: The store.
        watch: What the last look returned; None for the first.
    """
    watch = watch or Watch()
    with reading(path) as connection:
        beats = dict(tuple(row) for row in connection.execute("SELECT owner, beats FROM writers"))
    now = time.monotonic()
    passed = min(now - watch.at, BLINK)
    silent = {o: watch.silent[o] + passed if watch.beats.get(o) == b else 0.0 for o, b in beats.items()}
    return Watch(now, beats, silent)


def claim(path: Path, spec: RunSpec, owner: str, environment: Mapping[str, str], watch: Watch | None = None) -> str:
    """Take a run, unless it is done or a living writer has it.

    Args:
        path: The store.
        spec: What is to be run.
        owner: Who claims it.
        environment: Versions and machine, kept with the run.
        watch: What `look` returned; without it only writers whose process is gone count as dead.

    Returns:
        `"mine"`: the run is `owner`'s and starts from the beginning, nothing of an earlier attempt is left;
        `"done"`: it is final; `"taken"`: a living writer has it.
    """
    key = spec.key
    row = (key, "running", json.dumps(asdict(spec)), json.dumps(dict(environment)), owner)
    with changing(path) as connection:
        status, holder = connection.execute("SELECT status, owner FROM runs WHERE key = ?", (key,)).fetchone() or (
            "",
            "",
        )
        if status in FINAL:
            return "done"
        if status == "running" and holder != owner:
            if not _is_dead(connection, holder, watch or Watch()):
                return "taken"
            _bury(connection, holder)
        _sign(connection, owner)
        connection.execute("DELETE FROM runs WHERE key = ?", (key,))
        connection.execute("INSERT INTO runs (key, status, spec, environment, owner) VALUES (?, ?, ?, ?, ?)", row)
    return "mine"


def beat(path: Path, owner: str) -> bool:
    """Show that a writer lives.

    Returns:
        Whether it holds any run: not if it never claimed one, gave all back, or was taken for dead.
    """
    with changing(path) as connection:
        return connection.execute("UPDATE writers SET beats = beats + 1 WHERE owner = ?", (owner,)).rowcount > 0


def release(path: Path, owner: str) -> None:
    """Give back what a writer has claimed and not finished: those runs are missing again, their half curves gone."""
    with changing(path) as connection:
        _bury(connection, owner)


def owns(connection: sqlite3.Connection, key: str, owner: str) -> bool:
    """Whether a run is being trained by this owner; tells the others that the owner lives."""
    connection.execute("UPDATE writers SET beats = beats + 1 WHERE owner = ?", (owner,))
    return connection.execute("SELECT 1 FROM runs WHERE key = ? AND owner = ?", (key, owner)).fetchone() is not None


def _sign(connection: sqlite3.Connection, owner: str) -> None:
    """Enter a writer. Its beats begin anywhere, so that one who comes back does not look like its silent self."""
    place, process = here(), os.getpid()
    # Those who hold nothing, perhaps since they died after their last run, sign again when they claim.
    connection.execute("DELETE FROM writers WHERE owner NOT IN (SELECT owner FROM runs WHERE owner IS NOT NULL)")
    connection.execute(
        "INSERT INTO writers (owner, place, process, born, beats) VALUES (?, ?, ?, ?, ?) "
        "ON CONFLICT (owner) DO UPDATE SET beats = beats + 1",
        (owner, place, process, born(process), secrets.randbelow(2**31)),
    )


def _bury(connection: sqlite3.Connection, owner: str) -> None:
    connection.execute("DELETE FROM runs WHERE owner = ?", (owner,))
    connection.execute("DELETE FROM writers WHERE owner = ?", (owner,))


def _is_dead(connection: sqlite3.Connection, owner: str, watch: Watch) -> bool:
    row = connection.execute("SELECT place, process, born, beats FROM writers WHERE owner = ?", (owner,)).fetchone()
    if row is None:
        return True
    place, process, birth, beats = row
    return (place == here() != "" and is_gone(process, birth)) or watch.is_silent(owner, beats)


def here() -> str:
    """Where process numbers mean the same: host, boot and, in containers, name space; nothing where that is unknown."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{socket.gethostname()} {boot} {Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return ""


def born(process: int) -> str:
    """When a process began, in ticks since the boot; nothing if that is unknown or it is dead and not yet buried."""
    try:
        facts = Path(f"/proc/{process}/stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if facts[0] in "ZX" else facts[19]


def is_gone(process: int, birth: str) -> bool:
    """Whether the process that was born then is no more; another may have its number by now."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return True
    except PermissionError:  # another user's, which the system may hide: alive, unless it shows another birth
        return born(process) not in ("", birth)
    return born(process) != birth
