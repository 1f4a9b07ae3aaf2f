"""The benchmarks run and print what they promise; how fast anything is is no test's business."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from thalweg.rules import PEERS as PEERS_OF_RULES

ROOT = Path(__file__).parents[1]
SCRIPT = ROOT / "benchmarks" / "adam_step.py"
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


def test_the_page_of_peers_is_what_its_command_writes(tmp_path: Path) -> None:
    page = tmp_path / "peers.md"
    command = [sys.executable, "-W", "error", str(ROOT / "benchmarks" / "disagreements.py"), str(page)]
    subprocess.run(command, capture_output=True, text=True, check=True)
    written = page.read_text(encoding="utf-8")
    assert written == (ROOT / "docs" / "peers.md").read_text(encoding="utf-8"), "run benchmarks/disagreements.py"
    assert "nan" not in written.replace("nan_", "")
    for name, _ in PEERS_OF_RULES:
        assert f"`{name}`" in written, name
    for peer in (peer for _, peer in PEERS_OF_RULES if peer.wrong):
        assert peer.wrong in written


@pytest.mark.slow
def test_trajectories_end_where_the_loops_of_articles_do():
    few = ("--rates", "3", "--starts", "2", "--steps", "50", "--loops", "7", "--check")
    command = [sys.executable, "-W", "error", str(ROOT / "benchmarks" / "trajectories.py"), *few]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert said.startswith("7 runs of the seven classic rules, 50 steps: at most ")
    assert float(said.split()[-2]) < 1e-9
