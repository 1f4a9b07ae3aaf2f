"""Comparisons on other devices than the CPU, as far as a machine without a GPU can tell.

`cpu:0` takes the whole way of a GPU (data moved, losses read in blocks, torch's settings for CUDA), and must give the
numbers of `cpu`. What CUDA itself would tell is stood in for.
"""

import dataclasses
import math
import os
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from lab_runs import TINY, spec_of, train_here, without_times
from thalweg.cli import main
from thalweg.errors import InputError
from thalweg.lab import batches, check, clock, device, rates, sprint
from thalweg.lab import run as running
from thalweg.lab.engines import worker
from thalweg.lab.files import find_problem
from thalweg.lab.generators import generators_kept
from thalweg.lab.losses import BLOCK
from thalweg.lab.problems import NAMES
from thalweg.lab.rate import find_rate
from thalweg.lab.run import Run, run
from thalweg.lab.spec import RunSpec
from thalweg.lab.study import Request, plan
from thalweg.rules import RULES

TEXT = Path(TINY).read_text(encoding="utf-8")
without_cuda = pytest.mark.skipif(torch.cuda.is_available(), reason="says what a machine without CUDA is told")


def on_device(spec: RunSpec, where: str = "cpu:0") -> RunSpec:
    return dataclasses.replace(spec, device=where)


def same(spec: RunSpec) -> Run:
    """The run on the CPU, which is that of the device's way, too."""
    plain, other = (without_times(train_here(one)) for one in (spec, on_device(spec)))
    assert dataclasses.replace(other, spec=spec) == plain
    return plain


# --- what is asked for ---


@pytest.mark.parametrize("name", ["tpu", "mps", "cuda:", "cuda:x", "cpu:1", "CUDA", "meta", "", "cuda:1\n"])
def test_a_device_that_nobody_knows_is_refused(name: str) -> None:
    with pytest.raises(InputError, match=r"expected --device cpu, cuda or cuda:NUMBER, got '") as error:
        plan(Request(TINY, device=name))
    assert str(error.value).startswith(f"expected --device cpu, cuda or cuda:NUMBER, got '{name}'")


@pytest.mark.parametrize(
    ("built", "count", "sentence"),
    [
        (None, 0, "which is built without: install a torch with CUDA, or train with --device cpu"),
        ("12.8", 0, "got none that torch can see: look at nvidia-smi"),
        ("12.8", 1, "got a machine with cuda:0 only: choose one of these"),
        ("12.8", 4, "got a machine with cuda:0 and cuda:3 only"),
    ],
)
def test_a_device_that_is_not_there_is_a_sentence(
    built: str | None, count: int, sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.version, "cuda", built)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: count)
    with pytest.raises(InputError, match="expected a CUDA device for --device cuda:7, got ") as error:
        plan(Request(TINY, device="cuda:7"))
    assert sentence in str(error.value) and "\n" not in str(error.value)


