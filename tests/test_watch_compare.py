"""Watching in a comparison: it decides nothing, stays small, and goes with its run into the store and out of it."""

import dataclasses
import json
import pickle
import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from lab_runs import made, planned, spec_of, specs_of, train_here, without_times
from store_runs import MACHINE, epoch, keep, run, spec
from thalweg.errors import InputError
from thalweg.lab import database, recorder, store, study
from thalweg.lab.comparison import comparison
from thalweg.lab.export import ALARMS, FIGURES, export
from thalweg.lab.merge import merge
from thalweg.lab.recorder import Recorder
from thalweg.lab.watched import Noted, Watched, packed, unpacked
from thalweg.lab.watching import alarms, figures
from thalweg.watch.alarm import Finding, Raised
from thalweg.watch.history import Measured
from thalweg.watch.subject import Group, Part, Subject

NOTED = Noted(48, 2, "epsilon", "a.weight", 0.97, "In a.weight epsilon rules.", "Lower it.")
LINES = {"lr": ((0.1, 0.1, 0.1),) * 2, "gradient_norm": ((1.5, None, 2.5), (0.5, 1e-9, 0.5))}
SEEN = Watched(16, ("a.weight", "a.bias"), ("group 0",), (16, 32), (0.75, None), LINES, (NOTED,))


def subject(layers: int) -> Subject:
    names = [f"layer {k}" for k in range(layers)]
    parts = [Part(name, 0, name == "all", 4, 4, "float32") for name in (*names, "all")]
    return Subject(tuple(parts), (Group(0, "Adam", "adam"),))


def told(measurements: int, layers: int = 2, every: int = 16) -> Watched:
    """What a recorder keeps of so many measurements."""
    kept = Recorder(every)
    kept.begin(subject(layers))
    for number in range(1, measurements + 1):
        values = {"lr": np.full(layers + 1, number / 3), "nonfinite": np.full(layers + 1, np.inf)}
        kept.measured(Measured(every * number, 1.0 / number, values))
    seen = kept.watched([8])
    assert seen is not None
    return seen


# --- it decides nothing ---


@pytest.mark.parametrize("optimizer", ["adam:lr=0.01", "sgd:momentum=0.9,lr=0.1", "adam@2/adagrad:lr=0.05"])
def test_every_bit_of_a_run_is_as_without_watching(optimizer: str) -> None:
    plain = spec_of(optimizer, epochs=3, watch=0)
    unwatched = without_times(train_here(plain))
    assert unwatched.watched is None and len(unwatched.epochs) == 3
    for every in (1, 4):
        found = dataclasses.replace(plain, watch=every)
        assert found.key == plain.key
        result = without_times(train_here(found))
        assert dataclasses.replace(result, watched=None, spec=plain) == unwatched
        assert result.watched is not None and result.watched.every == every
        steps = sum(e.steps for e in result.epochs)
        assert result.watched.steps == tuple(range(every, steps + 1, every))
        assert pickle.loads(pickle.dumps(result)) == result  # as engines send it


def test_a_run_that_diverges_is_watched_to_its_end() -> None:
    result = train_here(spec_of("sgd:lr=1e30", epochs=2, watch=1))
    assert result.status == "diverged" and result.watched is not None
    assert result.watched.alarms and all(one.epoch == 1 for one in result.watched.alarms)
    assert {one.alarm for one in result.watched.alarms} & {"nonfinite", "divergence", "lr_high"}
    packed(result.watched)  # nothing in it that JSON has not


def test_trials_are_not_watched_and_a_negative_number_is_refused() -> None:
    tuned = planned("adam:lr=0.01", tune=2, watch=7)
    parts = {s.part: s.watch for _, s in study.wanted(tuned, {})}
    assert parts == {"final": 7, "tuning": 0}
    with pytest.raises(InputError, match="--watch must be a whole number of steps, got -1: choose 0"):
        planned(watch=-1)


# --- it stays small ---


def test_a_short_run_is_kept_whole_and_a_long_one_thinned_evenly() -> None:
    short, long = told(recorder.MOST), told(10 * recorder.MOST)
    assert short.steps == tuple(16 * k for k in range(1, 201))
    assert 100 <= len(long.steps) <= recorder.MOST
    assert {b - a for a, b in zip(long.steps, long.steps[1:], strict=False)} == {16 * 16}
    assert long.figures["lr"][0] == (0.3333,) * 3 and long.loss[0] == 1.0
    assert list(long.figures) == ["lr"]  # what is never a finite number is no line
    assert set(long.steps) <= set(told(3000).steps) | set(told(5 * recorder.MOST).steps)


def test_a_network_of_a_thousand_layers_has_fewer_measurements() -> None:
    deep = told(300, layers=1000)
    assert 2 <= len(deep.steps) <= 20 and len(packed(deep)) < 50_000
    assert len(told(40, layers=30_000).steps) == 2


