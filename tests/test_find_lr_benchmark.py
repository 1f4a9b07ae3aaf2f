"""The finder against grids of whole trainings, on problems small enough for a test; and the benchmark that does it."""

import json
import re
import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
SCRIPT = ROOT / "benchmarks" / "find_lr.py"


def benchmark() -> dict[str, Any]:
    return runpy.run_path(str(SCRIPT))


def table(store: Path, *options: str) -> str:
    command = [sys.executable, "-W", "error", str(SCRIPT), "--store", str(store), "--seeds", "2", *options]
    return subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT).stdout


@pytest.mark.slow
def test_sure_and_right_on_small_problems(tmp_path: Path) -> None:
    options = ("--problems", "binary-classifier,binary-classifier-full", "--rules", "adam,sgd,momentum,rmsprop")
    printed = table(tmp_path / "store.jsonl", *options)
    equal = re.search(r"all: 8 pairs.*?equals it: sure and right (\d+)%, sure and wrong (\d+)%", printed, re.DOTALL)
    assert equal, printed
    assert int(equal[1]) >= 75, printed  # 6 of 8
    assert int(equal[2]) <= 13, printed  # 1 of 8
    assert table(tmp_path / "store.jsonl", *options) == printed


def test_a_benchmark_without_time_prints_what_is_known(tmp_path: Path) -> None:
    store = tmp_path / "store.jsonl"
    known = {f"noisy-quadratic/sgd/{place}/{seed}": abs(place + 6) + 1.0 for place in range(-15, 7) for seed in (0, 1)}
    found = {"lr": 0.01, "sure": True, "reason": "", "share": 0.5}
    name = f"noisy-quadratic/sgd/found/usual/{benchmark()['finder_digest']()}"
    known |= {name: found, "noisy-quadratic/sgd/found/usual/of-other-code": {}, "noisy-quadratic/sgd/start": 9.0}
    store.write_text("".join(json.dumps(pair) + "\n" for pair in known.items()), encoding="utf-8")
    printed = table(store, "--minutes", "0", "--problems", "noisy-quadratic,mnist-mlp", "--rules", "sgd")
    assert "noisy-quadratic       sgd            0.01     0.01       1    0.0%  0.50  sure\n" in printed
    assert "all: 1 pairs, sure of 100%, at a median cost of 0.50 trainings" in printed
    assert "mnist-mlp" not in printed
