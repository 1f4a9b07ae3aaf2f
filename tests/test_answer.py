"""The answer: rows out of runs, their ranking, targets and widths, and a verdict that claims no more than it may."""

import math
import statistics
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from thalweg.lab.answer import Asked, plain_runs, rows, until, width_within
from thalweg.lab.statistics import chance_better, estimate, paired
from thalweg.lab.table import Comparison, EpochSummary, Reached, Row, Trial
from thalweg.report.verdict import CAVEAT, verdict


def run(seed: int, metrics: Sequence[float | None], status: str = "finished", steps: int | None = 10) -> dict[str, Any]:
    """A run as the store gives it."""
    epochs = [
        {"epoch": k, "train_loss": 1.0, "metric": metric, "loss": 0.5, "order_digest": f"{k}", "steps": steps}
        | {"time_seconds": 2.0 + seed, "time_optimizer_seconds": 0.5}
        for k, metric in enumerate(metrics, start=1)
    ]
    head = {"key": f"key{seed}", "status": status, "message": "", "weights_digest": "w", "state_bytes": 40 + seed}
    return {**head, "spec": {"seed": seed}, "environment": {}, "epochs": epochs}


def asked(label: str, finals: Sequence[float | None], kind: str = "default", status: str = "finished") -> Asked:
    """One row whose runs have one epoch; the last seed has the given status."""
    last = len(finals) - 1
    runs = [run(s, [final], status if s == last else "finished") for s, final in enumerate(finals)]
    return Asked(label, label.lower(), {"lr": 0.1}, runs, kind=kind)


def compared(*entries: Asked, maximize: bool = True) -> Comparison:
    found = rows(entries, epochs=1, maximize=maximize)
    runs = tuple(one for entry in entries for one in plain_runs(entry))
    return Comparison("p", "s", "d", "accuracy", 1, 64, found, {}, runs, maximize=maximize)


# --- rows ---


def test_a_row_is_filled_from_its_runs():
    runs = [run(0, [0.5, 0.9]), run(1, [0.6, 0.8])]
    (row,) = rows([Asked("Adam", "adam", {"lr": 0.1}, runs, notes=("n",))], epochs=2, maximize=True, target=0.85)
    assert row == Row(
        optimizer="Adam",
        rule="adam",
        settings={"lr": 0.1},
        seeds=(0, 1),
        statuses=("finished", "finished"),
        epochs=(
            EpochSummary(1, statistics.fmean([0.5, 0.6]), statistics.stdev([0.5, 0.6]), 0.5, 0.0),
            EpochSummary(2, statistics.fmean([0.9, 0.8]), statistics.stdev([0.9, 0.8]), 0.5, 0.0),
        ),
        time_seconds=5.0,
        time_optimizer_share=0.2,
        final=estimate([0.9, 0.8]),
        reached=Reached(1, 2.0, 20.0, 4.0),
        steps=20,
        state_bytes=41,
        notes=("n",),
    )


def test_the_steps_asked_for_stand_where_no_run_finished():
    found = rows([replace(asked("A", [None], status="diverged"), steps=630), asked("B", [])], epochs=1, maximize=True)
    assert [row.steps for row in found] == [630, 0]
    assert found[1].final.mean is None and found[1].time_seconds == 0.0 and found[1].state_bytes is None


@pytest.mark.parametrize("maximize", [True, False])
def test_rows_are_compared_to_the_best_and_to_the_next(maximize: bool):
    sign = 1 if maximize else -1
    a, b, c = ([sign * v for v in values] for values in ([0.7, 0.8, 0.75], [0.95, 0.9, 0.94], [0.9, 0.91, 0.88]))
    found = rows([asked("A", a), asked("B", b), asked("C", c)], epochs=1, maximize=maximize)
    number = [dict(enumerate(values)) for values in (a, b, c)]
    assert [row.difference for row in found] == [paired(number[0], number[1]), None, paired(number[2], number[1])]
    chances = [None, chance_better(number[1], number[2], maximize), chance_better(number[2], number[0], maximize)]
    assert [row.chance for row in found] == chances and chances[2] > 0.9


