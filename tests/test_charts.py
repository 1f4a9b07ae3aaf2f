"""The charts of made-up comparisons: every number is in them, nothing else is, and every one of them can be drawn."""

import functools
import json
import math
import re
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from comparisons import CASES, RATES, comparison, ranking, study
from thalweg.colours import COLOURS
from thalweg.lab.table import Comparison, EpochSummary, Row, Trial
from thalweg.report import charts, style
from thalweg.report.finals import final_panels
from thalweg.report.profiles import profiles
from thalweg.report.sensitivity import rate_panels


def values_of(chart: Any) -> list[dict[str, Any]]:
    """Every data point that a chart holds."""
    return [point for points in chart.to_dict()["datasets"].values() for point in points]


@functools.cache
def figures_of(case: str) -> dict[str, tuple[list[dict[str, Any]], ...]]:
    """Every figure's data points, panel by panel."""
    return {one.name: tuple(values_of(panel) for panel in one.drawn) for one in charts.figures(CASES[case])}


def two(first: float, second: float, spread: float | None) -> Comparison:
    """Two optimizers with a given final metric and loss, both of the same spread."""

    def ended(label: str, value: float) -> Row:
        last = EpochSummary(1, value, spread, 1 - value, spread)
        return Row(label, "adam", {"lr": 0.001}, (0, 1, 2), ("finished",) * 3, (last,), 1.0, 0.1)

    return replace(comparison(epochs=1), rows=(ended("A", first), ended("B", second)))


# --- curves ---


def test_the_chart_draws_every_mean_and_its_spread():
    shown = comparison()
    points = {(point["optimizer"], point["epoch"]): point for point in values_of(charts.panels(shown)[0])}
    assert len(points) == 60
    for row in shown.rows:
        for entry in row.epochs:
            point = points[row.optimizer, entry.epoch]
            assert point["mean"] == entry.metric_mean
            assert point["high"] - point["low"] == pytest.approx(2 * entry.metric_sd)


def test_missing_values_are_left_out():
    points = values_of(charts.panels(CASES["diverged"])[1])
    assert {point["epoch"] for point in points if point["optimizer"] == "SGD"} == {1, 2, 3, 4}
    assert all(math.isfinite(point["mean"]) and point["low"] > 0 for point in points)


@pytest.mark.parametrize("case", ["same label", "tuned, long labels", "tuned, hostile"])
def test_equal_labels_stay_apart(case: str):
    for points in (*figures_of(case)["curves"], *figures_of(case)["finals"][:1]):
        keys = [(p["optimizer"], p.get("epoch"), p.get("kind")) for p in points]
        assert len(keys) == len(set(keys))
        assert max(len(point["optimizer"]) for point in points) <= 50


def test_a_band_that_reaches_below_zero_is_cut_on_the_log_scale():
    points = values_of(charts.panels(two(0.9, 0.8, 5.0))[1])
    assert min(point["low"] for point in points) == pytest.approx(0.05)
    assert "log" in json.dumps(charts.panels(two(0.9, 0.8, 5.0))[1].to_dict()["layer"][0]["encoding"])


def test_a_loss_of_zero_is_drawn_on_a_linear_scale():
    assert '"log"' not in json.dumps(charts.panels(two(1.0, 0.8, 0.1))[1].to_dict())


def test_default_and_tuned_share_a_colour_and_differ_in_dashes():
    encoding = charts.panels(study())[0].to_dict()["layer"][0]["encoding"]
    colours, dashes = (encoding[name]["scale"] for name in ("color", "strokeDash"))
    assert colours["domain"][4:6] == ["Adam", "Adam, tuned"] and colours["range"][4] == colours["range"][5]
    assert len(set(colours["range"])) == 6 and dashes["range"][4] != dashes["range"][5]


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
    ticks = style.log_ticks(low, high)
    assert expected is None or ticks == expected
    assert len(ticks) <= 16


# --- final metrics and differences ---


def test_finals_hold_every_row_with_its_interval():
    points = {(p["optimizer"], p["kind"]): p for p in figures_of("tuned")["finals"][0]}
    assert len(points) == 12
    for row in study().rows:
        point = points[row.optimizer, "tuned" if row.kind == "tuned" else "default settings"]
        assert (point["low"], point["mean"], point["high"]) == (row.final.low, row.final.mean, row.final.high)


def test_the_better_half_is_enlarged_where_one_is_far_behind():
    whole, enlarged = figures_of("tuned")["finals"]
    assert min(p["mean"] for p in whole) < 0.3 and min(p["mean"] for p in enlarged) > 0.96
    assert len(final_panels(comparison({"A": 0.9, "B": 0.8, "C": 0.7}))) == 1


