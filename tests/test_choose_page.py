"""docs/choose.md: its tables are those of the data, and what it says in words is true of the data."""

import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
SPEC = importlib.util.spec_from_file_location("choose", ROOT / "benchmarks" / "choose.py")
assert SPEC is not None and SPEC.loader is not None
choose = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(choose)

DATA = json.loads(choose.DATA.read_text(encoding="utf-8"))
PAGE = choose.PAGE.read_text(encoding="utf-8")
IN_PROPORTION, ADAPTIVE = ("sgd", "momentum", "nesterov"), ("adagrad", "rmsprop", "adam", "lion")


def means(problem: str, kind: str) -> dict[str, float]:
    rows = DATA["problems"][problem]["rows"]
    return {row["optimizer"]: row["mean"] for row in rows if row["kind"] == kind}


def spread(problem: str, kind: str) -> float:
    found = means(problem, kind).values()
    return max(found) - min(found)


def ahead(problem: str, one: str, other: str) -> bool:
    """Whether one tuned row's interval lies on the better side of another's."""
    rows = {row["optimizer"]: row for row in DATA["problems"][problem]["rows"] if row["kind"] == "tuned"}
    assert DATA["problems"][problem]["maximize"]
    return rows[one]["interval"][0] > rows[other]["interval"][1]


def test_the_tables_are_those_of_the_data() -> None:
    assert choose.filled(PAGE, choose.tables(DATA)) == PAGE
    assert len(DATA["problems"]) == 7 and {one["seeds"] for one in DATA["problems"].values()} == {5}
    assert all(f" {name} " in f" {PAGE} " for name in DATA["problems"])


def test_a_page_without_its_comments_is_refused() -> None:
    with pytest.raises(ValueError, match="expected the comments around 'tuned'"):
        choose.filled("nothing", {"tuned": "table"})


def test_tuning_brings_the_optimizers_together() -> None:
    for problem in DATA["problems"]:
        assert spread(problem, "default") / spread(problem, "tuned") > 3.4, problem


def test_who_was_among_the_best() -> None:
    counts = {
        kind: {name: choose.among_the_best(DATA, name, kind) for name in (*IN_PROPORTION, *ADAPTIVE)}
        for kind in choose.KINDS
    }
    ranked = sorted(counts["tuned"], key=lambda name: -counts["tuned"][name])
    assert set(ranked[:3]) == {"adam", "rmsprop", "nesterov"}
    assert counts["tuned"][ranked[2]] > counts["tuned"][ranked[3]]
    assert max(counts["default"].values()) == 2 == counts["default"]["adam"] == counts["default"]["rmsprop"]


def test_what_defaults_reach() -> None:
    reached = {name: choose.reached_by_default(DATA, name) for name in (*IN_PROPORTION, *ADAPTIVE)}
    assert [name for name, count in reached.items() if count == len(DATA["problems"])] == ["rmsprop"]
    assert reached["adam"] == len(DATA["problems"]) - 3


def test_which_problems_want_an_adaptive_rule() -> None:
    for problem in ("multi-task", "sparse-logistic"):
        found = means(problem, "tuned")
        assert max(found[name] for name in IN_PROPORTION) < min(found[name] for name in ADAPTIVE), problem
    assert all(ahead("sparse-logistic", name, "adagrad") for name in ("adam", "rmsprop"))


def test_where_the_choice_hardly_matters() -> None:
    for problem in ("linear-regression", "binary-classifier"):
        rows = [row for row in DATA["problems"][problem]["rows"] if row["kind"] == "tuned"]
        assert sum(map(choose.best, rows)) >= len(rows) - 1


def test_how_far_apart_the_rates_lie() -> None:
    spans = dict(zip(ADAPTIVE + IN_PROPORTION, choose.rate_spans(DATA, ADAPTIVE + IN_PROPORTION), strict=True))
    assert spans["sgd"] > 1000 and round(spans["rmsprop"]) == 11
    assert min(spans[name] for name in IN_PROPORTION) > max(spans[name] for name in ADAPTIVE)


def test_data_is_made_of_an_answer(tmp_path: Path) -> None:
    final = {"mean": 0.123456789, "low": 0.1, "high": 0.2}
    row: dict[str, Any] = {"optimizer": "sgd", "kind": "tuned", "settings": {"lr": 0.1}, "status": ["finished"]}
    row |= {"final": final, "difference": None, "reached": None, "epochs": [{}] * 4, "seeds": [0]}
    lost = {**row, "optimizer": "adam", "status": ["diverged"], "difference": {"low": 0.01, "high": 0.2}}
    path = tmp_path / "answer.json"
    path.write_text(json.dumps([row, lost]), encoding="utf-8")
    data = choose.summary([choose.problems(f"mnist-mlp={path}")])
    (problem,) = data["problems"].values()
    assert (problem["epochs"], problem["maximize"], data["ranking"]) == (4, True, None)
    assert [(one["mean"], choose.best(one)) for one in problem["rows"]] == [(0.123457, True), (None, False)]


def test_the_picture_has_a_panel_for_each_problem() -> None:
    panels = [panel for panel in choose.picture(DATA).axes if panel.get_title(loc="left")]
    assert [panel.get_title(loc="left") for panel in panels] == list(DATA["problems"])
    assert all(len(panel.lines) >= 2 * 14 for panel in panels)
