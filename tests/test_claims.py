"""Who works on which run: claims, leases without a clock of the wall, and writers that come back from the dead."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from store_runs import MACHINE, epoch, keep, run, spec
from thalweg.errors import InputError
from thalweg.lab import claims, database, store

TESTS = Path(__file__).parent
ONE = spec(0)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    store.prepare(tmp_path / "store.db")
    return tmp_path / "store.db"


class Clock:
    """A monotonic clock that goes when told."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(claims.time, "monotonic", clock)
    return clock


def watched(path: Path, clock: Clock, seconds: int, meanwhile: Callable[[], object] = int) -> store.Watch:
    """Look every five seconds."""
    watch = store.look(path)
    for _ in range(seconds // 5):
        clock.now += 5
        meanwhile()
        watch = store.look(path, watch)
    return watch


def end_in(path: Path, code: str) -> subprocess.CompletedProcess[str]:
    """Another process that claims the run as "other", stores an epoch, and then does what `code` says."""
    lines = (
        "import os, sys, time; from pathlib import Path; from thalweg.lab import store; import store_runs as s",
        f"p = Path({str(path)!r}); print(store.claim(p, s.spec(0), 'other', {{}}))",
        "store.add_epoch(p, s.spec(0).key, 'other', s.epoch(1)); sys.stdout.flush()",
        code,
    )
    return subprocess.run([sys.executable, "-c", "\n".join(lines)], cwd=TESTS, capture_output=True, text=True)


@pytest.mark.parametrize("status", ["finished", "diverged", "stopped"])
def test_what_is_final_is_done(path: Path, status: str) -> None:
    keep(path, run(ONE, status))
    assert store.claim(path, ONE, "me", MACHINE) == "done"
    assert not store.add_epoch(path, ONE.key, "me", epoch(1))
    assert not store.finish(path, run(ONE, "failed"), "me")
    assert store.find(path, [ONE.key])[ONE.key]["status"] == status


def test_what_failed_is_done_again(path: Path) -> None:
    keep(path, run(ONE, "failed", "out of memory", epochs=2))
    assert store.done(path, [ONE.key]) == set()
    assert store.find(path, [ONE.key])[ONE.key]["message"] == "out of memory"
    assert store.claim(path, ONE, "me", {"Python": "4"}) == "mine"
    running = store.find(path, [ONE.key], running=True)[ONE.key]
    assert (running["epochs"], running["message"], running["environment"]) == ([], "", {"Python": "4"})


def test_a_claim_holds_against_others_and_begins_again_for_its_own(path: Path) -> None:
    assert store.claim(path, ONE, "me", MACHINE) == "mine"
    assert store.add_epoch(path, ONE.key, "me", epoch(1))
    assert store.claim(path, ONE, "other", MACHINE) == "taken"
    assert not store.add_epoch(path, ONE.key, "other", epoch(2))
    assert not store.finish(path, run(ONE), "other")
    assert store.claim(path, ONE, "me", MACHINE) == "mine"  # its worker died: from the beginning
    assert store.find(path, [ONE.key], running=True)[ONE.key]["epochs"] == []
    assert store.finish(path, run(ONE), "me")
    assert not store.finish(path, run(ONE), "me")


def test_release_gives_back_what_is_not_finished(path: Path) -> None:
    keep(path, run(spec(1)))
    for seed in (0, 2):
        store.claim(path, spec(seed), "me", MACHINE)
    store.claim(path, spec(3), "other", MACHINE)
    store.release(path, "me")
    keys = {spec(seed).key: seed for seed in range(4)}
    assert sorted(keys[key] for key in store.find(path, keys, running=True)) == [1, 3]
    assert store.beat(path, "other") and not store.beat(path, "me")
    assert store.claim(path, ONE, "other", MACHINE) == "mine"


@pytest.mark.parametrize("code", ["os._exit(0)", "os.kill(os.getpid(), 9)"])
def test_a_writer_of_this_machine_whose_process_is_gone_is_dead_at_once(path: Path, code: str) -> None:
    assert end_in(path, code).stdout == "mine\n"
    assert store.claim(path, ONE, "me", MACHINE) == "mine"
    assert store.find(path, [ONE.key], running=True)[ONE.key]["epochs"] == []
    assert not store.add_epoch(path, ONE.key, "other", epoch(2))


def test_a_process_that_nobody_has_buried_yet_is_dead(path: Path) -> None:
    child = os.posix_spawn(sys.executable, [sys.executable, "-c", ""], os.environ)
    birth = claims.born(child)
    assert birth and not claims.is_gone(child, birth)
    give_up = time.monotonic() + 60
    while claims.born(child) and time.monotonic() < give_up:
        time.sleep(0.01)
    assert claims.is_gone(child, birth)
    os.waitpid(child, 0)
    assert claims.is_gone(child, birth)


def test_a_process_number_that_another_process_has_by_now(path: Path) -> None:
    store.claim(path, ONE, "other", MACHINE)
    with database.changing(path) as connection:
        connection.execute("UPDATE writers SET born = '1'")
    assert store.claim(path, ONE, "me", MACHINE) == "mine"


def test_a_number_of_another_machine_says_nothing(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    end_in(path, "")
    monkeypatch.setattr(claims, "here", lambda: "elsewhere")
    assert store.claim(path, ONE, "me", MACHINE) == "taken"
    monkeypatch.setattr(claims, "here", lambda: "")
    with database.changing(path) as connection:
        connection.execute("UPDATE writers SET place = ''")
    assert store.claim(path, ONE, "me", MACHINE) == "taken"


def test_a_writer_that_is_silent_for_a_minute_is_dead_and_told_so(path: Path, clock: Clock) -> None:
    store.claim(path, ONE, "other", MACHINE)
    assert store.claim(path, ONE, "me", MACHINE, watched(path, clock, 55)) == "taken"
    watch = watched(path, clock, 60)
    assert store.claim(path, ONE, "me", MACHINE, watch) == "mine"
    assert not store.beat(path, "other")
    assert not store.add_epoch(path, ONE.key, "other", epoch(1))
    assert not store.finish(path, run(ONE), "other")
    assert store.claim(path, spec(1), "other", MACHINE) == "mine"  # it lives, and signs again
    assert store.claim(path, spec(1), "me", MACHINE, watch) == "taken"  # and does not look like its silent self


@pytest.mark.parametrize("sign", ["beat", "epoch"])
def test_a_writer_that_gives_signs_of_life_keeps_its_runs(path: Path, clock: Clock, sign: str) -> None:
    store.claim(path, ONE, "other", MACHINE)
    live = {
        "beat": lambda: store.beat(path, "other"),
        "epoch": lambda: store.add_epoch(path, ONE.key, "other", epoch(1)),
    }[sign]
    assert store.claim(path, ONE, "me", MACHINE, watched(path, clock, 600, live)) == "taken"
    watch = watched(path, clock, 60)
    live()  # between the look and the claim
    assert store.claim(path, ONE, "me", MACHINE, watch) == "taken"


def test_a_frozen_watcher_takes_nobody_for_dead(path: Path, clock: Clock) -> None:
    """A machine that sleeps stops the writer, too: ten hours between two looks count as ten seconds."""
    store.claim(path, ONE, "other", MACHINE)
    watch = store.look(path)
    for _ in range(5):
        clock.now += 36000
        watch = store.look(path, watch)
        assert store.claim(path, ONE, "me", MACHINE, watch) == "taken"
    clock.now += 36000
    assert store.claim(path, ONE, "me", MACHINE, store.look(path, watch)) == "mine"


@pytest.mark.parametrize("jump", [-1e9, 1e9])
def test_a_clock_that_jumps_changes_nothing(path: Path, jump: float, monkeypatch: pytest.MonkeyPatch) -> None:
    real = time.time
    store.claim(path, ONE, "other", MACHINE)
    store.add_epoch(path, ONE.key, "other", epoch(1))
    watch = store.look(path)
    monkeypatch.setattr(time, "time", lambda: real() + jump)
    monkeypatch.setattr(time, "time_ns", lambda: int((real() + jump) * 1e9))
    watch = store.look(path, watch)
    assert store.claim(path, ONE, "me", MACHINE, watch) == "taken"
    assert store.beat(path, "other")
    assert store.add_epoch(path, ONE.key, "other", epoch(2))
    store.save_comparison(path, "first", {})
    monkeypatch.setattr(time, "time", lambda: real() - 2 * jump)
    store.save_comparison(path, "second", {})
    assert [name for name, _ in store.comparisons(path)] == ["first", "second"]
    assert store.finish(path, run(ONE), "other")
    assert len(store.find(path, [ONE.key])[ONE.key]["epochs"]) == 3


def test_nothing_of_the_store_asks_the_wall_clock() -> None:
    for module in (claims, database, store):
        text = Path(module.__file__).read_text(encoding="utf-8")
        assert "time.time" not in text and "datetime" not in text, module.__name__


def test_writing_beats_and_gives_back_in_the_end(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(claims, "PULSE", 0.01)
    with pytest.raises(KeyboardInterrupt), store.writing(path) as owner:
        store.claim(path, ONE, owner, MACHINE)
        first, give_up = store.look(path).beats[owner], time.monotonic() + 60
        while store.look(path).beats[owner] < first + 3:
            assert time.monotonic() < give_up
        raise KeyboardInterrupt
    assert store.find(path, [ONE.key], running=True) == {}
    assert store.look(path).beats == {}
    assert store.claim(path, ONE, "me", MACHINE) == "mine"


def test_what_goes_wrong_in_a_study_is_not_taken_for_the_stores_fault(path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="data"), store.writing(path):
        raise FileNotFoundError("data")


def test_writers_that_hold_nothing_leave_no_rows(path: Path) -> None:
    for seed in range(5):
        store.claim(path, spec(seed), f"owner {seed}", MACHINE)
        store.finish(path, run(spec(seed)), f"owner {seed}")
    assert len(store.look(path).beats) == 1


def test_a_claim_on_a_store_of_an_older_version_is_a_sentence(path: Path) -> None:
    with database.changing(path) as connection:
        connection.execute("PRAGMA user_version = 1")
    with pytest.raises(InputError, match="prepare it first"):
        store.claim(path, ONE, "me", MACHINE)
