"""The report in the terminal on made-up comparisons: what it says, and that it fits."""

import math
import subprocess
import sys
from dataclasses import replace

import pytest
from rich.cells import cell_len
from rich.console import Console

from comparisons import CASES, comparison, ranking, study
from thalweg.lab.table import Comparison, Ranking, Row
from thalweg.report import phrases, rows, words
from thalweg.report.columns import folded
from thalweg.report.terminal import render, render_ranking
from thalweg.report.verdict import verdict


def printed(shown: Comparison | Ranking, width: int = 80) -> str:
    console = Console(width=width, force_terminal=False, color_system=None, legacy_windows=False)
    with console.capture() as capture:
        console.print(render_ranking(shown, width) if isinstance(shown, Ranking) else render(shown, width))
    return capture.get()


def part(text: str, title: str) -> list[str]:
    """The lines of one table, from its title to the next empty line."""
    lines = [line.rstrip() for line in text.splitlines()]
    start = lines.index(title)
    end = next((k for k in range(start, len(lines)) if not lines[k].strip()), len(lines))
    return lines[start:end]


@pytest.mark.parametrize("width", [100, 80, 60, 44])
@pytest.mark.parametrize("case", CASES)
def test_no_line_is_too_long(case: str, width: int):
    for line in printed(CASES[case], width).splitlines():
        assert cell_len(line) <= width, line


@pytest.mark.parametrize("width", [80, 44])
def test_no_line_of_a_ranking_is_too_long(width: int):
    assert all(cell_len(line) <= width for line in printed(ranking(), width).splitlines())


def test_a_wider_terminal_does_not_stretch_it():
    console = Console(width=200, force_terminal=False, color_system=None)
    with console.capture() as capture:
        console.print(render(comparison()))
    assert max(map(cell_len, capture.get().splitlines())) <= 80


def test_the_first_table_holds_the_numbers():
    text = printed(comparison())
    lines = [line.rstrip() for line in text.splitlines()]
    assert "10 epochs" in text and "batch size 64" in text and "3 seeds" in text
    adam = next(index for index, line in enumerate(lines) if line.startswith("Adam "))
    last = comparison().rows[2].epochs[-1]
    assert f"{last.metric_mean:.4f}" in lines[adam] and f"{last.loss_mean:.4f}" in lines[adam]
    assert f"±{last.metric_sd:.4f}" in lines[adam + 1] and "lr 0.001" in lines[adam + 1]
    assert "8:02" in lines[adam] and "12%" in lines[adam]
    assert any(line.split() == ["epoch", "1", "epoch", "5", "epoch", "10", "opt."] for line in lines)


def test_the_answer_is_in_the_order_of_the_results():
    lines = part(printed(study()), "Which is best")
    assert lines[4].split() == ["RMSprop", "0.9673", "the", "best", "97%"]
    assert lines[5].split() == ["tuned,", "lr", "0.0012", "0.9653", "to", "0.9693"]
    assert lines[6].split()[:2] == ["Adam", "0.9673"] and lines[6].split()[3] == "81%"
    assert lines[7].endswith("-0.0037 to +0.0037")
    assert [line for line in lines if "1 of 5 diverged" in line] == [lines[-3]]  # last, above the two lines of the note
    means = [float(line.split()[-3]) for line in lines[6:24:2]]
    assert means == sorted(means, reverse=True)


def test_less_is_better_turns_the_order():
    shown = CASES["tuned, minimised"]
    means = [one.row.final.mean for one in rows.by_result(shown)]
    assert means == sorted(means)
    lines = part(printed(shown), "Which is best")
    assert "1.2e-04" in lines[4] and "1.0e-04 to 1.4e-04" in lines[5] and "less is better" in " ".join(lines)


def test_the_cost_tells_who_met_the_target():
    lines = part(printed(study()), "How fast, and at what cost")
    found = {(lines[k].split()[0], lines[k + 1].split(",")[0]): lines[k] for k in range(4, len(lines) - 5)}
    assert "5 of 5" in found["AdaDelta", "tuned"] and "never" in found["AdaDelta", "default"]
    assert found["Adam", "tuned"].split()[1:] == [
        "3",
        "of",
        "5",
        "252",
        "5.6",
        "s",
        "630",
        "15.9",
        "s",
        "12%",
        "2.4",
        "MB",
    ]
    assert "none" in found["AdaDelta", "tuned"]


def test_without_a_target_there_is_no_such_column():
    assert "seeds at" not in printed(study(target=None)) and "to it" not in printed(study(target=None))


def test_the_budget_is_printed():
    text = printed(study())
    cost = " ".join(part(text, "What tuning cost")).split()
    assert cost.count("5,120") == 6 and cost.count("6,000") == 6 and "quasi-random" in cost
    sgd = next(line for line in part(text, "What tuning cost") if line.startswith("SGD  "))
    trials = study().rows[-1].tuning.trials
    counts = [sum(trial.status == status for trial in trials) for status in ("stopped", "diverged")]
    assert sgd.split()[1:] == ["12", *map(str, counts), "1", "5,120", "6,000", "2:22"]
    found = part(text, "What tuning found")
    place = next(k for k, line in enumerate(found) if line.startswith("SGD  "))
    assert found[place].split() == ["SGD", "lr", "0.000949", "to", "94.8", "0.3", "0.15", "to", "0.75", "(5x)"]
    assert "at first 0.000949 to" in found[place + 1] and "at the edge" in found[place + 1]


