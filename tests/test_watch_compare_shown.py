"""What was watched, where it is shown: terminal, page, JSON and sinks."""

import io
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from comparisons import comparison
from store_runs import run, spec
from test_page import Reader
from test_sinks import lines, tell
from test_watch_compare import NOTED, SEEN
from thalweg.lab import sinks
from thalweg.lab.document import from_plain, to_plain
from thalweg.lab.sinks.tracked import Tracked
from thalweg.lab.table import Comparison
from thalweg.report.data import as_json, records
from thalweg.report.document import document
from thalweg.report.page import page
from thalweg.report.terminal import render
from thalweg.report.watched import watched as section
from watched_rows import LAYERS, WATCHED, watched

WITH_ALARMS = run(spec(0))._replace(
    watched=replace(
        SEEN, alarms=(NOTED, replace(NOTED, step=80, epoch=3, part="a.bias"), replace(NOTED, alarm="spike"))
    )
)


def written(of: Comparison, width: int = 80) -> str:
    console = Console(file=io.StringIO(), width=width)
    console.print(render(of, width))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


# --- terminal ---


@pytest.mark.parametrize("width", [80, 60, 100])
def test_the_terminal_says_each_kind_once_per_row(width: int) -> None:
    text = written(WATCHED["watched"], width)
    assert max(map(len, text.splitlines())) <= width
    text = " ".join(text.split())
    assert "Adam: epsilon rules the denominator, 2 of 3 seeds, first at step 32 (epoch 1)" in text
    assert "So in 5 other parts. Try: Lower eps to 1e-8" in text
    assert "SGD with momentum: spike, 3 of 3 seeds, first at step 64" in text
    assert text.count("epsilon rules the denominator") == 1 and text.count(": spike") == 2
    assert "14 runs watched, measured every 16 steps. No alarm: AdaDelta; AdaGrad; RMSprop." in text
    assert "Not watched: AdaGrad (1 seed); SGD; a run that is in the store is not trained again" in text


def test_where_nothing_was_watched_the_terminal_says_nothing_and_where_nothing_rang_one_line() -> None:
    assert "Alarms" not in written(comparison())
    quiet = replace(WATCHED["watched"], rows=tuple(replace(r, alarms=()) for r in WATCHED["watched"].rows[:5]))
    text = written(quiet)
    assert "No alarm." in text and "first at step" not in text


# --- page ---


@pytest.fixture(scope="module")
def shown() -> str:
    return section(WATCHED["watched"])


def test_every_figure_that_was_measured_has_a_chart_and_its_numbers(shown: str) -> None:
    reader = Reader(shown)
    assert reader.open == []
    titles = re.findall(r"<figcaption>([^<(]*)", shown)
    whole = [title.strip() for title in titles]
    assert whole[:6] == [
        "training loss",
        "update / weight",
        "effective learning rate",
        "gradient norm",
        "oscillation",
        "epsilon rules",
    ]
    assert whole[6:10] == ["learning rate", "update norm", "angle between update and descent", "gradient noise"]
    assert "Zero throughout: updates lost to rounding." in reader.text and "updates lost to rounding" not in whole
    assert len(whole) == 10 + 5 * 5 - 1  # and five for the layers of each watched row; one row has no epsilon
    assert shown.count("<table") == shown.count("<details") + 1
    assert "Norm of the update over that of the weights" in reader.text


def test_alarms_are_marks_with_words_and_a_table(shown: str) -> None:
    drawn = shown[shown.index("<svg") : shown.index("</svg>")]
    hovered = re.findall(r'<path class="line-(\d)"[^>]*><title>([^<]*)</title>', drawn)
    assert [place for place, _ in hovered] == ["0", "0", "1", "2", "2", "2"]
    assert hovered[2][1] == "Adam, step 400: The loss rose to 5.2 times its best, 0.31."
    text = " ".join(Reader(shown).text.split())
    assert "So in 5 other parts. The rule is no longer adaptive" in text and "step 400 epoch 7" in text


def test_a_row_can_be_chosen_and_its_layers_opened(shown: str) -> None:
    inputs = [attributes for tag, attributes in Reader(shown).elements if tag == "input"]
    assert [a.get("id") for a in inputs] == [None, "row-0", "row-1", "row-2", "row-3", "row-4"]
    assert shown.count(".rows:has(#row-") == 6
    assert shown.count('<details name="layers">') == 5
    text = Reader(shown).text
    assert all(text.count(layer) >= 5 for layer in LAYERS)