def test_default_and_tuned_rows_stand_in_one_ranking():
    found = compared(asked("A", [0.5, 0.6]), asked("A", [0.9, 0.95], "tuned"), asked("B", [0.7, 0.72])).rows
    assert [row.difference is None for row in found] == [False, True, False]
    assert [row.kind for row in found] == ["default", "tuned", "default"]


@pytest.mark.parametrize("spoiled", [asked("A", [1.0, None]), asked("A", [1.0, 1.0], status="diverged")])
def test_a_row_with_a_seed_that_did_not_end_well_is_not_ranked(spoiled: Asked):
    first, second, third = compared(spoiled, asked("B", [0.7, 0.8]), asked("C", [0.5, 0.6])).rows
    assert first.difference is None and first.chance is None and first.final.seeds == 1
    assert second.difference is None and second.chance is not None and third.difference is not None


def test_a_row_that_is_under_way_is_not_ranked():
    first, second = compared(asked("A", [1.0]), asked("B", [0.7, 0.8])).rows
    assert first.difference is None and first.chance is None and second.chance is None
    assert "Not ranked: A (1 of 2 seeds so far)." in verdict(compared(asked("A", [1.0]), asked("B", [0.7, 0.8])))


def test_of_equal_rows_the_first_leads_and_the_chance_is_even():
    first, second = compared(asked("A", [0.5, 0.6]), asked("B", [0.5, 0.6])).rows
    assert first.difference is None and first.chance == 0.5
    assert (second.difference.mean, second.difference.low, second.difference.high) == (0, 0, 0)


def test_numbers_that_are_not_finite_are_absent():
    (row,) = rows([Asked("A", "a", {}, [run(0, [math.nan, math.inf])])], epochs=2, maximize=True, target=0.1)
    assert row.final.mean is None and row.reached == Reached(0, None, None, None)
    assert row.epochs[0].metric_mean is None and row.epochs[0].loss_mean == 0.5


# --- targets ---


@pytest.mark.parametrize(
    ("metrics", "maximize", "target", "epoch"),
    [
        ([0.5, 0.9, 0.8], True, 0.9, 2),
        ([0.5, 0.9, 0.8], True, 0.91, 0),
        ([0.5, 0.1, 0.8], False, 0.5, 1),
        ([None, math.nan, 0.05], False, 0.1, 3),
        ([], True, 0.0, 0),
    ],
)
def test_a_target_is_met_at_the_first_epoch_that_ends_there(
    metrics: list[float | None], maximize: bool, target: float, epoch: int
):
    assert len(until(run(0, metrics)["epochs"], maximize, target)) == epoch


def test_medians_are_over_the_seeds_that_met_it_even_if_they_diverged_later():
    runs = [run(0, [0.1, 0.9]), run(1, [0.9], "diverged"), run(2, [0.1, 0.2]), run(3, [0.1, 0.2, 0.9])]
    (row,) = rows([Asked("A", "a", {}, runs)], epochs=3, maximize=True, target=0.9)
    assert row.reached == Reached(3, 2.0, 20.0, 4.0)
    (none,) = rows([Asked("A", "a", {}, runs)], epochs=3, maximize=True)
    assert none.reached is None


def test_stores_of_older_versions_tell_no_steps():
    (row,) = rows([Asked("A", "a", {}, [run(0, [0.9], steps=None)])], epochs=1, maximize=True, target=0.5)
    assert row.reached == Reached(1, 1.0, None, 2.0) and row.steps == 0


# --- widths ---


def trials(*found: tuple[float, float | None, str]) -> list[Trial]:
    return [Trial({"lr": rate, "momentum": 0.9}, metric, status, 10) for rate, metric, status in found]


OK = "finished"


