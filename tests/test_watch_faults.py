"""The benchmark that judges the alarms: its runs are fair, it counts right, and its published numbers are its own."""

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
DATA = ROOT / "docs" / "data" / "watch_faults.json"


@pytest.fixture
def benchmark(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    import watch_faults

    yield watch_faults
    for name in [name for name in sys.modules if name.partition(".")[0] in ("faults", "watch_faults", "watch_page")]:
        del sys.modules[name]


def test_runs_come_in_pairs_that_differ_in_the_fault_only(benchmark: Any) -> None:
    for problems, grounds in benchmark.GROUNDS.items():
        for fault in benchmark.FAULTS:
            pairs = benchmark.planned(fault, grounds, 20, 1)
            assert pairs == benchmark.planned(fault, grounds, 20, 1)
            assert len(pairs) == 20
            assert len({faulty.problem for faulty, _ in pairs}) >= 3, (problems, fault.name)
            for engine in ("torch", "thalweg"):
                assert sum(faulty.engine == engine for faulty, _ in pairs) == 10
            for faulty, healthy in pairs:
                assert (faulty.faulty, healthy.faulty) == (True, False)
                assert all(
                    getattr(faulty, name) == getattr(healthy, name)
                    for name in ("problem", "engine", "seed", "batch", "cosine", "begins", "every")
                )
                assert faulty.lr > 0 and healthy.lr > 0 and faulty.begins <= faulty.steps


def test_no_problem_is_both_known_and_held_back(benchmark: Any) -> None:
    problems = [ground.problem for grounds in benchmark.GROUNDS.values() for ground in grounds]
    assert len(set(problems)) == len(problems)


def test_the_alarms_that_name_a_fault_exist(benchmark: Any) -> None:
    from thalweg.watch.alarms import ALARMS

    names = {alarm.name for alarm in ALARMS}
    for fault in benchmark.FAULTS:
        assert fault.alarms and set(fault.alarms) <= names, fault.name


def test_only_a_naming_alarm_in_the_right_layer_and_in_time_counts(benchmark: Any) -> None:
    from faults.outcome import Alarmed, Outcome

    grounds = benchmark.GROUNDS["known"]
    trials = {fault.name: benchmark.planned(fault, grounds, 2, 1)[0][0] for fault in benchmark.FAULTS}

    def found(name: str, layers: tuple[str, ...], **alarmed: Any) -> bool:
        one = replace(Alarmed(9, 0, "dead", "1.weight", 1.0, ""), **alarmed)
        return Outcome(replace(trials[name], begins=5), layers, (one,), 1.0, 1.0, 0.0).found is not None

    assert found("dead", ("1.weight", "1.bias"))
    assert not found("dead", ("3.weight",))
    assert not found("dead", ("1.weight",), alarm="small")
    assert not found("dead", ("1.weight",), part="group 0")
    assert found("nan", (), alarm="nonfinite", step=5, part="group 0")
    assert not found("nan", (), alarm="nonfinite", step=4)
    assert not found("nan", (), alarm="nonfinite", step=9, since=4)


def test_faults_are_where_they_are_said_to_be(benchmark: Any) -> None:
    """Dead layers have no gradient, small ones one a million times smaller; in the others it is as it was."""
    import torch
    from faults.outcome import BY_NAME, ground_of
    from faults.training import batches, loaded

    def gradients(name: str, planted: bool, variant: int) -> tuple[tuple[str, ...], dict[str, float]]:
        problem, data, model = loaded("binary-classifier", 0)
        trial = replace(benchmark.planned(BY_NAME[name], benchmark.GROUNDS["known"], 1, 1)[0][0], variant=variant)
        layers = BY_NAME[name].model(model, trial, ground_of("binary-classifier")) if planted else ()
        problem.loss(model, next(batches(data.train, 32, 0))).backward()
        return layers, {n: 0.0 if p.grad is None else p.grad.norm().item() for n, p in model.named_parameters()}

    _, usual = gradients("dead", False, 0)
    for variant in (0, 1):
        layers, cut = gradients("dead", True, variant)
        assert layers == ("0.weight", "0.bias")
        assert all(cut[name] == 0 for name in layers) and cut["2.bias"] > 0
        layers, small = gradients("small-gradients", True, variant)
        for name, norm in small.items():
            assert norm == pytest.approx((1e-6 if name in layers else 1) * usual[name], rel=1e-4)
    assert torch.get_num_threads() >= 1


def test_it_runs_and_writes_what_it_prints(benchmark: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "faults.json"
    few = ["--only", "linear-regression", "--faults", "lr-high,nan", "--runs", "2", "--processes", "1"]
    benchmark.main([*few, "--json", str(path)])
    table = capsys.readouterr().out
    assert all(len(line) <= 80 for line in table.splitlines())
    document = json.loads(path.read_text(encoding="utf-8"))["known"]
    assert [row["fault"] for row in document["faults"]] == ["lr-high", "nan"]
    for row in document["faults"]:
        assert f"{row['title']:26}{2:>5}{row['found']:>6}" in table
        assert row["found"] == 2, "learning rates a hundred times too high and NaN cannot be missed"
        assert len(row["trials"]) == 4


def test_what_is_published_is_what_was_counted() -> None:
    document = json.loads(DATA.read_text(encoding="utf-8"))
    assert sorted(document) == ["held-back", "held-back-first", "held-back-second", "known"]
    for each in document.values():
        rows = each["faults"]
        assert len(rows) == 11
        for row in rows:
            faulty = [trial for trial in row["trials"] if trial.get("faulty")]
            healthy = [trial for trial in row["trials"] if not trial.get("faulty")]
            assert (row["runs"], row["healthy"]) == (len(faulty), len(healthy)) == (20, 20)
            assert row["found"] == sum(trial["found"] for trial in faulty)
            assert row["missed"] == sum(not trial["alarms"] for trial in faulty)
            assert row["found"] + row["other"] + row["missed"] == 20
            assert row["false"] == sum(bool(trial["alarms"]) for trial in healthy)


def test_the_page_shows_what_was_measured(benchmark: Any) -> None:
    import watch_page

    page = watch_page.PAGE.read_text(encoding="utf-8")
    for name, part in watch_page.parts().items():
        assert f"<!-- measured: {name} -->\n\n{part}\n\n<!-- end -->" in page