def test_losses_over_orders_of_magnitude_get_a_log_scale():
    (panel,) = final_panels(CASES["tuned, minimised"])
    assert panel.to_dict()["layer"][0]["encoding"]["x"]["scale"]["type"] == "log"


def test_differences_leave_out_what_is_not_ranked():
    points = [p for p in figures_of("tuned")["differences"][0] if "kind" in p]
    assert len(points) == 11  # SGD at its default has a diverged seed
    assert [p["optimizer"] for p in points if p["mean"] == 0] == ["RMSprop"]


# --- learning rates ---


def test_every_trial_is_drawn_and_marked():
    panels = figures_of("tuned")["learning-rates"]
    for row, points in zip([row for row in study().rows if row.tuning], panels, strict=True):
        trials = [point for point in points if "state" in point]
        assert sorted(t["lr"] for t in trials) == sorted(t.hyper["lr"] for t in row.tuning.trials)
        worst = min(t.metric for r in study().rows if r.tuning for t in r.tuning.trials if t.metric is not None)
        for point, trial in zip(trials, row.tuning.trials, strict=True):
            assert point["metric"] == (worst if trial.metric is None else trial.metric)
            assert point["state"] == ("off" if trial.metric is None else trial.status)
        assert [p["lr"] for p in points if "state" not in p] == [0.001, RATES[row.optimizer]]


def test_a_trial_that_exploded_does_not_squeeze_the_others():
    rows = [row for row in CASES["tuned, minimised"].rows if row.tuning]
    far = replace(rows[0].tuning, trials=(*rows[0].tuning.trials, Trial({"lr": 9.0}, 1e22, "finished", 10)))
    panels = rate_panels(replace(CASES["tuned, minimised"], rows=(replace(rows[0], tuning=far), *rows[1:])))
    last = [point for point in values_of(panels[0]) if "state" in point][-1]
    assert last["state"] == "off" and last["metric"] < 10
    assert panels[0].to_dict()["layer"][2]["encoding"]["y"]["scale"]["domain"][1] < 10


def test_a_metric_that_is_the_loss_is_drawn_once():
    base = comparison()
    rows = tuple(
        replace(row, epochs=tuple(replace(e, metric_mean=e.loss_mean) for e in row.epochs)) for row in base.rows
    )
    assert len(charts.panels(replace(base, rows=rows, metric="loss"))) == 1 and len(charts.panels(base)) == 2


def test_one_axis_for_all_panels():
    scales = [
        [panel.to_dict()["layer"][2]["encoding"][axis]["scale"]["domain"] for axis in "xy"]
        for panel in rate_panels(study())
    ]
    assert all(scale == scales[0] for scale in scales)


def test_a_schedule_has_no_place_on_the_axis():
    base = study()
    rows = tuple(replace(row, settings={"lr": "cosine(1e-3,10)"}) for row in base.rows)
    for panel in rate_panels(replace(base, rows=rows)):
        assert len([p for p in values_of(panel) if "state" not in p]) == 1  # the chosen one


def test_no_tuning_no_such_figure():
    assert list(figures_of("six")) == ["finals", "differences", "curves"]


# --- all of them ---


def test_the_png_has_two_pixels_per_point(tmp_path: Path):
    chart = charts.curves(comparison())
    charts.save_png(chart, tmp_path / "curves.png")
    content = (tmp_path / "curves.png").read_bytes()
    assert content.startswith(b"\x89PNG")
    width = int(re.search(r'<svg[^>]* width="(\d+)"', charts.to_svg(chart)).group(1))
    assert abs(int.from_bytes(content[16:20], "big") - 2 * width) <= 2
    assert "mnist-cnn" in charts.to_svg(chart)


def test_no_colour_but_the_page_knows_it():
    """The page turns these greys for dark mode; another one would stay as it is, and perhaps be unreadable."""
    greys = (style.INK, style.QUIET, style.GRID, style.PAPER)
    known = {*(colour.light for colour in COLOURS), *greys, "transparent", "none"}
    for one in charts.figures(study()):
        for panel in one.panels:
            svg = charts.to_svg(panel)
            assert set(re.findall(r'(?:fill|stroke)="([^"]+)"', svg)) <= known


def test_profiles_hold_every_share():
    points = values_of(profiles(ranking()))
    assert len(points) == 4 * 13
    assert [p["share"] for p in points if p["factor"] == 1.0] == [0.6, 0.4, 0.2, 0.0]
    assert ElementTree.fromstring(charts.to_svg(profiles(ranking()))).tag.endswith("svg")
    assert "e+308" not in charts.to_svg(profiles(replace(ranking(), profiles=())))
