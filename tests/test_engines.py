"""Engines: what they tell, what they do when a worker or its parent dies, and the same numbers on each."""

import dataclasses
import os
import pickle
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import cloudpickle
import pytest

from lab_runs import TINY, planned, specs_of, train_here, without_times
from thalweg.errors import InputError
from thalweg.lab import engines
from thalweg.lab.engines import engine as interface
from thalweg.lab.engines import ray as ray_engine
from thalweg.lab.engines.engine import Engine, Event, Progress, Started
from thalweg.lab.engines.worker import lacking, placed
from thalweg.lab.files import find_problem
from thalweg.lab.run import Run
from thalweg.lab.spec import RunSpec

TEXT = Path(TINY).read_text(encoding="utf-8")
MODEL = "def model(seed: int) -> nn.Module:\n"
MEASURED = """
import dataclasses, os, random, sys, torch
from torch.utils.data import DataLoader

SEEN = []

def measured(model, batch):
    SEEN.append(1)
    {body}

PROBLEM = dataclasses.replace(PROBLEM, metric=measured)
"""
# Ends its own process in the second epoch of seed 1, as a machine short of memory would.
DEADLY = """if torch.initial_seed() == 1 and len(SEEN) == 2 and {condition}:
        open({marker!r}, "w").close()
        os.kill(os.getpid(), 9)
    return 0.5"""


def asked(folder: Path, text: str = TEXT, optimizers: str = "sgd:lr=0.1", name: str = "own.py", **options) -> list:
    """The specs of a problem file of such a text."""
    (folder / name).write_text(text, encoding="utf-8")
    return specs_of(planned(optimizers, str(folder / name), **{"epochs": 3, **options}))


def events_of(engine: Engine, specs: Sequence[RunSpec], limit: float = 120) -> list[Event]:
    """What an engine tells of some specs, never more submitted than it has slots."""
    waiting, events, end = [*specs], [], time.monotonic() + limit
    busy = 0
    while (waiting or busy) and time.monotonic() < end:
        while waiting and busy < engine.slots:
            engine.submit(waiting.pop(0))
            busy += 1
        new = engine.wait(1)
        busy -= sum(isinstance(event, Run) for event in new)
        events += new
    return events


def runs_of(events: Sequence[Event]) -> dict[str, Run]:
    return {event.spec.key: without_times(event) for event in events if isinstance(event, Run)}


@pytest.fixture(scope="module")
def local() -> Iterator[Engine]:
    engine = engines.open("local", 2)
    yield engine
    engine.close()


@pytest.fixture(scope="module")
def cluster() -> Iterator[Engine]:
    engine = engines.open("ray", 2)
    yield engine
    engine.close()


@pytest.fixture(params=["local", pytest.param("cluster", marks=pytest.mark.slow)])
def engine(request: pytest.FixtureRequest) -> Engine:
    return request.getfixturevalue(request.param)


def test_every_engine_gives_the_numbers_of_this_process(engine: Engine, tmp_path: Path) -> None:
    specs = asked(tmp_path, optimizers="adam:lr=0.01,sgd:lr=0.1,irprop_minus", seeds=2)
    assert len(specs) == 6
    events = events_of(engine, specs)
    for spec in specs:
        own = [event for event in events if event.spec == spec]
        assert [type(event) for event in own] == [Started, Progress, Progress, Progress, Run]
        assert [event.epoch for event in own if isinstance(event, Progress)] == list(own[-1].epochs)
        assert without_times(own[-1]) == without_times(train_here(spec))
        assert own[-1].status == "finished"


FAULTS = {
    'raise FileNotFoundError("no such table")': r"FileNotFoundError: no such table \(own.py:\d+\)",
    "raise SystemExit(3)": r"SystemExit: 3 \(own.py:\d+\)",
    "return nn.Linear(7, 3)": r"RuntimeError: mat1 and mat2 .*\(\w+.py:\d+\)",
}