def test_alarms_have_the_epoch_of_their_step_and_phases_go_on_counting() -> None:
    kept = Recorder(1)
    kept.begin(subject(2))
    for _ in range(20):
        kept.loss(0.5)
    kept._before = 20  # as at a switch: the second watcher counts from 1
    for step in (1, 12, 13, 30):
        kept.raised(Raised(step, "spike", Finding("layer \udcff", float("inf"), "words", "")))
    seen = kept.watched([16, 16])
    assert seen is not None
    assert [(one.step, one.epoch) for one in seen.alarms] == [(21, 2), (32, 2), (33, 3), (50, 3)]
    assert seen.alarms[0].value is None and seen.alarms[0].part == "layer \\udcff"
    assert seen.alarms[0].advice  # the alarm's own, where the finding has none


def test_parts_that_change_keep_the_columns_of_the_beginning() -> None:
    kept = Recorder(1)
    kept.begin(subject(3))
    kept.measured(Measured(1, 1.0, {"lr": np.arange(4.0)}))
    kept.begin(subject(1))
    kept.measured(Measured(2, 1.0, {"lr": np.arange(2.0)}))
    seen = kept.watched([])
    assert seen is not None and seen.figures["lr"] == ((0.0, 1.0, 2.0, 3.0), (0.0, None, None, 1.0))


# --- the store ---


@pytest.fixture
def path(tmp_path: Path) -> Path:
    store.prepare(tmp_path / "store.db")
    return tmp_path / "store.db"


def test_it_comes_back_as_it_was_and_only_for_runs_that_were_watched(path: Path) -> None:
    runs = [run(spec(0))._replace(watched=SEEN), run(spec(1)), run(spec(2), "diverged")._replace(watched=told(3))]
    keep(path, *runs)
    keys = [one.spec.key for one in runs]
    assert store.watched(path, reversed(keys)) == {keys[2]: told(3), keys[0]: SEEN}
    assert store.watched(path, ["unknown"]) == {}
    assert list(store.find(path, keys)) == keys


def test_a_run_that_is_cut_leaves_nothing_and_one_that_failed_is_replaced(path: Path) -> None:
    failed = run(spec(0), "failed")._replace(watched=SEEN)
    keep(path, failed)
    owner = store.new_owner()
    assert store.claim(path, spec(0), owner, MACHINE) == "mine"
    assert store.watched(path, [spec(0).key]) == {}
    store.add_epoch(path, spec(0).key, owner, epoch(1))
    store.release(path, owner)
    keep(path, run(spec(0))._replace(watched=told(2)))
    assert store.watched(path, [spec(0).key]) == {spec(0).key: told(2)}


def test_a_study_that_is_made_again_has_the_same_figures_and_alarms(tmp_path: Path) -> None:
    asked = planned("adam:lr=0.01,eps=1", watch=1)
    found = []
    for name in ("whole.db", "cut.db"):
        place = tmp_path / name
        store.prepare(place)
        if name == "cut.db":  # killed in the second epoch
            owner = store.new_owner()
            store.claim(place, specs_of(asked)[0], owner, MACHINE)
            store.add_epoch(place, specs_of(asked)[0].key, owner, epoch(1))
            store.release(place, owner)
        made(asked, place)
        found.append(store.watched(place, [s.key for s in specs_of(asked)]))
    assert found[0] == found[1] and len(found[0]) == 1
    # and asked again with another number, nothing is trained or lost
    again = planned("adam:lr=0.01,eps=1", watch=0)
    known: dict = {}
    assert not [*study.wanted(again, store.find(place, [s.key for s in specs_of(again)]))]
    known |= store.find(place, [s.key for s in specs_of(again)])
    row = comparison(again, known, lambda keys: store.watched(place, keys)).rows[0]
    assert row.watched is not None and row.watched.every == 1


