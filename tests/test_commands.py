"""The commands, in the test's own process: from a new problem to tables, stores, pages and exports."""

import csv
import json
import os
import re
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lab_runs import TINY, Here
from thalweg.cli import app, main
from thalweg.lab import engines

Ran = tuple[int, str, str]


@pytest.fixture
def thalweg(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Callable[..., Ran]:
    """The command line in a folder of its own: exit code, standard output and standard error."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(engines, "open", lambda *arguments, **options: Here())

    def run(*arguments: str) -> Ran:
        with pytest.raises(SystemExit) as ended:
            main([*arguments])
        return ended.value.code or 0, *capsys.readouterr()

    return run


def strict(text: str) -> Any:
    def refused(constant: str) -> Any:
        raise AssertionError(f"{constant} is no JSON")

    return json.loads(text, parse_constant=refused)


def document(ran: Ran) -> Any:
    code, out, err = ran
    assert code == 0, err
    return strict(out)


def without_times(value: Any) -> Any:
    """The same without what depends on the clock, at any depth."""
    if isinstance(value, dict):
        return {name: without_times(held) for name, held in value.items() if not name.startswith("time_")}
    return [*map(without_times, value)] if isinstance(value, list) else value


SMALL = ("--optimizers", "sgd:lr=0.1", "--epochs", "1", "--seeds", "1")
LINES = """
import torch
from torch import nn

EPOCHS, BATCH_SIZE, OPTIMIZERS = 2, 8, "sgd:lr=0.1"


def model(seed):
    return nn.Linear(2, 1)


def data(seed):
    x = torch.randn(40, 2, generator=torch.Generator().manual_seed(0))
    y = x.sum(dim=1, keepdim=True)
    return (x[:30], y[:30]), (x[30:], y[30:])


def loss(model, batch):
    return ((model(batch[0]) - batch[1]) ** 2).mean()
"""


def lines(folder: Path, *changes: tuple[str, str]) -> str:
    """A problem that minimises its loss, in a file."""
    text = LINES
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    folder.mkdir(exist_ok=True)
    (folder / "lines.py").write_text(text, encoding="utf-8")
    return str(folder / "lines.py")


# --- compare ---


def test_from_a_new_problem_to_its_table(thalweg: Callable[..., Ran], tmp_path: Path) -> None:
    code, out, _ = thalweg("new", "problem", "-o", "mine.py")
    assert code == 0 and out.startswith("mine.py\nnext: thalweg compare mine.py")
    [row] = document(thalweg("compare", "mine.py", *SMALL, "--json"))
    assert row["final"]["mean"] > 0.5 and row["status"] == ["finished"]
    code, out, err = thalweg("new", "problem", "-o", "mine.py")
    assert code == 2 and out == "" and "which exists" in err and err.count("\n") == 1
    assert thalweg("new", "model")[0] == 2


def test_json_is_strict_depends_on_no_clock_and_names_no_path(thalweg: Callable[..., Ran], tmp_path: Path) -> None:
    problem = lines(tmp_path, ("return nn", "if seed == 1:\n        raise ValueError\n    return nn"))
    rule = tmp_path / "own.py"
    rule.write_text('from thalweg import rule\n@rule("x")\ndef own(x, g, t, *, lr=0.1):\n    return x - lr * g\n')
    options = ("--optimizers", f"sgd:lr=0.1,sgd:lr=1e30,{rule}", "--seeds", "2", "--tune", "1", "--target", "-1")
    first, second = (thalweg("compare", problem, *options, "--json", "--out", name) for name in "ab")
    assert first[0] == second[0] == 1
    assert "a run of sgd:lr=0.1, seed 1 failed: ValueError" in first[2]
    rows = strict(first[1])
    assert without_times(rows) == without_times(strict(second[1]))
    assert {status for row in rows for status in row["status"]} == {"finished", "failed", "diverged"}
    assert str(tmp_path) not in first[1] and "lines.py" not in first[1]
    diverged = next(row for row in rows if row["optimizer"] == "sgd:lr=1e30" and row["kind"] == "default")
    assert diverged["final"]["mean"] is None and diverged["reached"] is not None


def test_what_a_problem_prints_belongs_to_no_table(thalweg: Callable[..., Ran], tmp_path: Path) -> None:
    words = "print('own words')"
    problem = lines(tmp_path, ("EPOCHS", f"{words}\nEPOCHS"), ("return nn", f"{words}\n    return nn"))
    ran = thalweg("compare", problem, *SMALL, "--json")
    assert len(document(ran)) == 1 and "own words" in ran[2]


def test_several_problems_are_ranked_whatever_their_metrics(thalweg: Callable[..., Ran], tmp_path: Path) -> None:
    problem = lines(tmp_path)
    options = ("--optimizers", "sgd:lr=0.1,adam:lr=0.01", "--seeds", "2", "--epochs", "2", "--out", "o")
    ran = thalweg("compare", TINY, problem, *options, "--json")
    both = document(ran)
    assert set(both) == {"problems", "ranking"} and set(both["problems"]) == {"tiny", "lines"}
    profiles = both["ranking"]["profiles"]
    assert {profile["optimizer"] for profile in profiles} == {"sgd:lr=0.1", "adam:lr=0.01"}
    assert all((tmp_path / "o" / name / "compare.html").is_file() for name in ("tiny", "lines"))
    code, out, err = thalweg("compare", TINY, problem, *options)
    assert code == 0 and out.count("Which is best") == 2 and "4 of 4 runs are in the store already" in err
    assert all(len(line) <= 100 for line in out.splitlines())


def test_two_problems_of_one_name_are_refused(thalweg: Callable[..., Ran], tmp_path: Path) -> None:
    code, out, err = thalweg("compare", lines(tmp_path / "a"), lines(tmp_path / "b"), *SMALL)
    assert (code, out) == (2, "") and "got two called 'lines'" in err and not (tmp_path / "thalweg-out").exists()


@pytest.mark.slow
def test_switches_and_schedules_are_tuned(thalweg: Callable[..., Ran], tmp_path: Path) -> None:
    text = "adam@1/sgd:momentum=0.9,adam:betas=(warmup(2,linear(0.5,0.9)),0.99),lr=warmup(2,cosine(1e-2)),adam:eps=1e-6"
    options = ("--optimizers", text, "--tune", "2", "--hyper", "lr,beta1,eps", "--seeds", "1", "--json")
    rows = {
        (row["optimizer"][:11], row["kind"]): row for row in document(thalweg("compare", lines(tmp_path), *options))
    }
    assert len(rows) == 6
    switched = rows["adam@1/sgd:", "tuned"]
    assert "nothing of the state stays" in " ".join(switched["notes"])
    assert all(set(trial["hyper"]) == {"lr", "beta1", "eps", "lr@2"} for trial in switched["tuning"]["trials"])
    assert switched["settings"]["lr@2"] != switched["settings"]["lr"]
    scheduled = rows["adam:betas=", "tuned"]["settings"]
    assert scheduled["lr"].startswith("warmup(2, cosine(") and scheduled["beta1"].startswith("warmup(2, linear(")


@pytest.mark.parametrize("sampler", [*(pytest.param(s, marks=pytest.mark.slow) for s in ("grid", "tpe")), "qmc"])
def test_samplers_spend_the_same_budget(sampler: str, thalweg: Callable[..., Ran], tmp_path: Path) -> None:
    options = ("--optimizers", "sgd:lr=0.1", "--tune", "5", "--sampler", sampler, "--seeds", "1", "--json")
    default, tuned = document(thalweg("compare", lines(tmp_path), *options, "--ranges", "lr=1e-3:1"))
    assert default["tuning"] is None and tuned["tuning"]["sampler"] == sampler
    assert len([trial for trial in tuned["tuning"]["trials"] if not trial["extra"]]) >= 5


def test_order_target_threads_and_logs(thalweg: Callable[..., Ran], tmp_path: Path) -> None:
    options = (
        "--order",
        "repeated",
        "--target",
        "0.5",
        "--threads",
        "2",
        "--jobs",
        "1",
        "--epochs",
        "4",
        "--seeds",
        "2",
    )
    code, out, _ = thalweg("compare", TINY, *options, "--optimizers", "sgd:lr=0.1", "--log", "jsonl, tensorboard")
    assert code == 0 and re.search(r"repeats\s+the\s+data\s+order", out)
    with sqlite3.connect("thalweg-out/store.db") as store:
        orders = store.execute("SELECT count(DISTINCT order_digest), count(*) FROM epochs").fetchone()
        specs = [json.loads(row[0]) for row in store.execute("SELECT spec FROM runs")]
    store.close()
    assert orders == (2, 8) and {spec["threads"] for spec in specs} == {2}
    events = [strict(line)["event"] for line in (tmp_path / "thalweg-out/tiny.jsonl").read_text().splitlines()]
    assert events.count("epoch") == 8 and events.count("ended") == 2
    assert [*(tmp_path / "thalweg-out/tensorboard").rglob("events.*")]
    [row] = document(thalweg("compare", TINY, *options, "--optimizers", "sgd:lr=0.1", "--json"))
    assert row["reached"]["seeds"] == 2 and "time_seconds" in row["reached"]


def test_rates_are_found_told_and_kept(
    thalweg: Callable[..., Ran], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from thalweg.lab import rates
    from thalweg.lab.rate import FoundRate, Tried

    unsure = FoundRate(0.05, False, "two rates are as good", (Tried(0.05, {4: 0.9}), Tried(0.5, {4: 0.9})), 2.0, 8, 16)
    calls = []
    monkeypatch.setattr(rates, "find_rate", lambda *arguments, **options: calls.append(1) or unsure)
    options = ("--optimizers", "sgd", "--lr", "auto", "--seeds", "1", "--json")
    first, second = (thalweg("compare", lines(tmp_path), *options) for _ in range(2))
    for ran in (first, second):
        [row] = document(ran)
        assert row["settings"]["lr"] == 0.05 and "not sure: two rates are as good" in row["notes"][0]
        assert "not sure" in ran[2] and "0.5" in ran[2]  # the curve
    assert len(calls) == 1
    assert thalweg("compare", lines(tmp_path), *options, "--optimizers", "adam@1/sgd")[0] == 2


# --- files beside a problem, and data without a seed ---

BESIDE = "import torch\n\n\ndef squared(model, batch):\n    return SCALE * ((model(batch[0]) - batch[1]) ** 2).mean()\n"


def test_a_problem_imports_what_is_beside_it(thalweg: Callable[..., Ran], tmp_path: Path) -> None:
    imports = ("import torch\n", "import torch\nimport beside\n")
    calls = ("((model(batch[0]) - batch[1]) ** 2).mean()", "beside.squared(model, batch)")
    finals = {}
    for name, scale in (("a", 1), ("b", 2)):  # of two folders each has its own, also in one process
        problem = lines(tmp_path / name, imports, calls)
        (tmp_path / name / "beside.py").write_text(f"SCALE = {scale}\n{BESIDE}", encoding="utf-8")
        [row] = document(thalweg("compare", problem, *SMALL, "--json"))
        finals[name] = row["final"]["mean"]
    assert finals["a"] != finals["b"]
    (tmp_path / "a/beside.py").write_text(f"SCALE = 3\n{BESIDE}", encoding="utf-8")
    ran = thalweg("compare", str(tmp_path / "a/lines.py"), *SMALL, "--json")
    assert document(ran)[0]["final"]["mean"] not in finals.values() and "runs 1/1" in ran[2]
    (tmp_path / "a/unrelated.py").write_text("", encoding="utf-8")
    assert "1 of 1 runs are in the store already" in thalweg("compare", str(tmp_path / "a/lines.py"), *SMALL)[2]


def test_data_without_a_seed_is_the_same_for_every_run(thalweg: Callable[..., Ran], tmp_path: Path) -> None:
    drawn = "x = FIXED + torch.randn(40, 2) + torch.randn(40, 2, generator=GENERATOR)"
    constants = "FIXED, GENERATOR = torch.randn(40, 2), torch.Generator().manual_seed(3)\n"
    problem = lines(
        tmp_path,
        ("x = torch.randn(40, 2, generator=torch.Generator().manual_seed(0))", drawn),
        ("EPOCHS", f"{constants}EPOCHS"),
    )
    rows = document(thalweg("compare", problem, "--optimizers", "sgd:lr=0.1,adam", "--tune", "1", "--json"))
    assert [row["status"] for row in rows] == [["finished"] * 3] * 4


# --- stores ---


def test_stores_are_merged_reported_and_exported(thalweg: Callable[..., Ran], tmp_path: Path) -> None:
    problem = lines(tmp_path)
    for name, optimizer in (("a", "sgd:lr=0.1"), ("b", "adam:lr=0.01")):
        options = ("--optimizers", optimizer, "--seeds", "1", "--store", f"{name}.db", "--json")
        assert thalweg("compare", problem, *options)[0] == 0
    assert thalweg("merge", "a.db", "b.db", "-o", "c.db")[:2] == (0, "c.db\n")
    both = ("--optimizers", "sgd:lr=0.1,adam:lr=0.01", "--seeds", "1", "--store", "c.db", "--json")
    ran = thalweg("compare", problem, *both)
    assert len(document(ran)) == 2 and "2 of 2 runs are in the store already" in ran[2]
    for name in ("t.csv", "t.parquet", "t.jsonl"):
        assert thalweg("export", name, "--store", "c.db")[:2] == (0, f"{name}\n")
    table = [*csv.DictReader((tmp_path / "t.csv").read_text().splitlines())]
    written = [strict(line) for line in (tmp_path / "t.jsonl").read_text().splitlines()]
    import pyarrow.parquet

    assert len(table) == len(written) == pyarrow.parquet.read_table("t.parquet").num_rows == 4
    assert thalweg("report", "--store", "c.db", "-o", "deep/page.html")[:2] == (0, "deep/page.html\n")
    assert "adam:lr=0.01" in (tmp_path / "deep/page.html").read_text(encoding="utf-8")
    for refused in (
        ("merge", "a.db", "-o", "c.db"),
        ("merge", "nowhere.db", "-o", "d.db"),
        ("export", "t.xlsx", "--store", "c.db"),
        ("report", "--store", "nowhere.db"),
        ("report", "--store", "c.db", "--problem", "other"),
    ):
        code, out, err = thalweg(*refused)
        assert (code, out, err.count("\n")) == (2, "", 1), (refused, err)


WITHOUT_TORCH = """
import sys
for name in ("torch", "sklearn", "ray", "optuna"):
    sys.modules[name] = None  # as if it were not installed
from thalweg.cli import main
main(sys.argv[1:])
"""


def test_a_report_needs_no_torch_and_a_comparison_says_that_it_does(
    thalweg: Callable[..., Ran], tmp_path: Path
) -> None:
    assert thalweg("compare", lines(tmp_path), *SMALL, "--store", "s.db")[0] == 0

    def without(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-W", "error", "-c", WITHOUT_TORCH, *arguments]
        return subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=200)

    reported = without("report", "--store", "s.db", "-o", "page.html")
    assert reported.returncode == 0 and (tmp_path / "page.html").stat().st_size > 10_000, reported.stderr
    refused = without("compare", "lines.py")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "needs the package 'torch', which is not installed: pip install 'thalweg[lab]'" in refused.stderr
    assert refused.stderr.count("\n") == 1


# --- refusals and help ---


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--engine", "rey"), "did you mean 'ray'"),
        (("--address", "auto"), "only with the engine 'ray'"),
        (("--gpus", "1"), "only with the engine 'ray'"),
        (("--gpus", "-1", "--engine", "ray"), "--gpus must be a number from 0 on"),
        (("--jobs", "0"), "--jobs must be a whole number above 0"),
        (("--log", "jsonl,tensorbord"), "did you mean 'tensorboard'"),
        (("--tune", "-1"), "--tune must be a whole number of trials"),
        (("--tune", "2", "--hyper", "rho"), "'sgd:lr=0.1' cannot be tuned"),
        (("--tune", "2", "--ranges", "lr=1"), "the range of 'lr' as two numbers"),
        (("--lr", "0.1"), "expected --lr auto"),
        (("--order", "random"), "there is no order 'random'"),
        (
            ("--optimizers", "sgd:lr=0.1,momentum=momentum_annealing()", "--tune", "2", "--hyper", "rho"),
            "tuned by its largest value",
        ),
    ],
)
def test_what_cannot_be_done_is_refused_before_anything_is_made(
    arguments: tuple[str, ...], message: str, thalweg: Callable[..., Ran], tmp_path: Path
) -> None:
    code, out, err = thalweg("compare", lines(tmp_path), *arguments)
    assert (code, out) == (2, "") and message in err and err.count("\n") == 1, err
    assert not (tmp_path / "thalweg-out").exists()


COMMANDS = sorted(command.callback.__name__ for command in app.registered_commands if command.callback)


@pytest.mark.parametrize("command", COMMANDS)
def test_help_is_readable_in_a_narrow_terminal(
    command: str, thalweg: Callable[..., Ran], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    code, out, err = thalweg(command, "--help")
    assert (code, err) == (0, "") and f"thalweg {command}" in out
    assert all(len(line) <= 80 for line in out.splitlines()) and "…" not in out
    described = [line for line in out.splitlines() if re.match(r"│ +\*? +-", line)]
    assert all(len(line.split()) > 4 for line in described)  # every option says what it is for
    assert os.environ["COLUMNS"] == "80"