@without_cuda
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--device", "cuda"), "expected a CUDA device for --device cuda"),
        (("--device", "gpu"), "got 'gpu'"),
        (("--engine", "ray", "--gpus", "0.5"), "expected --gpus only with --device cuda, got --device cpu"),
        (("--engine", "ray", "--gpus", "1.5", "--device", "cuda"), "--gpus above 1 must be a whole number"),
        (("--engine", "ray", "--device", "cuda:1"), "expected --device cuda on Ray, which says which GPU a run has"),
        (("--engine", "ray", "--device", "cuda"), "expected a CUDA device for --device cuda"),
    ],
)
def test_the_command_refuses_before_anything_is_made(
    arguments: tuple[str, ...], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as ended:
        main(["compare", TINY, *arguments])
    out, err = capsys.readouterr()
    assert (ended.value.code, out) == (2, "") and message in err and err.count("\n") == 1, err
    assert [*tmp_path.iterdir()] == []


def test_which_of_two_gpus_decides_nothing_and_of_which_kind_they_are_does() -> None:
    spec = dataclasses.replace(spec_of("adam:lr=0.01"), device="cuda", accelerator="a GPU")
    assert on_device(spec, "cuda:1").key == spec.key
    others = (on_device(spec, "cpu"), dataclasses.replace(spec, accelerator="another GPU"))
    assert len({spec.key, *(other.key for other in others)}) == 3


# --- training ---


@pytest.mark.parametrize("optimizers", ["adam:lr=0.01", "sgd@1:lr=0.1/schedule_free_adamw", "sgd:lr=1e30"])
def test_the_way_of_a_device_gives_the_numbers_of_the_cpu(optimizers: str) -> None:
    result = same(spec_of(optimizers, watch=1))
    assert result.watched is not None and result.watched.loss
    assert result.status == ("diverged" if "1e30" in optimizers else "finished")
    same(dataclasses.replace(spec_of(optimizers, batch_size=1), part="tuning"))  # several blocks of losses


def test_parts_too_large_to_lie_on_a_device_are_moved_batch_by_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "RESIDENT", 0)
    assert isinstance(batches.resident((np.zeros(2),), "cpu:0")[0], np.ndarray)
    same(spec_of("adam:lr=0.01"))


def test_loaders_come_as_they_are(tmp_path: Path) -> None:
    """A loader's own order and generator, and batches that are dictionaries."""
    own = tmp_path / "own.py"
    own.write_text(
        "import torch\nfrom torch import nn\nfrom torch.utils.data import DataLoader\nEPOCHS = 2\n"
        "def data(seed):\n"
        "    rows = [{'x': torch.full((2,), float(k)), 'y': torch.tensor([k % 2.0])} for k in range(20)]\n"
        "    generator = torch.Generator().manual_seed(seed)\n"
        "    return DataLoader(rows, 4, shuffle=True, generator=generator), DataLoader(rows[:6], 3)\n"
        "def model(seed):\n    return nn.Linear(2, 1)\n"
        "def loss(model, batch):\n    return ((model(batch['x']) - batch['y']) ** 2).mean()\n",
        encoding="utf-8",
    )
    assert same(spec_of("sgd:lr=1e-4", problem=str(own))).status == "finished"


def test_what_comes_of_weights_that_are_no_numbers_is_a_divergence(monkeypatch: pytest.MonkeyPatch) -> None:
    """Losses are read some steps later: by then one may have raised at weights that the CPU would never have tried."""
    problem, seen = find_problem(TINY), []

    def loss(model: nn.Module, batch: tuple) -> torch.Tensor:
        seen.append(1)
        found = problem.loss(model, batch) * (math.nan if len(seen) % 5 == 3 else 1)
        if len(seen) % 5 == 4:
            raise ValueError("expected probabilities")
        return found

    spec = spec_of("sgd:lr=0.1", batch_size=1)
    data, strange = problem.load(None, 0), dataclasses.replace(problem, loss=loss)
    results = []
    for one in (spec, on_device(spec)):
        seen.clear()
        results.append(run(one, strange, {"sgd": RULES["sgd"]}, data, lambda epoch: None))
    assert [len(seen), BLOCK > 4] == [4, True]
    assert [(r.status, r.message) for r in results] == [("diverged", "the training loss became nan in epoch 1")] * 2
    seen.clear()
    with pytest.raises(ValueError, match="probabilities"):
        calm = dataclasses.replace(strange, loss=lambda model, batch: loss(model, batch).nan_to_num())
        run(on_device(spec), calm, {"sgd": RULES["sgd"]}, data, lambda epoch: None)


STATES = {
    "deterministic": torch.are_deterministic_algorithms_enabled,
    "warns": torch.is_deterministic_algorithms_warn_only_enabled,
    "cudnn": lambda: (torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark),
    "tf32": lambda: (torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32),
    "matmul": lambda: getattr(torch.backends.cuda.matmul, "fp32_precision", None),
    "workspace": lambda: os.environ.get("CUBLAS_WORKSPACE_CONFIG"),
}