def test_a_store_of_version_2_is_upgraded_and_its_runs_were_not_watched(tmp_path: Path) -> None:
    place = tmp_path / "old.db"
    with closing(sqlite3.connect(place)) as connection:
        connection.executescript(database.SCHEMA)
        connection.execute("PRAGMA user_version = 2")
        row = (spec(0).key, "finished", json.dumps(dataclasses.asdict(spec(0))), json.dumps(MACHINE))
        connection.execute("INSERT INTO runs (key, status, spec, environment) VALUES (?, ?, ?, ?)", row)
        connection.commit()
    assert store.watched(place, [spec(0).key]) == {}  # read as it is, and left as it is
    with closing(sqlite3.connect(place)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (2,)
    store.prepare(place)
    keep(place, run(spec(1))._replace(watched=SEEN))
    assert store.done(place, [spec(0).key]) == {spec(0).key}
    assert store.watched(place, [spec(0).key, spec(1).key]) == {spec(1).key: SEEN}


@pytest.mark.parametrize(
    "content",
    [b"no zlib", packed(SEEN)[:-9], packed(dataclasses.replace(SEEN, steps=(1,)))],
    ids=["other bytes", "cut", "other lengths"],
)
def test_damaged_figures_are_one_sentence(path: Path, content: bytes) -> None:
    keep(path, run(spec(0))._replace(watched=SEEN))
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE watched SET figures = ?", (content,))
    with pytest.raises(InputError, match=r"expected the figures of run \w{12} in the store .* the file is damaged"):
        store.watched(path, [spec(0).key])


def test_what_unpacks_to_more_than_a_run_can_have_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("thalweg.lab.watched.MOST_BYTES", 100)
    with pytest.raises(ValueError, match="larger than a run's can be"):
        unpacked(16, packed(SEEN), ())


def test_merging_keeps_it_and_fills_it_in(tmp_path: Path) -> None:
    one, two = tmp_path / "a.db", tmp_path / "b.db"
    for place, seen in ((one, None), (two, SEEN)):
        store.prepare(place)
        keep(place, run(spec(0))._replace(watched=seen), run(spec(1), "failed")._replace(watched=told(2)))
    store.prepare(tmp_path / "c.db")
    keep(tmp_path / "c.db", run(spec(1))._replace(watched=told(4)))
    merge([one, two, tmp_path / "c.db"], tmp_path / "all.db")
    found = store.watched(tmp_path / "all.db", [spec(0).key, spec(1).key])
    assert found == {spec(0).key: SEEN, spec(1).key: told(4)}


def test_exports(path: Path, tmp_path: Path) -> None:
    keep(path, run(spec(0))._replace(watched=SEEN), run(spec(1)))

    def lines(what: str) -> list[dict]:
        out = tmp_path / f"{what}.jsonl"
        count = export(path, out, what)
        rows = [json.loads(line) for line in out.read_text().splitlines()]
        assert len(rows) == count
        return rows

    assert [(r["seed"], r["epoch"], r["watch"], r["alarms"]) for r in lines("epochs")] == [
        *((0, k, 16, int(k == 2)) for k in (1, 2, 3)),
        *((1, k, None, None) for k in (1, 2, 3)),
    ]
    (alarm,) = lines("alarms")
    assert list(alarm) == list(ALARMS) and (alarm["layer"], alarm["step"], alarm["value"]) == ("a.weight", 48, 0.97)
    rows = lines("figures")
    assert list(rows[0]) == list(FIGURES) and len(rows) == 2 * 3
    assert [r["gradient_norm"] for r in rows] == [1.5, None, 2.5, 0.5, 1e-9, 0.5]
    assert {(r["layer"], r["step"], r["fall"]) for r in rows[:2]} == {("a.weight", 16, None), ("a.bias", 16, None)}
    assert export(path, tmp_path / "figures.parquet", "figures") == 6
    assert export(path, tmp_path / "alarms.csv", "alarms") == 1
    with pytest.raises(InputError, match="expected epochs, figures or alarms to export, got 'alarm'"):
        export(path, tmp_path / "x.csv", "alarm")


# --- the row of the table ---


def test_a_row_has_the_alarms_of_its_seeds_once() -> None:
    later = dataclasses.replace(NOTED, step=80, epoch=3, words="later")
    other = dataclasses.replace(NOTED, step=16, epoch=1, alarm="no such alarm", part="")
    seen = {
        0: dataclasses.replace(SEEN, alarms=(later, later)),
        1: dataclasses.replace(SEEN, alarms=(NOTED, later, other)),
        4: dataclasses.replace(SEEN, alarms=()),
    }
    first, second = alarms(seen)
    assert (first.alarm, first.title, first.part, first.seeds, first.watched) == (
        "no such alarm",
        "no such alarm",
        "",
        (1,),
        3,
    )
    assert (second.alarm, second.seeds, second.steps, second.first_step) == ("epsilon", (0, 1), (80, 48), 48)
    assert (second.words, second.first_epoch, second.advice) == (NOTED.words, 2, "Lower it.")
    assert second.title != "epsilon" and second.meaning
    assert alarms({}) == ()


def test_a_row_has_the_medians_of_its_seeds() -> None:
    lr = {"lr": ((3.0, 5.0, 7.0),)}
    short = dataclasses.replace(SEEN, steps=(16,), loss=(0.25,), figures=lr)
    found = figures([SEEN, short])
    assert found is not None and (found.seeds, found.every, found.steps) == (2, 16, (16, 32))
    assert found.loss == (0.5, None)
    assert found.figures == {"lr": ((7.0 + 0.1) / 2, 0.1), "gradient_norm": (2.5, 0.5)}
    assert found.layers == {"a.weight": {"gradient_norm": (1.5, 0.5)}, "a.bias": {"gradient_norm": (None, 1e-9)}}
    assert figures([]) is None


def test_a_row_is_small_and_shows_the_layers_with_alarms() -> None:
    deep = dataclasses.replace(told(200, layers=40), alarms=(dataclasses.replace(NOTED, part="layer 33"),))
    found = figures([deep])
    assert found is not None and len(found.layers) == 12 and found.unseen == 28 and "layer 33" in found.layers
    assert len(found.steps) <= 60
