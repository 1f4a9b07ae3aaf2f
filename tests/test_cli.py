"""The command line as a user meets it: output, streams, exit codes, bad input, interruption."""

import json
import os
import random
import re
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from thalweg.lab.store import prepare
from thalweg.rules import RULES
from thalweg.surfaces import SURFACES

TINY = str(Path(__file__).with_name("problem_tiny.py"))


def thalweg(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-W", "error", "-m", "thalweg.cli", *arguments]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, timeout=300)


def without_times(document: list) -> list:
    return [{k: v for k, v in row.items() if not k.startswith("time_")} for row in document]


def test_version_and_help() -> None:
    import thalweg as package

    assert thalweg("--version").stdout.strip() == package.__version__
    assert "compare" in thalweg("--help").stdout


def test_rules_lists_the_catalogue() -> None:
    done = thalweg("rules")
    assert done.returncode == 0
    listed = [line.split()[0] for line in done.stdout.splitlines() if line and not line.startswith(" ")]
    assert set(RULES) <= set(listed)


def test_surfaces_lists_what_can_be_drawn() -> None:
    done = thalweg("surfaces")
    assert done.returncode == 0
    assert set(SURFACES) <= {line.split()[0] for line in done.stdout.splitlines() if line and not line.startswith(" ")}
    assert " ".join(SURFACES["plateau"].teaches.split()[:3]) in done.stdout


@pytest.mark.parametrize("form", ["formula", "program", "numpy", "numba", "triton", "javascript", "latex"])
@pytest.mark.parametrize("rule", ["adam", "nesterov_lookahead", "decoupled(rmsprop)"])
def test_show_prints_every_form(rule: str, form: str) -> None:
    done = thalweg("show", rule, "--as", form)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()
    if form == "numba" and rule == "adam":
        assert "m_hat = " in done.stdout
        compile(done.stdout, "shown", "exec")
    if form == "formula" and rule == "decoupled(rmsprop)":
        assert "    x = x - lr * decay * x\n" in done.stdout and "def rmsprop" in done.stdout
    if form == "formula" and rule == "nesterov_lookahead":
        assert "def look_ahead" in done.stdout and "def momentum_velocity" in done.stdout


def test_compare_shows_a_table_and_writes_picture_and_page(tmp_path: Path) -> None:
    done = thalweg("compare", TINY, "--seeds", "2", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "Adam" in done.stdout and "SGD" in done.stdout and "accuracy" in done.stdout
    assert all(len(line) <= 80 for line in done.stdout.splitlines())
    assert (tmp_path / "thalweg-out/curves.png").read_bytes().startswith(b"\x89PNG")
    assert "</html>" in (tmp_path / "thalweg-out/compare.html").read_text(encoding="utf-8")


def test_a_second_call_trains_nothing_and_prints_the_same_json(tmp_path: Path) -> None:
    options = ("compare", TINY, "--seeds", "2", "--json", "--out", str(tmp_path))
    first, second = thalweg(*options), thalweg(*options)
    assert first.returncode == second.returncode == 0, first.stderr
    assert json.loads(first.stdout) == json.loads(second.stdout)
    assert "4 of 4 runs are in the store already" in second.stderr
    with sqlite3.connect(tmp_path / "store.db") as connection:
        assert connection.execute("SELECT count(*) FROM runs").fetchone() == (4,)


def test_json_has_the_declared_shape_and_no_paths(tmp_path: Path) -> None:
    done = thalweg(
        "compare", TINY, "--optimizers", "adam,sgd:lr=1e30", "--json", "--out", str(tmp_path), "--seeds", "1"
    )
    assert done.returncode == 0, done.stderr
    adam, diverged = json.loads(done.stdout)
    assert (adam["optimizer"], adam["seeds"], adam["settings"]["lr"]) == ("adam", [0], 1e-3)
    assert [set(e) for e in adam["epochs"]] == [{"epoch", "metric_mean", "metric_sd", "loss_mean", "loss_sd"}] * 3
    assert diverged["status"] == ["diverged"]
    assert diverged["epochs"][-1]["loss_mean"] is None
    assert str(tmp_path) not in done.stdout and TINY not in done.stdout


def test_schedules_are_shown_as_text_and_found_again(tmp_path: Path) -> None:
    options = ("compare", TINY, "--optimizers", "adam:lr=cosine(1e-2,18)", "--seeds", "1", "--out", str(tmp_path))
    shown, document = thalweg(*options), thalweg(*options, "--json")
    assert shown.returncode == document.returncode == 0, shown.stderr
    assert "cosine(0.01," in shown.stdout
    assert "lr=cosine(0.01, 18)" in (tmp_path / "compare.html").read_text(encoding="utf-8")
    [adam] = json.loads(document.stdout)
    assert (adam["optimizer"], adam["settings"]["lr"]) == ("adam:lr=cosine(1e-2,18)", "cosine(0.01, 18)")
    assert "1 of 1 runs are in the store already" in document.stderr


def test_a_new_optimizer_trains_only_what_is_missing(tmp_path: Path) -> None:
    thalweg("compare", TINY, "--optimizers", "adam", "--out", str(tmp_path), "--seeds", "1")
    done = thalweg("compare", TINY, "--optimizers", "adam,sgd", "--out", str(tmp_path), "--seeds", "2")
    assert "1 of 4 runs are in the store already" in done.stderr


def test_a_failed_run_ends_with_code_1_and_keeps_the_others(tmp_path: Path) -> None:
    broken = tmp_path / "broken.py"
    text = Path(TINY).read_text().replace(") -> nn.Module:\n", ") -> nn.Module:\n    check()\n")
    text += (
        "\n\ndef check():\n    import torch\n    if torch.initial_seed() == 1:\n        raise ValueError('seed 1')\n"
    )
    broken.write_text(text)
    done = thalweg("compare", str(broken), "--optimizers", "adam", "--seeds", "2", "--out", str(tmp_path / "o"))
    assert done.returncode == 1
    assert "seed 1 failed: ValueError: seed 1" in done.stderr
    assert "failed" in done.stdout


def bad_idx(folder: Path, damage: str) -> Path:
    """A folder of IDX files, the training images damaged."""
    from thalweg.lab.idx import write_idx

    folder.mkdir()
    for name in ("train", "t10k"):
        write_idx(folder / f"{name}-images-idx3-ubyte.gz", np.zeros((20, 28, 28), np.uint8))
        write_idx(folder / f"{name}-labels-idx1-ubyte.gz", (np.arange(20) % 10).astype(np.uint8))
    images = folder / "train-images-idx3-ubyte.gz"
    content = images.read_bytes()
    if damage == "truncated":
        images.write_bytes(content[: len(content) // 2])
    elif damage == "corrupted":
        images.write_bytes(content[:12] + bytes(255 - b for b in content[12:]))
    else:
        images.unlink()
    return folder


BROKEN_RULES = {
    "branches": "def bad(x, g, t, *, lr=0.1):\n    return x - lr * g if g > 0 else x\n",
    "forgets a state": "def bad(x, g, t, m, *, lr=0.1):\n    return x - lr * m\n",
    "asks for a norm": "def bad(x, g, t, *, lr=0.1):\n    return x - lr * g / g.norm()\n",
    "returns nothing": "def bad(x, g, t, *, lr=0.1):\n    x = x - lr * g\n",
    "wrong signature": "def bad(x, t, g, *, lr=0.1):\n    return x - lr * g\n",
}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--optimizers", "adamm"], "did you mean 'adam'"),
        (["--optimizers", "adam:rho=0.9"], "'rho'"),
        (["--optimizers", "adam:lr=0"], "must be above 0, got 0"),
        (["--optimizers", "adam:lr=-1"], "got -1"),
        (["--optimizers", "adam:lr=nan"], "got nan"),
        (["--optimizers", "adam:lr=inf"], "got inf"),
        (["--optimizers", "adam,,sgd"], "got an empty one"),
        (["--optimizers", "adam:lr=cosin(1e-3,10)"], "did you mean 'cosine'"),
        (["--optimizers", "adam:lr=linear(1,-1,9)"], "in step 6 of its schedule"),
        (["--optimizers", "nesterov_lookahead"], "another point"),
        (["--epochs", "0"], "--epochs must be a whole number above 0"),
        (["--seeds", "-1"], "--seeds must be"),
        (["--batch-size", "0"], "--batch-size must be"),
        (["--jobs", "0"], "--jobs must be"),
    ],
)
def test_bad_arguments_of_compare(arguments: list[str], message: str, tmp_path: Path) -> None:
    done = thalweg("compare", TINY, "--out", str(tmp_path / "out"), *arguments)
    assert_refused(done, message)
    assert not (tmp_path / "out").exists()


def assert_refused(done: subprocess.CompletedProcess[str], message: str) -> None:
    """Exit code 2, nothing on standard output, one sentence on standard error."""
    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    assert message in done.stderr
    assert done.stderr.startswith("thalweg: ") and done.stderr.count("\n") == 1, done.stderr


@pytest.mark.parametrize(
    ("problem", "message"),
    [
        ("mnist-cn", "did you mean 'mnist-cnn'"),
        ("missing.py", "there is no file 'missing.py'"),
    ],
)
def test_unknown_problem(problem: str, message: str, tmp_path: Path) -> None:
    assert_refused(thalweg("compare", problem, cwd=tmp_path), message)


def test_problem_files_that_are_none(tmp_path: Path) -> None:
    for text, message in (
        ("PROBLEM = 1", "expected PROBLEM of"),
        ("x = = 1", "SyntaxError"),
        ("1 / 0", "ZeroDivision"),
    ):
        (tmp_path / "mine.py").write_text(text)
        assert_refused(thalweg("compare", "mine.py", cwd=tmp_path), message)


@pytest.mark.parametrize("damage", ["truncated", "corrupted", "missing"])
def test_bad_data(damage: str, tmp_path: Path) -> None:
    folder = bad_idx(tmp_path / "data", damage)
    done = thalweg("compare", "mnist-cnn", "--data", str(folder), "--out", str(tmp_path / "out"))
    assert_refused(done, "train-images-idx3-ubyte")
    assert not (tmp_path / "out").exists()


def test_unknown_data_folder(tmp_path: Path) -> None:
    assert_refused(thalweg("compare", "--data", str(tmp_path / "nowhere"), cwd=tmp_path), "nowhere")


@pytest.mark.parametrize("fault", list(BROKEN_RULES))
def test_broken_rules(fault: str, tmp_path: Path) -> None:
    (tmp_path / "bad.py").write_text(f'from thalweg import rule\n\n\n@rule("nowhere")\n{BROKEN_RULES[fault]}')
    for command in (("show", "bad.py"), ("compare", TINY, "--optimizers", "bad.py:lr=0.1")):
        assert_refused(thalweg(*command, cwd=tmp_path), "rule 'bad'")


def test_a_rule_of_ones_own_trains(tmp_path: Path) -> None:
    text = 'from thalweg import rule\n@rule("own")\ndef own(x, g, t, *, lr=0.1):\n    return x - lr * g\n'
    (tmp_path / "own.py").write_text(text)
    done = thalweg("compare", TINY, "--optimizers", "own.py:lr=0.1,sgd:lr=0.1", "--json", "--seeds", "1", cwd=tmp_path)
    own, sgd = json.loads(done.stdout)
    assert own["epochs"] == sgd["epochs"]


@pytest.mark.parametrize("place", ["/proc/thalweg", "/dev/null/out"])
@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs folders that even root cannot write to")
def test_read_only_output_folder(place: str) -> None:
    assert_refused(thalweg("compare", TINY, "--out", place), "expected a folder that can be written")


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs folders that even root cannot write to")
def test_store_in_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    done = thalweg("compare", TINY, "--store", "/proc/thalweg/store.db", "--out", str(tmp_path))
    assert_refused(done, "name another with --store")


def test_store_of_a_newer_version(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    prepare(path)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 99")
    before = path.read_bytes()
    assert_refused(thalweg("compare", TINY, "--store", str(path), "--out", str(tmp_path / "out")), "newer Thalweg")
    assert path.read_bytes() == before


def test_usage_errors_have_code_2() -> None:
    assert thalweg("compare", "--no-such-option").returncode == 2
    assert thalweg("show", "adam", "--as", "cobol").returncode == 2


def start(folder: Path) -> subprocess.Popen:
    options = ["compare", TINY, "--epochs", "40", "--seeds", "3", "--json", "--out", str(folder)]
    command = [sys.executable, "-m", "thalweg.cli", *options]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True)


def finished(folder: Path) -> int:
    try:
        with sqlite3.connect(folder / "store.db", timeout=10) as connection:
            return connection.execute("SELECT count(*) FROM runs WHERE status != 'running'").fetchone()[0]
    except sqlite3.Error:
        return 0


@pytest.mark.slow
@pytest.mark.parametrize("sent", [signal.SIGKILL, signal.SIGINT], ids=["kill", "interrupt"])
def test_cut_off_and_called_again_gives_the_same_numbers(sent: signal.Signals, tmp_path: Path) -> None:
    """Cut at three different moments; the runs that were finished are not trained again, and nothing differs."""
    whole, _ = start(tmp_path / "whole").communicate(timeout=300)
    cut, rng = tmp_path / "cut", random.Random(0)
    for wanted in (0, 1, 3):
        process = start(cut)
        deadline = time.monotonic() + 120
        while finished(cut) < wanted and time.monotonic() < deadline and process.poll() is None:
            time.sleep(0.02)
        time.sleep(rng.random() * 2 if wanted == 0 else 0)
        os.killpg(process.pid, sent)
        _, errors = process.communicate(timeout=60)
        if sent == signal.SIGINT and process.returncode != 0:
            # Where the signal came in the middle of an import Python ends by it, which a shell reports as 130 too.
            assert process.returncode in (130, -signal.SIGINT), errors
            assert "interrupted" in errors or process.returncode == -signal.SIGINT
    kept = finished(cut)
    last = start(cut)
    output, errors = last.communicate(timeout=300)
    assert last.returncode == 0
    assert without_times(json.loads(output)) == without_times(json.loads(whole))
    if kept:
        assert re.search(rf"{kept} of 6 runs are in the store already", errors)
