"""The first step in a new process, its kernel in the cache already, against that process's own `import torch`."""

from __future__ import annotations

import json
import subprocess
import sys

from thalweg.bench.job import Group, Job, Sizes
from thalweg.bench.pairs import Question, answered
from thalweg.bench.table import Row

TARGET = 0.15
# The model's forward and backward pass lie between the two times, as torch prepares itself in them.
CHILD = """
import json, time
start = time.perf_counter()
import torch
imported = time.perf_counter() - start
model = torch.nn.Sequential(torch.nn.Linear(64, 64), torch.nn.ReLU(), torch.nn.Linear(64, 10))
model(torch.ones(8, 64)).sum().backward()
start = time.perf_counter()
{optimizer}(model.parameters()).step()
print(json.dumps([time.perf_counter() - start, imported]))
"""
OURS = "import thalweg.torch; thalweg.torch.Adam"
TORCHS = "torch.optim.Adam"


def first_step(optimizer: str) -> tuple[float, ...]:
    """Seconds of making an optimizer and taking its first step, and of importing torch, in a process of their own."""
    command = [sys.executable, "-c", CHILD.format(optimizer=optimizer)]
    return tuple(json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout))


def _rows(pairs: int) -> list[Row]:
    first_step(OURS)  # fills the cache
    both = [(first_step(OURS), first_step(TORCHS)) for _ in range(pairs)]
    ours, torchs = zip(*both, strict=True)
    own = Question("start", "import thalweg.torch, Adam", "import torch", TARGET, at_most=True)
    peer = Question("start", "torch.optim.Adam", "import torch", at_most=True)
    return [answered(own, ours), answered(peer, torchs)]


def _jobs(sizes: Sizes) -> list[Job]:
    return [Job("new processes", _rows)]


def _title(sizes: Sizes) -> str:
    return "First step in a new process: time as a share of the import of torch"


GROUP = Group("start", _title, _jobs)