@pytest.mark.parametrize(
    ("tried", "maximize", "expected"),
    [
        ([(0.1, 0.5, OK)], True, (0.1, 0.1)),
        ([(1.0, 0.99, OK), (0.1, 1.0, OK), (0.01, 0.98, OK)], True, (0.1, 1.0)),
        ([(0.01, 0.999, OK), (0.1, 0.2, OK), (1.0, 1.0, OK), (2.0, 0.995, OK)], True, (1.0, 2.0)),
        ([(0.1, 1.0, OK), (0.2, 1.0, "stopped"), (0.3, 1.0, OK)], True, (0.1, 0.1)),
        ([(0.1, 1.0, OK), (0.2, None, "diverged"), (0.05, 1.005, OK)], False, (0.05, 0.1)),
        ([(0.1, -1.0, OK), (0.2, -0.995, OK), (0.3, -0.9, OK)], False, (0.1, 0.2)),
        ([(0.1, 0.0, OK), (0.2, 1e-9, OK)], False, (0.1, 0.1)),
        ([(0.1, 1.0, OK), (0.1, 0.5, OK), (0.2, 1.0, OK)], True, (0.1, 0.1)),
        ([(0.1, 0.9, "stopped"), (0.2, None, "diverged"), (0.3, math.nan, OK)], True, None),
        ([], True, None),
    ],
)
def test_the_width_ends_at_the_first_trial_that_is_worse(
    tried: list[tuple[float, float | None, str]], maximize: bool, expected: tuple[float, float] | None
):
    assert width_within(trials(*tried), maximize) == expected


def test_without_learning_rates_there_is_no_width():
    assert width_within([Trial({"momentum": 0.9}, 0.9, OK, 1)], True) is None


# --- the verdict ---


def test_a_clear_lead_is_stated_with_its_interval():
    shown = compared(asked("A", [0.95, 0.96, 0.94]), asked("B", [0.90, 0.90, 0.90]), asked("C", [0.5, 0.6, 0.5]))
    assert verdict(shown) == (
        "A ended best, with accuracy 0.9500 (95 % interval 0.9252 to 0.9748), ahead of every other; "
        "the next, B, is behind by 0.0500 (95 % interval 0.0252 to 0.0748).",
        CAVEAT,
    )
    assert "ahead of B by 0.0500 (95 %" in verdict(replace(shown, rows=shown.rows[:2]))[0]


def test_a_lead_over_some_is_no_lead_over_all():
    shown = compared(asked("A", [0.95, 0.96, 0.94]), asked("B", [0.96, 0.92, 0.90]), asked("C", [0.5, 0.6, 0.5]))
    assert "3 seeds cannot tell it apart from B: the 95 % interval of the difference includes 0." in verdict(shown)[0]
    close = compared(asked("A", [0.95, 0.90, 0.94]), asked("B", [0.96, 0.89, 0.90]), asked("C", [0.9, 0.9, 0.9]))
    assert "cannot tell it apart from any other: the 95 % intervals of the differences" in verdict(close)[0]


def test_what_is_minimised_is_ranked_downwards():
    shown = compared(asked("A", [0.95, 0.96, 0.94]), asked("B", [0.10, 0.12, 0.11]), maximize=False)
    assert (
        verdict(shown)[0].startswith("B ended best, with accuracy 0.1100") and "ahead of A by 0.84" in verdict(shown)[0]
    )


def test_one_seed_and_one_optimizer_claim_nothing():
    assert "with one seed nobody can say" in verdict(compared(asked("A", [0.9]), asked("B", [0.1])))[0]
    assert "there is no second optimizer" in verdict(compared(asked("A", [0.9, 0.8])))[0]


BEST, NEXT, LAST = [0.970, 0.972, 0.971], [0.969, 0.973, 0.970], [0.30, 0.29, 0.31]


def test_tuned_rows_decide_and_defaults_only_say_what_they_would_have_said():
    shown = compared(
        asked("A", LAST), asked("A", BEST, "tuned"), asked("B", [0.95, 0.952, 0.951]), asked("B", NEXT, "tuned")
    )
    first, second = verdict(shown)
    assert first.startswith("Tuned, A ended best, with accuracy 0.9710") and "cannot tell it apart from B" in first
    assert second == "The default rows alone would have put B ahead of every other: they rank settings, not methods."


