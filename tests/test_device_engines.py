"""Engines and GPUs: processes that share one, Rays that are told of some that are not there, and what a page names."""

import dataclasses
import io
import json
import secrets
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from rich.console import Console

from lab_runs import TINY, planned, spec_of, specs_of
from thalweg.cli import main
from thalweg.errors import InputError
from thalweg.lab import device, engines, make
from thalweg.lab.comparison import comparison
from thalweg.lab.engines import ray as ray_engine
from thalweg.lab.engines import worker
from thalweg.lab.engines.engine import Engine
from thalweg.lab.run import Run
from thalweg.lab.spec import RunSpec, environment
from thalweg.report.page import page
from thalweg.report.terminal import render

TEXT = Path(TINY).read_text(encoding="utf-8")


def ended(engine: Engine, specs: list[RunSpec]) -> list[Run]:
    """The runs of some specs, all begun at once."""
    for spec in specs:
        engine.submit(spec)
    found: list[Run] = []
    while len(found) < len(specs):
        found += [event for event in engine.wait(60) if isinstance(event, Run)]
    return found


def test_the_command_trains_on_another_device_and_gives_the_same_table(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """In processes of its own; the same runs, so that the second command finds them all."""
    monkeypatch.chdir(tmp_path)
    documents = []
    for name in ("cpu:0", "cpu"):
        with pytest.raises(SystemExit) as left:
            main(
                [
                    "compare",
                    TINY,
                    "--optimizers",
                    "adam:lr=0.01",
                    "--seeds",
                    "1",
                    "--epochs",
                    "1",
                    "--device",
                    name,
                    "--json",
                ]
            )
        out, err = capsys.readouterr()
        assert not left.value.code, err
        documents.append(json.loads(out))
    assert documents[0] == documents[1]


def test_a_worker_that_can_train_no_more_makes_place_for_another(tmp_path: Path) -> None:
    own = tmp_path / "own.py"
    text = "\nimport os\nfrom thalweg.lab import device\ndevice.let_go = lambda name: False\n"
    text += "PROBLEM = __import__('dataclasses').replace(PROBLEM, metric=lambda model, batch: float(os.getpid()))\n"
    own.write_text(TEXT + text, encoding="utf-8")
    engine = engines.open("local", 1)
    try:
        found = [ended(engine, [spec])[0] for spec in specs_of(planned("sgd:lr=0.1", str(own), seeds=2, epochs=1))]
    finally:
        engine.close()
    assert [one.status for one in found] == ["finished"] * 2, found
    assert len({one.epochs[0].metric for one in found}) == 2


def test_a_worker_with_another_gpu_and_one_that_is_full_say_so() -> None:
    told: list = []
    spec = dataclasses.replace(spec_of("sgd:lr=0.1"), accelerator="another GPU")
    worker.perform(spec, None, {}, told.append)
    assert "expected the GPU of the worker to be that of who asks, 'another GPU', got ''" in told[-1].message
    sentence = worker._sentence(torch.OutOfMemoryError("CUDA out of memory."))
    assert sentence.startswith("the GPU's memory is full (CUDA out of memory.): train fewer runs at a time with --jobs")


def test_how_many_runs_share_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device, "free_memory", lambda name: 8 * 2**30)
    monkeypatch.setattr("thalweg.sweep.threads.available_processors", lambda: 16)
    found = {memory: engines._slots(2, "cuda:1", memory * 2**30) for memory in (1, 3, 9)}
    assert found == {1: 4, 3: 2, 9: 1}
    assert engines._slots(2, "cpu", 0) == 8
    calls = SimpleNamespace(asked=[])
    monkeypatch.setattr(engines, "open", lambda *arguments, **options: calls.asked.append(options) or 1 / 0)
    study = dataclasses.replace(planned("sgd"), memory=5)
    on_gpu = dataclasses.replace(study, common={**study.common, "device": "cuda"})
    means = make.Means(Path("s.db"), Path(), "ray")
    for one in (on_gpu, study):
        with pytest.raises(ZeroDivisionError), make._engine(one, means, None):
            pass
    told = [{name: asked[name] for name in ("device", "gpus", "memory")} for asked in calls.asked]
    assert told == [{"device": "cuda", "gpus": 1.0, "memory": 5}, {"device": "cpu", "gpus": 0.0, "memory": 5}]


def test_a_gpu_is_named_where_the_table_is_read() -> None:
    study = planned("sgd:lr=0.1")
    gpu = "NVIDIA H100, compute capability 9.0, CUDA 12.8, cuDNN 91002"
    study = dataclasses.replace(study, common={**study.common, "device": "cuda:1", "accelerator": gpu})
    result = comparison(study, {})
    assert result.environment["device"] == f"cuda:1: {gpu}" and "device" not in environment()
    assert f"cuda:1: {gpu}" in page(result)
    console = Console(width=100, record=True, file=io.StringIO())
    console.print(render(result, width=100))
    assert "Trained on NVIDIA H100, compute capability 9.0" in console.export_text()