def test_without_tuning_it_looks_as_ever():
    text = printed(comparison())
    assert "What tuning" not in text and "How fast" not in text and "default" not in text.partition("Which is best")[2]


@pytest.mark.parametrize("case", CASES)
def test_verdict_and_caveats_end_it(case: str):
    flat = "".join(printed(CASES[case]).split())
    for sentence in (*verdict(CASES[case]), *map(words.plain, CASES[case].caveats)):
        assert "".join(sentence.split()) in flat


def test_notes_of_rows_are_shown():
    assert "AdaDelta: the state of the first optimizer was dropped at the switch" in printed(study())


def test_a_row_with_seeds_to_come_is_not_ranked():
    base = comparison()
    first = replace(base.rows[3], seeds=(0,), statuses=("finished",))
    lines = part(printed(replace(base, rows=(*base.rows[:3], first))), "Which is best")
    place = next(k for k, line in enumerate(lines) if line.startswith("RMSprop"))
    assert "1 of 3 seeds so far" in lines[place + 2] and "the best" not in lines[place]
    assert place > max(k for k, line in enumerate(lines) if line.startswith("Ada"))


def test_diverged_rows_say_so_and_keep_their_early_numbers():
    text = printed(CASES["diverged"])
    assert "1 of 3 diverged" in text and "3 of 3 diverged" in text
    sgd = next(line for line in text.splitlines() if line.startswith("SGD  "))
    assert sgd.count("–") == 4 and "0.6" in sgd


def test_markup_and_control_characters_are_shown_not_obeyed():
    text = printed(comparison({"[red]x[/red]": 0.9, "a\x1b[31mb": 0.8}))
    assert "[red]x[/red]" in text
    assert "\x1b" not in text and "a�[31mb" in text


def test_long_labels_break_between_settings():
    label = "adamw:lr=warmup(100,cosine(0.001,6300)),weight_decay=0.0123456/sgd:momentum=0.9,nesterov=True"
    lines = folded(label, 20).splitlines()
    assert "".join(lines) == label and max(map(len, lines)) <= 20
    assert all(line.endswith((",", "(", ")", ":", "/", "=", "True", "_")) for line in lines), lines
    assert "momentum=0.9," in lines[-2]


def test_the_ranking_tells_its_scores_and_what_would_change_it():
    text = printed(ranking())
    assert "Adam                       0.8600 0.7800 to 0.9300   60%" in text
    assert "Not stable: 1 of 9" in text and "Without the problem mnist-cnn: RMSprop, Adam" in text
    assert "Stable: " in printed(replace(ranking(), changes={}))
    assert "Nothing was left out" in printed(replace(ranking(), changes={}, left_out=0))


# --- words ---


def test_failed_runs_are_counted_apart():
    base = comparison().rows[0]
    assert words.trouble(replace(base, statuses=("finished", "failed", "diverged"))) == "1 of 3 diverged, 1 of 3 failed"


@pytest.mark.parametrize("value", [0.0, -0.5, 9.99999, 12.3456, 9999.9, 1e4, 1e300, 1e-300, -1e-5, math.inf, None])
def test_numbers_stay_short(value: float | None):
    assert len(words.number(value)) <= 8 and len(phrases.result(value)) <= 8 and len(phrases.signed(value)) <= 9


def test_a_chance_is_never_certain():
    assert phrases.chance(1.0) == ">99%" and phrases.chance(0.0) == "<1%" and phrases.chance(math.nan) == "–"


def test_a_tuned_row_shares_the_place_of_its_default_row():
    found = rows.shown(study())
    assert [one.place for one in found] == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5]
    assert found[5].name == "Adam, tuned" and found[5].optimizer == "Adam"
    assert [one.optimizer for one in rows.shown(CASES["same label"])] == ["Adam (1)", "Adam (2)", "Adam (3)"]


def test_tuned_rows_alone_are_optimizers_of_their_own():
    tuned = tuple(row for row in study().rows if row.kind == "tuned")
    assert [one.place for one in rows.shown(replace(study(), rows=tuned))] == list(range(6))


def test_a_range_tells_its_factor():
    assert phrases.width((0.001, 0.2)) == "0.001 to 0.2 (200x)" and phrases.width(None) == "–"
    assert phrases.rate(Row("SGD", "sgd", {}, (), (), (), 1.0, 0.1)) == "default"


# --- where it runs ---

WITHOUT_FRAMEWORKS = """
import sys

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {"torch", "jax", "keras", "tensorflow", "triton", "numba", "sklearn", "optuna"}:
            raise ImportError(f"{name} is blocked")

sys.meta_path.insert(0, Blocker())
import thalweg.report, thalweg.report.terminal, thalweg.report.charts, thalweg.report.page, thalweg.report.display
assert not {"rich", "altair", "vl_convert", "numpy", "pandas"} & set(sys.modules), "the import is not cheap"
from rich.console import Console
from thalweg.lab.table import Comparison, EpochSummary, Row
row = Row("Adam", "adam", {"lr": 0.001}, (0,), ("finished",), (EpochSummary(1, 0.9, None, 0.3, None),), 60.0, 0.1)
shown = Comparison("p", "s", "d", "accuracy", 1, 64, (row,), {}, ())
Console(width=80).print(thalweg.report.terminal.render(shown))
print(len(thalweg.report.page.page(shown)))
"""


def test_the_report_runs_without_torch_and_loads_lazily():
    answer = subprocess.run([sys.executable, "-c", WITHOUT_FRAMEWORKS], capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stderr
    assert "Adam" in answer.stdout and int(answer.stdout.split()[-1]) > 5000
