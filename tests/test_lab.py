"""From a problem to a stored table: the loop, the key, the store, and the processes."""

import dataclasses
import os
import signal
import sqlite3
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from lab_runs import train_here, without_times
from thalweg.errors import InputError
from thalweg.lab import store, study
from thalweg.lab.engine import Progress, Started, run_all
from thalweg.lab.files import find_problem, find_rule_or_file
from thalweg.lab.run import Run, data_order
from thalweg.lab.spec import RunSpec, environment

TINY = str(Path(__file__).with_name("problem_tiny.py"))


def plan(optimizers: str = "adam:lr=0.01", **options) -> study.Study:
    return study.plan(TINY, **{"optimizers": optimizers, "seeds": 1, "epochs": 2, **options})


def test_orders_differ_between_epochs_and_seeds_and_are_whole() -> None:
    orders = [data_order(seed, epoch, 4000) for seed in range(3) for epoch in range(1, 11)]
    assert len({order.tobytes() for order in orders}) == len(orders)
    for order in orders:
        assert np.array_equal(np.sort(order), np.arange(4000))


def test_a_run_logs_different_orders_per_epoch_and_the_same_for_every_optimizer() -> None:
    runs = [train_here(spec) for specs in plan("adam:lr=0.01,sgd:lr=0.1").specs for spec in specs]
    orders = [[e.order_digest for e in result.epochs] for result in runs]
    assert orders[0] == orders[1]
    assert len(set(orders[0])) == 2
    assert runs[0].weights_digest == runs[1].weights_digest


def test_the_loss_at_one_place_of_the_order_does_not_repeat() -> None:
    """With one order for every epoch, consecutive epochs' batches would be the same sets."""
    batches = [{frozenset(batch) for batch in np.split(data_order(0, epoch, 960), 60)} for epoch in (1, 2)]
    assert not batches[0] & batches[1]


def test_the_same_spec_gives_the_same_numbers() -> None:
    spec = plan().specs[0][0]
    assert without_times(train_here(spec)) == without_times(train_here(spec))
    assert torch.get_num_threads() == spec.threads


def test_the_loop_trains_as_a_plain_torch_loop_does() -> None:
    """Against the few lines that a user would write, with torch's own optimizer in float64's place of rounding."""
    spec = plan("sgd:lr=0.1", epochs=3).specs[0][0]
    problem = find_problem(TINY)
    data = problem.load(None)
    torch.manual_seed(0)
    model = problem.model()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    x, y = (torch.from_numpy(a) for a in data.train)
    for epoch in (1, 2, 3):
        for batch in torch.from_numpy(data_order(0, epoch, 90)).split(16):
            optimizer.zero_grad()
            problem.loss(model(x[batch]), y[batch]).backward()
            optimizer.step()
    model.eval()
    expected = problem.loss(model(torch.from_numpy(data.validation[0])), torch.from_numpy(data.validation[1])).item()
    assert train_here(spec).epochs[-1].loss == pytest.approx(expected, rel=1e-5)


def test_divergence_is_a_status() -> None:
    result = train_here(plan("sgd:lr=1e30").specs[0][0])
    assert result.status == "diverged"
    assert "training loss became" in result.message


CHANGES = [
    {"seed": 1},
    {"epochs": 7},
    {"batch_size": 8},
    {"hyper": (("lr", 0.02),)},
    {"initial": (("m", 1.0),)},
    {"problem_digest": "x"},
    {"data_digest": "x"},
    {"rule_digest": "x"},
    {"threads": 2},
    {"torch": "0"},
    {"processor": "x"},
    {"code_digest": "x"},
    {"dtype": "float64"},
    {"backend": "numpy"},
]


@pytest.mark.parametrize("change", CHANGES, ids=lambda c: next(iter(c)))
def test_the_key_depends_on_everything_that_decides(change: dict) -> None:
    spec = plan().specs[0][0]
    assert dataclasses.replace(spec, **change).key != spec.key


def test_every_field_of_a_spec_is_either_deciding_or_a_place() -> None:
    changed = {next(iter(change)) for change in CHANGES}
    assert {f.name for f in dataclasses.fields(RunSpec)} - changed == {"problem", "source", "rule"}


def test_editing_a_problem_or_a_rule_changes_the_key(tmp_path: Path) -> None:
    problem, own_rule = tmp_path / "problem.py", tmp_path / "own.py"
    problem.write_text(Path(TINY).read_text())
    text = 'from thalweg import rule\n@rule("own")\ndef own(x, g, t, *, lr=0.1):\n    return x - lr * g\n'
    own_rule.write_text(text)

    def key() -> str:
        return study.plan(str(problem), optimizers=str(own_rule), seeds=1).specs[0][0].key

    first = key()
    problem.write_text(problem.read_text() + "\n# edited\n")
    second = key()
    own_rule.write_text(text.replace("lr * g", "lr * (g + g)"))
    third = key()
    own_rule.write_text(text + "# a comment is no mathematics\n")
    assert len({first, second, third}) == 3
    assert key() == second