def test_a_run_that_raises_fails_alone_at_once_and_tells_where(engine: Engine, tmp_path: Path) -> None:
    for fault, message in FAULTS.items():
        broken = TEXT.replace(MODEL, f"{MODEL}    if seed == 1:\n        {fault}\n")
        events = events_of(engine, asked(tmp_path, broken, seeds=3))
        results = {result.spec.seed: result for result in runs_of(events).values()}
        assert [results[seed].status for seed in range(3)] == ["finished", "failed", "finished"]
        assert re.fullmatch(message, results[1].message), results[1].message
        assert sum(isinstance(event, Started) for event in events) == 3


def test_a_run_whose_worker_dies_begins_anew_and_gives_the_same(engine: Engine, tmp_path: Path) -> None:
    marker = str(tmp_path / "died")
    body = DEADLY.format(condition=f"not os.path.exists({marker!r})", marker=marker)
    specs = asked(tmp_path, TEXT + MEASURED.format(body=body), seeds=3)
    events = events_of(engine, specs)
    assert Path(marker).exists()
    cut = [type(event) for event in events if event.spec.seed == 1]
    assert cut[-5:] == [Started, Progress, Progress, Progress, Run]
    assert cut[:-5] in ([Started, Progress], [Started], []), "Ray may not have sent on what the worker told at last"
    assert runs_of(events) == {spec.key: without_times(train_here(spec)) for spec in specs}


@pytest.mark.slow
def test_a_run_whose_every_worker_dies_fails_and_the_others_do_not(engine: Engine, tmp_path: Path) -> None:
    body = DEADLY.format(condition="True", marker=str(tmp_path / "died"))
    events = events_of(engine, asked(tmp_path, TEXT + MEASURED.format(body=body), seeds=3))
    results = {result.spec.seed: result for result in runs_of(events).values()}
    assert [results[seed].status for seed in range(3)] == ["finished", "failed", "finished"]
    assert "its worker died 3 times" in results[1].message
    assert 1 <= sum(isinstance(event, Started) and event.spec.seed == 1 for event in events) <= interface.ATTEMPTS


def test_what_was_edited_or_belongs_to_another_machine_is_not_trained(local: Engine, tmp_path: Path) -> None:
    (spec,) = asked(tmp_path)
    others = [dataclasses.replace(spec, **{name: "x"}) for name in ("data_digest", "code_digest", "torch", "processor")]
    others.append(dataclasses.replace(spec, phases=(dataclasses.replace(spec.phases[0], rule_digest="x"),)))
    messages = [result.message for result in runs_of(events_of(local, others)).values()]
    Path(spec.problem).write_text(TEXT + "# edited\n", encoding="utf-8")
    messages += [result.message for result in runs_of(events_of(local, [spec])).values()]
    expected = ("data has changed", "Thalweg's code", "expected torch", "the processor", "rule has", "problem has")
    assert all(any(text in message for message in messages) for text in expected), messages


@pytest.mark.slow
def test_threads_are_those_of_the_spec_also_where_ray_and_torch_would_decide(engine: Engine, tmp_path: Path) -> None:
    body = 'return 10 * float(os.environ.get("OMP_NUM_THREADS", 0)) + torch.get_num_threads()'
    (spec,) = asked(tmp_path, TEXT + MEASURED.format(body=body), epochs=1)
    for threads in (2, 1):
        (result,) = runs_of(events_of(engine, [dataclasses.replace(spec, threads=threads)])).values()
        assert result.epochs[0].metric == 11 * threads, result.message


def test_runs_of_one_worker_notice_nothing_of_each_other(local: Engine, tmp_path: Path) -> None:
    """Global generators, a module's own variables, standard input and output; and a loader may have workers."""
    body = "\n    ".join(
        [
            "print('noise', os.read(0, 9))",
            "next(iter(DataLoader([1.0], num_workers=1)))",
            "return len(SEEN) + random.random() + np.random.random() + NOISE.random()",
        ]
    )
    text = TEXT + "\nNOISE = np.random.default_rng(7)\n" + MEASURED.format(body=body)
    (spec,) = asked(tmp_path, text, epochs=2)
    results = [next(iter(runs_of(events_of(local, [spec])).values())) for _ in range(3)]
    assert results[0].status == "finished", results[0].message
    assert results[0] == results[1] == results[2]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["local", "ray"])
