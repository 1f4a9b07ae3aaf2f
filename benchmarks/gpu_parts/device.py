"""`Device`: where kernels run and how time is told there: a GPU and its events, or the CPU and Triton's interpreter."""

from __future__ import annotations

import contextlib
import gc
import shutil
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version

import torch
from torch import Tensor

from thalweg.bench import pairs
from thalweg.bench.pairs import Side
from thalweg.sweep.gpu import interpreting
from thalweg.version import __version__

SOME = 4096  # normal numbers of which tensors are filled, over and over: drawing 100 million anew takes longer


@dataclass(frozen=True)
class Device:
    """A place for tensors.

    Attributes:
        name: As torch calls it: `"cuda"`, or `"cpu"` for the interpreter.
    """

    name: str

    @property
    def is_real(self) -> bool:
        """Whether it is a GPU."""
        return self.name == "cuda"

    def stepping(self) -> contextlib.AbstractContextManager[None]:
        """A context in which Triton's kernels step the tensors that lie here."""
        return contextlib.nullcontext() if self.is_real else interpreting()

    def wait(self) -> None:
        """Until everything has been done that was sent."""
        if self.is_real:
            torch.cuda.synchronize()

    def free(self) -> None:
        """Give back the memory that nobody uses any more."""
        gc.collect()
        if self.is_real:
            torch.cuda.empty_cache()

    def free_bytes(self) -> float:
        """How much memory can still be had; nobody counts that of the CPU."""
        return torch.cuda.mem_get_info()[0] if self.is_real else float("inf")

    def rounds(self, sides: Sequence[Side], count: int) -> list[tuple[float, ...]]:
        """Every side once in each round, after a warm-up; for each round the seconds that the device needed for each.

        Nobody waits between two calls, so a device that has enough to do never waits for the host.
        """
        pairs.warmed(sides)
        if not self.is_real:
            return pairs.rounds(sides, count)
        self.wait()
        events = [[_timed(side) for side in sides] for _ in range(count)]
        self.wait()
        return [tuple(begin.elapsed_time(end) / 1e3 for begin, end in row) for row in events]

    def walls(self, sides: Sequence[Side], count: int, calls: int) -> list[tuple[float, ...]]:
        """As `rounds`, but by the clock on the wall, the host's part included; so many calls in a row, then a wait."""
        pairs.warmed(sides)
        return [tuple(self._wall(side, calls) for side in sides) for _ in range(count)]

    def _wall(self, side: Side, calls: int) -> float:
        self.wait()
        begin = time.perf_counter()
        for _ in range(calls):
            side.call()
        self.wait()
        return (time.perf_counter() - begin) / calls

    def parameters(self, shapes: Sequence[tuple[int, ...]], dtype: torch.dtype = torch.float32) -> list[Tensor]:
        """Leaf tensors with gradients, roughly normally distributed, the same numbers every time."""
        generator = torch.Generator().manual_seed(0)
        some = torch.randn(2, SOME, generator=generator).to(self.name)
        made = [self._filled(some[0], shape, dtype).requires_grad_() for shape in shapes]
        for x in made:
            x.grad = self._filled(some[1], tuple(x.shape), dtype)
        return made

    def _filled(self, some: Tensor, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
        x = torch.empty(shape, dtype=dtype, device=self.name)
        flat = x.view(-1)
        whole = flat.numel() // SOME * SOME
        flat[:whole].view(-1, SOME).copy_(some)
        flat[whole:].copy_(some[: flat.numel() - whole])
        return x

    def facts(self) -> dict[str, str]:
        """What decides how fast anything is here."""
        return {
            "device": torch.cuda.get_device_name() if self.is_real else "none: Triton's interpreter, on the CPU",
            "driver": _driver() if self.is_real else "none",
            "torch": torch.__version__,
            "triton": _version("triton"),
            "Thalweg": __version__,
            "date": datetime.now(UTC).date().isoformat(),
        }


def _timed(side: Side) -> tuple[torch.cuda.Event, torch.cuda.Event]:
    begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
    side.prepare()
    begin.record()
    side.call()
    end.record()
    return begin, end


def _version(package: str) -> str:
    """Of a package; one that lies unpacked somewhere says it itself."""
    try:
        return version(package)
    except PackageNotFoundError:
        return str(getattr(__import__(package), "__version__", "unknown"))


def _driver() -> str:
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return "unknown"
    command = [tool, "--query-gpu=driver_version", "--format=csv,noheader"]
    said = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30).stdout
    return said.split("\n")[0].strip() or "unknown"


def large_shapes(parameters: int, tensors: int) -> list[tuple[int]]:
    """The large model's: so many parameters in tensors of one size."""
    return [(parameters // tensors,)] * tensors


Tell = Callable[[str], None]