@pytest.fixture
def unusual() -> Iterator[None]:
    """Settings that are not torch's own, and those of before afterwards."""
    before = torch.backends.cudnn.benchmark, torch.backends.cuda.matmul.allow_tf32
    torch.backends.cudnn.benchmark = torch.backends.cuda.matmul.allow_tf32 = True
    yield
    torch.backends.cudnn.benchmark, torch.backends.cuda.matmul.allow_tf32 = before


def test_the_settings_of_a_run_stay_in_it(unusual: None) -> None:
    def told() -> dict:
        return {name: read() for name, read in STATES.items()}

    before = told()
    with pytest.raises(KeyError), device.repeatable("cpu:0"):
        inside = told()
        raise KeyError
    assert told() == before
    assert inside == {
        "deterministic": True,
        "warns": False,
        "cudnn": (True, False),
        "tf32": (False, False),
        "matmul": inside["matmul"],
        "workspace": ":4096:8",
    }
    assert device.WORKSPACE.items() <= worker.environment(1).items()
    with device.repeatable("cpu"):
        assert told() == {**before, "deterministic": True}
    with device.repeatable("cpu:0", strict=False):
        assert STATES["warns"]()
    train_here(on_device(spec_of("sgd:lr=0.1", epochs=1)))
    assert told() == before


def test_a_run_begins_again_where_an_operation_cannot_repeat_itself() -> None:
    problem, told = find_problem(TINY), []

    def loss(model: nn.Module, batch: tuple) -> torch.Tensor:
        if not torch.is_deterministic_algorithms_warn_only_enabled():
            raise RuntimeError(
                "x_cuda does not have a deterministic implementation: torch.use_deterministic_algorithms"
            )
        return problem.loss(model, batch)

    spec, data = spec_of("sgd:lr=0.1"), problem.load(None, 0)
    arguments = (dataclasses.replace(problem, loss=loss), {"sgd": RULES["sgd"]}, data, told.append)
    result = run(on_device(spec), *arguments)
    assert result.status == "finished" and list(result.epochs) == told and len(told) == 2
    with pytest.raises(RuntimeError, match="x_cuda"):
        run(spec, *arguments)


class Mark:
    """An event of a device that takes 1 ms for every mark, and is always behind."""

    made = 0

    def __init__(self) -> None:
        Mark.made += 1
        self.number, self.reached = Mark.made, False

    def record(self) -> None:
        pass

    def synchronize(self) -> None:
        self.reached = True

    def elapsed_time(self, other: "Mark") -> float:
        assert other.reached
        return float(other.number - self.number)


def test_a_device_is_waited_for_at_the_ends_of_an_epoch_and_at_no_step() -> None:
    waits: deque[int] = deque()
    counting = clock.DeviceClock(Mark, lambda: waits.append(1))
    for _ in range(3 * clock.PENDING):
        counting.before()
        counting.after()
        assert len(waits) == 1 and len(counting._pending) <= clock.PENDING
    seconds, stepping = counting.read()
    assert stepping == pytest.approx(3 * clock.PENDING / 1000) and seconds > 0 and len(waits) == 2


def test_generators_of_gpus_are_put_back_too(monkeypatch: pytest.MonkeyPatch) -> None:
    states = [torch.tensor([1]), torch.tensor([2])]
    put: list = []
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_rng_state_all", lambda: states)
    monkeypatch.setattr(torch.cuda, "set_rng_state_all", put.append)
    with worker.settled(3, 1):
        assert put == []
    assert put == [states]
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: False)
    monkeypatch.setattr(torch.cuda, "manual_seed_all", put.append)
    with generators_kept():
        torch.manual_seed(7)
    assert put[1:] == [7, torch.initial_seed()]


# --- problems ---