def test_a_problem_in_memory_is_sent(name: str, tmp_path: Path) -> None:
    (spec,) = asked(tmp_path)
    problem, scale = find_problem(spec.problem), 3.0
    expected = train_here(spec).epochs[0].metric
    module = sys.modules[problem.model.__module__]
    (tmp_path / "own.py").unlink()
    cloudpickle.register_pickle_by_value(module)
    measure = problem.metric
    assert measure is not None
    packed = dataclasses.replace(problem, metric=lambda model, batch: measure(model, batch) * scale)
    engine = engines.open(name, 1, packed=cloudpickle.dumps(packed))
    try:
        (result,) = runs_of(events_of(engine, [dataclasses.replace(spec, problem="of a notebook")])).values()
    finally:
        engine.close()
        cloudpickle.unregister_pickle_by_value(module)
    assert result.status == "finished", result.message
    assert result.epochs[0].metric == pytest.approx(scale * expected)


def test_files_that_a_machine_lacks_are_written_there(tmp_path: Path) -> None:
    (spec,) = asked(tmp_path)
    phase = dataclasses.replace(spec.phases[0], rule="l2(decoupled(my.py))")
    away = dataclasses.replace(spec, problem="else/where.py", phases=(phase,))
    files = {"else/where.py": b"x", "my.py": b"y", spec.problem: TEXT.encode()}
    assert list(lacking(files)) == ["else/where.py", "my.py"]
    found = placed(away, lacking(files), tmp_path / "there")
    assert Path(found.problem).read_bytes() == b"x"
    assert Path(found.phases[0].rule.removeprefix("l2(decoupled(").removesuffix("))")).read_bytes() == b"y"
    here = dataclasses.replace(away, problem=spec.problem)
    assert ray_engine._files(here) == {spec.problem: TEXT.encode()}
    assert lacking({spec.problem: b"older"}) == {spec.problem: b"older"}


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("rya",), "did you mean 'ray'"),
        (("local", 0), "expected at least 1 job"),
        (("local", 1, "auto"), "only with the engine 'ray'"),
        (("ray", 1, "ray://head:10001"), "Ray Client"),
        (("ray", 1, "nonsense"), "host:port"),
        (("ray", 1, "127.0.0.1:1"), "host:port"),
    ],
)
def test_engines_that_cannot_be_opened_are_refused(arguments: tuple, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        engines.open(*arguments)


def test_a_missing_ray_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray_engine, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"pip install 'thalweg\[ray\]'"):
        engines.open("ray")


SCRIPT = """
import pickle, sys
from thalweg.lab import engines
engine = engines.open(sys.argv[1], 2)  # no `if __name__ == "__main__"`: workers do not import this script
for spec in pickle.load(open(sys.argv[2], "rb")):
    engine.submit(spec)
while True:
    for event in engine.wait(1):
        print(type(event).__name__, flush=True)
"""


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="finds processes as Linux tells of them")
@pytest.mark.parametrize("name", ["local", pytest.param("ray", marks=pytest.mark.slow)])
def test_nothing_is_left_of_a_parent_that_is_killed(name: str, tmp_path: Path) -> None:
    specs, script = tmp_path / "specs", tmp_path / "script.py"
    specs.write_bytes(pickle.dumps(asked(tmp_path, seeds=2, epochs=10**6)))
    script.write_text(SCRIPT)
    temporary = Path(tempfile.mkdtemp())  # short, for Ray's sockets, and known to every process by its environment
    variables = {**os.environ, "TMPDIR": str(temporary)}
    with subprocess.Popen([sys.executable, script, name, specs], stdout=subprocess.PIPE, env=variables) as parent:
        assert parent.stdout is not None
        seen = [parent.stdout.readline() for _ in range(6)]
        assert b"Progress\n" in seen
        assert len(_processes(f"TMPDIR={temporary}")) >= 3
        parent.send_signal(signal.SIGKILL)
    end = time.monotonic() + 60
    while _processes(f"TMPDIR={temporary}") and time.monotonic() < end:
        time.sleep(0.1)
    assert _processes(f"TMPDIR={temporary}") == []
    temporary.rmdir()


def _processes(variable: str) -> list[str]:
    """The processes that inherited an environment variable."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if variable.encode() in (folder / "environ").read_bytes().split(b"\0"):
                found.append(folder.name)
        except OSError:  # ended meanwhile, or somebody else's
            continue
    return found