# --- Ray ---

# What a run of a user's notes: how many run beside it, which GPU it is told, and what process it is.
NOTED = """
import dataclasses, os, pathlib, time

HERE = pathlib.Path({folder!r})


def noted(model, batch):
    gpus, name = os.environ.get("CUDA_VISIBLE_DEVICES"), str(torch.initial_seed())
    if gpus is None:
        return 0.0  # no run yet: somebody tries whether this works
    (HERE / f"begun-{{name}}").write_text(f"{{gpus}} {{os.getpid()}}")
    end = time.monotonic() + {patience}
    while time.monotonic() < end and beside() < {wanted}:
        time.sleep(0.02)
    found = beside()
    time.sleep(0.5)  # so that those who wait for it see it, too
    (HERE / f"begun-{{name}}").rename(HERE / f"ended-{{name}}")
    return float(found)


def beside():
    return len([*HERE.glob("begun-*")])


PROBLEM = dataclasses.replace(PROBLEM, metric=noted)
"""
# A Ray that is told of a GPU that is not there, until its standard input ends.
CLUSTER = """
import sys, ray
ray.init(address="local", num_cpus=4, num_gpus=1, include_dashboard=False, _temp_dir=sys.argv[1],
         object_store_memory=2 * 10**8, log_to_driver=False)
print(ray.get_runtime_context().gcs_address, flush=True)
sys.stdin.read()
ray.shutdown()
"""


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with (
        pytest.MonkeyPatch.context() as patch,
        tempfile.TemporaryDirectory(prefix="thalweg-", dir="/tmp", ignore_cleanup_errors=True) as folder,
    ):
        token = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
        for name, value in {**ray_engine.QUIET, **token}.items():
            patch.setenv(name, value)
        patch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
        command = [sys.executable, "-c", CLUSTER, folder]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as program:
            assert program.stdout is not None and program.stdin is not None
            yield program.stdout.readline().strip()
            program.stdin.close()


@pytest.mark.slow
@pytest.mark.parametrize(("gpus", "beside", "patience"), [(0.25, 4, 120), (1, 1, 2)])
def test_ray_lets_as_many_runs_share_a_gpu_as_it_is_told(
    gpus: float, beside: int, patience: float, address: str, tmp_path: Path
) -> None:
    own, wanted = tmp_path / "own.py", max(beside, 2)
    text = NOTED.format(folder=str(tmp_path), patience=patience, wanted=wanted)
    own.write_text("import torch\n" + TEXT + text, encoding="utf-8")
    specs = specs_of(planned("sgd:lr=0.1", problem=str(own), seeds=4 if beside > 1 else 2, epochs=1))
    assert default_slots(address, gpus) == beside
    engine = engines.open("ray", 4, address, gpus=gpus)  # more than there is room for: it is Ray that decides
    try:
        found = ended(engine, specs)
    finally:
        engine.close()
    assert [one.status for one in found] == ["finished"] * len(specs), found
    assert {one.epochs[0].metric for one in found} == {float(beside)}
    told = [path.read_text().split() for path in tmp_path.glob("ended-*")]
    assert [gpu for gpu, _ in told] == ["0"] * len(specs)
    assert len({process for _, process in told}) == len(specs), "a process with a GPU keeps it: it is for one run"


def default_slots(address: str, gpus: float) -> int:
    engine = engines.open("ray", None, address, gpus=gpus)
    engine.close()
    return engine.slots


@pytest.mark.slow
@pytest.mark.skipif(torch.cuda.is_available(), reason="Ray's workers have a GPU here")
def test_ray_is_asked_for_its_gpus_before_anything_is_made(
    address: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    ray = ("--engine", "ray", "--address", address, "--device", "cuda")
    sentences = {
        (): "expected Ray's workers to train on a GPU, but one says: thalweg.errors.InputError: expected a CUDA device",
        ("--gpus", "2"): "expected a machine with 2 GPUs in the Ray cluster, got 1: ask for less",
    }
    for arguments, sentence in sentences.items():
        with pytest.raises(SystemExit) as left:
            main(["compare", TINY, *ray, *arguments])
        out, err = capsys.readouterr()
        assert (left.value.code, out) == (2, "") and sentence in err and err.count("\n") == 1, err
    assert [*tmp_path.iterdir()] == []
    with pytest.raises(InputError, match="host:port"):
        ray_engine.gpu_of_a_worker("127.0.0.1:1", 1.0)


@pytest.mark.slow
def test_the_benchmark_of_engines_runs_to_its_end() -> None:
    script = Path(__file__).parents[1] / "benchmarks" / "engines.py"
    options = ("--device", "cpu", "--at-once", "1,2", "--samples", "100", "--repeats", "1", "--runs", "2", "--json")
    command = [sys.executable, "-W", "error", str(script), *options]
    printed = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    assert len(printed["rows"]) == 2 and all(row["1x1"] > 0 < row["2x1"] for row in printed["rows"])