def test_defaults_that_say_the_same_need_no_sentence():
    shown = compared(
        asked("A", [0.9, 0.91, 0.92]), asked("A", BEST, "tuned"), asked("B", LAST), asked("B", LAST, "tuned")
    )
    assert len(verdict(shown)) == 1 and "ahead of B by 0.671" in verdict(shown)[0]


def test_a_default_row_above_all_tuned_ones_leaves_only_their_own_intervals():
    shown = compared(
        asked("A", BEST), asked("A", [0.9, 0.91, 0.92], "tuned"), asked("B", LAST), asked("B", LAST, "tuned")
    )
    assert verdict(shown)[0].endswith("ahead of B.") and verdict(shown)[0].startswith("Tuned, A ended best")
    wide = compared(
        asked("A", BEST), asked("A", [0.9, 0.5, 0.92], "tuned"), asked("B", LAST), asked("B", LAST, "tuned")
    )
    assert "cannot tell it apart from B: their 95 % intervals overlap." in verdict(wide)[0]


def test_who_is_left_out_is_named():
    entries = asked("A", BEST), asked("A", BEST, "tuned"), asked("B", NEXT), asked("C", LAST, status="diverged")
    shown = compared(*entries, asked("C", LAST, "tuned"))
    assert verdict(shown)[-1] == (
        "Not ranked: B (not tuned) and C at default settings (1 of 3 diverged); "
        "their means are over the seeds that were still finite."
    )
    assert verdict(compared(asked("A", LAST, status="failed")))[0] == (
        "No optimizer finished all its seeds, so none is ranked."
    )


def test_what_is_not_there_yet_is_not_judged():
    assert (
        verdict(compared(asked("A", []), asked("B", [])))[1] == "Not ranked: A (no run so far) and B (no run so far)."
    )
    begun = compared(asked("A", [0.5, 0.6]), asked("A", [0.7], "tuned"))
    assert verdict(begun)[0] == "No tuned optimizer finished all its seeds, so none is ranked."
    apart = [
        Asked(label, "r", {}, [run(s, [0.5 + 0.1 * s]) for s in seeds])
        for label, seeds in (("A", (0, 1)), ("B", (2, 3)))
    ]
    assert "cannot tell it apart from A: too few seeds are common" in verdict(compared(*apart))[0]


# --- how often it claims a winner ---


def claimed(values: np.ndarray) -> str:
    """Which optimizer the verdict calls ahead; the rows of `values` are optimizers, its columns seeds."""
    first = verdict(compared(*(asked(f"O{k}", own) for k, own in enumerate(values.tolist()))))[0]
    return first.split(" ended")[0] if " ahead of " in first else ""


@pytest.mark.slow
@pytest.mark.parametrize("seeds", [3, 5, 10])
@pytest.mark.parametrize(("optimizers", "studies"), [(2, 2000), (4, 600), (6, 400)])
def test_of_equal_optimizers_hardly_ever_one_is_called_the_winner(optimizers: int, studies: int, seeds: int):
    """Two are exactly at the 5 % that the intervals allow, so a count may lie a little above; more are far below."""
    rng = np.random.default_rng(100 * optimizers + seeds)
    shared, own = rng.normal(0.97, 0.003, (studies, 1, seeds)), rng.normal(0, 0.002, (studies, optimizers, seeds))
    share = sum(bool(claimed(study)) for study in shared + own) / studies
    assert share <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / studies) * (optimizers == 2)


def test_of_equal_optimizers_on_few_test_samples_hardly_ever_one_is_called_the_winner():
    values = np.round(np.random.default_rng(8).normal(0.9, 0.02, (2000, 2, 3)) * 50) / 50
    assert sum(bool(claimed(study)) for study in values) / 2000 <= 0.05


def test_a_better_one_is_found():
    values = np.random.default_rng(9).normal(0.96, 0.002, (300, 4, 5))
    values[:, 2] += 0.01
    found = [claimed(study) for study in values]
    assert found.count("O2") >= 285 and set(found) <= {"O2", ""}