def test_a_stored_run_comes_back(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    store.prepare(path)
    result = train_here(plan().specs[0][0])
    store.add(path, result, environment())
    found = store.find(path, [result.spec.key, "unknown"])
    assert list(found) == [result.spec.key]
    assert [e["loss"] for e in found[result.spec.key]["epochs"]] == [e.loss for e in result.epochs]
    assert store.done(path, [result.spec.key]) == {result.spec.key}


def test_a_failed_run_is_not_done_and_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    store.prepare(path)
    result = train_here(plan().specs[0][0])
    store.add(path, Run(result.spec, "failed", "no reason", (), ""), {})
    assert store.done(path, [result.spec.key]) == set()
    store.add(path, result, {})
    store.add(path, Run(result.spec, "failed", "later", (), ""), {})
    assert store.done(path, [result.spec.key]) == {result.spec.key}


def test_losses_that_are_no_numbers_are_stored_as_absent(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    store.prepare(path)
    result = train_here(plan().specs[0][0])
    epoch = dataclasses.replace(result.epochs[0], loss=float("nan"), train_loss=float("inf"))
    store.add(path, dataclasses.replace(result, epochs=(epoch,)), {})
    row = store.find(path, [result.spec.key])[result.spec.key]["epochs"][0]
    assert (row["loss"], row["train_loss"]) == (None, None)


def test_a_store_of_a_newer_version_or_of_something_else_is_refused_and_kept(tmp_path: Path) -> None:
    newer, other, garbage = tmp_path / "newer.db", tmp_path / "other.db", tmp_path / "garbage.db"
    with sqlite3.connect(newer) as connection:
        connection.execute("PRAGMA user_version = 99")
    with sqlite3.connect(other) as connection:
        connection.execute("CREATE TABLE recipes (name TEXT)")
    garbage.write_bytes(b"not a database, but long enough to look at" * 30)
    for path, message in ((newer, "newer Thalweg"), (other, "something else"), (garbage, "expected a store")):
        before = path.read_bytes()
        with pytest.raises(InputError, match=message):
            store.prepare(path)
        assert path.read_bytes() == before


def test_processes_give_the_numbers_of_this_process(tmp_path: Path) -> None:
    specs = plan("adam:lr=0.01,sgd:lr=0.1,irprop_minus", seeds=2).in_order
    events = list(run_all(specs, jobs=2))
    runs = {event.spec.key: event for event in events if isinstance(event, Run)}
    assert sum(isinstance(event, Started) for event in events) == len(specs) == len(runs)
    assert sum(isinstance(event, Progress) for event in events) == 2 * len(specs)
    for spec in specs:
        assert without_times(runs[spec.key]) == without_times(train_here(spec))


def test_a_run_that_raises_fails_alone(tmp_path: Path) -> None:
    broken = tmp_path / "broken.py"
    broken.write_text(Path(TINY).read_text().replace("nn.Linear(8, 3)", "nn.Linear(7, 3)"))
    specs = study.plan(str(broken), optimizers="sgd", seeds=2).in_order
    runs = [event for event in run_all(specs, jobs=1) if isinstance(event, Run)]
    assert [result.status for result in runs] == ["failed", "failed"]
    assert "RuntimeError" in runs[0].message


def test_files_edited_while_a_study_runs_are_not_trained_under_the_old_key(tmp_path: Path) -> None:
    problem = tmp_path / "problem.py"
    problem.write_text(Path(TINY).read_text())
    specs = study.plan(str(problem), optimizers="sgd", seeds=2).in_order
    problem.write_text(problem.read_text() + "# edited\n")
    runs = [event for event in run_all(specs, jobs=1) if isinstance(event, Run)]
    assert [result.status for result in runs] == ["failed", "failed"]
    assert "the problem has changed" in runs[0].message


def test_an_edit_of_the_same_size_in_the_same_second_is_seen(tmp_path: Path) -> None:
    own = tmp_path / "own.py"
    text = 'from thalweg import rule\n@rule("own")\ndef own(x, g, t, *, lr=0.1):\n    return x - lr * g\n'
    own.write_text(text)
    first = find_rule_or_file(str(own))
    own.write_text(text.replace("x - lr", "x + lr"))
    os.utime(own, (1, 1))
    assert (first(1.0, 1.0, 1), find_rule_or_file(str(own))(1.0, 1.0, 1)) == (0.9, 1.1)


def test_a_killed_worker_costs_its_run_only(tmp_path: Path) -> None:
    """The problem kills its own process, as a machine short of memory does, but only for one of the seeds."""
    deadly = tmp_path / "deadly.py"
    text = Path(TINY).read_text().replace("def model() -> nn.Module:\n", "def model() -> nn.Module:\n    die()\n")
    text += "\n\ndef die():\n    import os, torch\n    if torch.initial_seed() == 1:\n        os.kill(os.getpid(), 9)\n"
    deadly.write_text(text)
    specs = study.plan(str(deadly), optimizers="sgd", seeds=4).in_order
    runs = {event.spec.seed: event for event in run_all(specs, jobs=1) if isinstance(event, Run)}
    assert [runs[seed].status for seed in range(4)] == ["finished", "failed", "finished", "finished"]
    assert "exit code -9" in runs[1].message


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs POSIX processes; the engine's own tests cover the rest")
def test_workers_end_when_the_study_is_killed(tmp_path: Path) -> None:
    import subprocess
    import sys

    slow = tmp_path / "slow.py"
    slow.write_text(Path(TINY).read_text().replace("epochs=3", "epochs=100000"))
    command = [sys.executable, "-m", "thalweg.cli", "compare", str(slow), "--out", str(tmp_path / "out"), "--jobs", "2"]
    parent = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    children = Path(f"/proc/{parent.pid}/task/{parent.pid}/children")
    deadline = time.monotonic() + 120
    found: list[str] = []
    while len(found) < 3 and time.monotonic() < deadline:  # two workers and multiprocessing's resource tracker
        found = children.read_text().split() if children.exists() else []
        time.sleep(0.1)
    time.sleep(1)
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    while any(Path(f"/proc/{pid}").exists() for pid in found) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not any(Path(f"/proc/{pid}").exists() for pid in found)