@pytest.mark.parametrize("name", sorted(set(NAMES) - {"cartpole-policy"}))  # whose data comes of what the network says
def test_no_loss_makes_tensors_on_the_cpu(name: str) -> None:
    """torch's `meta` device computes nothing, and refuses tensors of other devices as a GPU does."""
    problem = find_problem(name)
    batch = batches.moved(check.first_batch(problem.load(None, 0).train, 8), "meta")
    model = problem.model(0).to("meta")
    problem.loss(model, batch).backward()
    if name != "digits-vae":  # which draws in evaluations from a generator of the device, of which meta has none
        model.eval()
    for measure in filter(None, (problem.loss, problem.metric, problem.both)):
        measure(model, batch)


def test_a_problem_that_fails_on_its_device_is_a_sentence() -> None:
    problem = find_problem(TINY)
    weights = torch.tensor([1.0, 2.0, 3.0])
    mixed = dataclasses.replace(problem, loss=lambda model, batch: (model(batch[0]) * weights[:, None]).mean())
    with pytest.raises(InputError, match=r"loss\(model, batch\) on a train batch, which lies on meta, fails"):
        check.check(mixed, problem.load(None, 0), 0, 3, "meta")
    data = problem.load(None, 0)
    assert check.check(problem, data, 0, 8, "cpu:0") == check.check(problem, data, 0, 8)


def test_a_rate_is_found_on_a_device(monkeypatch: pytest.MonkeyPatch) -> None:
    problem = find_problem(TINY)
    data, moves = problem.load(None, 0), []

    def found(where: str) -> object:
        arguments = (RULES["sgd"], {}, {}, 0, 16, 2)
        return find_rate(problem, data, *arguments, device=where)

    plain = found("cpu")
    monkeypatch.setattr(sprint.Task, "device", "cpu:0")
    monkeypatch.setattr(batches, "moved", lambda batch, where: moves.append(where) or batch)
    assert found("cpu:0") == plain
    assert set(moves) == {"cpu:0"}


@without_cuda
def test_rates_are_not_looked_for_where_no_gpu_is(tmp_path: Path) -> None:
    study = plan(Request(TINY, "sgd", seeds=1, device="cuda"), gpu="a GPU of Ray's")
    assert study.common["accelerator"] == "a GPU of Ray's" and study.memory == 0
    with pytest.raises(InputError, match="on this machine for --lr auto"):
        rates.rated(study, tmp_path / "store.db", print)


def test_an_evaluation_reads_a_device_once(monkeypatch: pytest.MonkeyPatch) -> None:
    problem, reads = find_problem(TINY), []
    numbers = running.numbers
    monkeypatch.setattr(running, "EVALUATION_BATCH", 7)
    monkeypatch.setattr(running, "numbers", lambda values: reads.append(len(values)) or numbers(values))
    held = problem.load(None, 0).test
    assert running.evaluate(problem.model(0), problem, held, "cpu:0") and reads == [5, 5]


def test_the_kind_of_a_gpu_says_all_that_decides_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    found = SimpleNamespace(name="NVIDIA H100", major=9, minor=0)
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda name: found)
    monkeypatch.setattr(torch.backends.cudnn, "version", lambda: 91002)
    monkeypatch.setattr(device, "has_triton", lambda: False)
    told = device.accelerator("cuda")
    assert told == "NVIDIA H100, compute capability 9.0, CUDA 13.0, cuDNN 91002, no Triton"
    monkeypatch.setattr(device, "has_triton", lambda: True)
    monkeypatch.setattr(device, "version", lambda name: "3.7.0")
    assert device.accelerator("cuda:0").removeprefix(told[: -len("no Triton")]) == "Triton 3.7.0"

    def busy(name: str) -> None:
        raise RuntimeError("CUDA error: all CUDA-capable devices are busy or unavailable\nCUDA kernel errors might be")

    monkeypatch.setattr(torch.cuda, "get_device_properties", busy)
    with pytest.raises(InputError, match="expected a CUDA device that can be used, got 'CUDA error: all") as error:
        device.accelerator("cuda")
    assert "\n" not in str(error.value)