def test_hostile_names_and_words_are_only_text() -> None:
    document = page(WATCHED["hostile"])
    reader = Reader(document)
    assert reader.open == [] and "<img" not in document and "<!--" not in document and "\x1b" not in document
    assert document.count("</script>") == document.count("<script") == 2
    assert document.count("&lt;/script&gt;&lt;img src=x onerror=alert(1)&gt;") > 20
    for _, attributes in reader.elements:
        assert not any(name.startswith("on") or name in ("src", "xlink:href") for name in attributes)
    assert not re.search(r"https?://", re.sub(r'xmlns(:\w+)?="[^"]*"', "", document))
    ids = re.findall(r'\sid="([^"]*)"', document)
    assert len(ids) == len(set(ids))


def test_a_page_of_runs_that_were_not_watched_says_so() -> None:
    assert "Not watched: the runs were trained with --watch 0" in section(comparison())
    assert section(replace(comparison(), rows=(), runs=())) == ""


def test_a_row_that_broke_down_at_once_is_drawn() -> None:
    base = watched()
    seen = base.rows[0].watched
    assert seen is not None
    nothing = replace(seen, steps=(), loss=(), figures={}, layers={})
    one = replace(seen, steps=(16,), loss=(None,), figures={"lr": (1e30,), "no such figure": (1.0,)}, layers={})
    rows = tuple(replace(r, watched=w, alarms=()) for r, w in zip(base.rows, (nothing, one), strict=False))
    shown = section(replace(base, rows=rows))
    assert "NaN" not in shown and "learning rate" in shown and Reader(shown).open == []


# --- data ---


def test_json_has_the_alarms_and_no_figures() -> None:
    rows = json.loads(json.dumps(document([WATCHED["watched"]]), allow_nan=False))
    first = rows[2]["alarms"][0]
    assert (first["alarm"], first["part"], first["seeds"], first["steps"]) == ("epsilon", "0.weight", [0, 2], [32, 32])
    assert first["words"] and first["first_step"] == 32 and rows[0]["alarms"] == []
    assert "watched" not in rows[0]
    assert [r["alarms"] for r in records(WATCHED["watched"])].count("") == 3


def test_a_table_goes_through_json_and_back() -> None:
    for of in (WATCHED["watched"], WATCHED["hostile"]):
        again = from_plain(Comparison, json.loads(json.dumps(to_plain(of), allow_nan=False)))
        assert again.rows == of.rows
        assert json.loads(as_json(of))["rows"][0]["watched"]["steps"][:2] == [16, 32]


# --- sinks ---


def test_json_lines_are_told_of_alarms_before_the_end(tmp_path: Path) -> None:
    (sink,) = sinks.open(["jsonl"], tmp_path, "study")
    tell(sink, WITH_ALARMS)
    sink.close()
    told = lines(tmp_path / "study.jsonl")
    assert [entry["event"] for entry in told][-4:] == ["alarm", "alarm", "alarm", "ended"]
    assert told[-4] | {"event": "alarm"} == {"event": "alarm", "key": spec(0).key, "label": "Adam", **vars(NOTED)}


def test_tensorboard_has_the_words_of_an_alarm(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    (sink,) = sinks.open(["tensorboard"], tmp_path, "study")
    tell(sink, WITH_ALARMS)
    sink.close()
    (folder,) = (tmp_path / "tensorboard" / "study").iterdir()
    events = EventAccumulator(str(folder))
    events.Reload()
    found = events.Tensors("alarm/epsilon/text_summary")
    assert [event.step for event in found] == [2, 3]
    assert b"step 48: In a.weight epsilon rules. Lower it." in found[0].tensor_proto.string_val[0]


def test_trackio_and_wandb_are_told_the_first_of_each_kind() -> None:
    class Logged:
        def __init__(self) -> None:
            self.calls: list[tuple[dict[str, Any], int | None]] = []

        def log(self, values: dict[str, Any], step: int | None = None) -> None:
            self.calls.append((values, step))

    runs: list[Logged] = []

    def begin(spec: Any, label: str) -> Logged:
        runs.append(Logged())
        return runs[-1]

    tell(Tracked(begin, lambda run, status: run.log({"ended": status})), WITH_ALARMS)
    *_, said, ended = runs[0].calls
    text = "step 48: In a.weight epsilon rules. Lower it."
    assert said == ({"alarm/epsilon": text, "alarm/spike": text}, None) and ended == ({"ended": "finished"}, None)
