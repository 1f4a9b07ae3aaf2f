"""The benchmarks run and print what they promise; how fast anything is is no test's business."""

import json
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parents[1] / "benchmarks" / "adam_step.py"


def test_adam_step_prints_a_table_and_json() -> None:
    small = [sys.executable, str(SCRIPT), "--elements", "1000", "--pairs", "2"]
    table = subprocess.run(small, capture_output=True, text=True, check=True).stdout
    document = json.loads(subprocess.run([*small, "--json"], capture_output=True, text=True, check=True).stdout)
    peers = ["torch fused=True", "torch foreach=True", "torch default"]
    assert [row["against"] for row in document["rows"]] == peers
    assert all(peer in table for peer in peers)
    assert all(row["time_ratio"] > 0 for row in document["rows"])
