"""What all tests share: snapshots, files that hold what a printer printed when somebody last looked at it."""

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

os.environ.setdefault("KERAS_BACKEND", "torch")  # Keras reads it when it is imported
# Triton reads it when it is imported: its kernels run in its interpreter where there is no GPU.
if not Path("/dev/nvidiactl").exists():
    os.environ.setdefault("TRITON_INTERPRET", "1")
# Compiled kernels are kept between test runs, apart from the user's own.
os.environ.setdefault("THALWEG_CACHE", str(Path(__file__).parents[1] / ".pytest_cache" / "thalweg"))

# What two processes run in test_distributed.py; torch warns when torch.distributed.optim is imported.
collect_ignore_glob = ["distributed_*.py"]

SNAPSHOTS = Path(__file__).parent / "snapshots"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--update-snapshots", action="store_true", help="write what is printed now into tests/snapshots; read the diff"
    )
    parser.addoption("--slow-within", type=float, metavar="SECONDS", help="leave out slow tests that would begin later")


STARTED = time.monotonic()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The slow ones last, so that where time is short it is they that are left out."""
    items.sort(key=lambda item: item.get_closest_marker("slow") is not None)


def pytest_runtest_setup(item: pytest.Item) -> None:
    within = item.config.getoption("--slow-within")
    if within is not None and item.get_closest_marker("slow") and time.monotonic() - STARTED > within:
        pytest.skip(f"left out: {within / 60:.0f} minutes were over; `pytest -m slow` runs the slow tests alone")


@pytest.fixture(autouse=True)
def nobody_gives_up(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A watcher's own mistakes end a test, though they end no training."""
    if "watch" in request.module.__name__:
        from thalweg.watch.watcher import Watcher

        def give_up(self: Watcher, error: Exception) -> None:
            raise error

        monkeypatch.setattr(Watcher, "_give_up", give_up)
        monkeypatch.setattr(Watcher, "_say_of", give_up)


@pytest.fixture
def gpu() -> Iterator[None]:
    """A test in which tensors on `on_gpu.DEVICE` are stepped as a GPU's."""
    from on_gpu import stepping

    with stepping():
        yield


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Threads of other processes' making slow small operations down twentyfold."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def snapshot(request: pytest.FixtureRequest) -> Callable[[str, str], None]:
    """A check that a text is the one in the file of that name under tests/snapshots."""
    update = request.config.getoption("--update-snapshots")

    def check(name: str, text: str) -> None:
        path = SNAPSHOTS / name
        if update:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        known = path.read_text(encoding="utf-8") if path.exists() else None
        assert text == known, f"{name} is not what it was: if that is meant, run pytest --update-snapshots"

    return check
