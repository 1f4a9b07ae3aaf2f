"""The benchmark of decision 0002 runs and prints what it promises; how fast anything is is no test's business."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / "benchmarks" / "adam_step.py"
PEERS = ["torch fused=True", "torch foreach=True", "torch default"]


def adam_step(*options: str) -> str:
    command = [sys.executable, "-W", "error", str(SCRIPT), "--elements", "1000", "--pairs", "2", *options]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize("threads", [(), ("--own-threads",)], ids=["torch's threads", "own threads"])
def test_adam_step_prints_a_table_and_json(threads: tuple[str, ...]) -> None:
    table, document = adam_step(*threads), json.loads(adam_step("--json", *threads))
    assert [row["against"] for row in document["rows"]] == PEERS
    assert all(peer in table for peer in PEERS)
    assert all(row["time_ratio"] > 0 for row in document["rows"])
