"""Tables as JSON and back: every type of `thalweg.lab.table`, to the bit."""

import json
import math

import numpy
import pytest

from thalweg.errors import InputError
from thalweg.lab.document import from_plain, to_plain
from thalweg.lab.table import (
    Comparison,
    EpochSummary,
    Estimate,
    Profile,
    Ranking,
    Reached,
    Row,
    Trial,
    Tuning,
)

TUNING = Tuning(
    sampler="qmc",
    ranges={"lr": (1e-5, 0.1 + 0.2), "eps": (5e-324, 1)},
    started_from={"lr": (1e-4, 1.0)},
    trials=(Trial({"lr": 0.1}, None, "diverged", 1), Trial({"lr": 1e-3}, 0.97, "finished", 10, extra=True)),
    steps=1250,
    budget_steps=1250,
    time_seconds=12.5,
    best={"lr": 1e-3},
    at_edge=("lr",),
    width=(1e-4, 1e-2),
)
ROW = Row(
    optimizer='Adam \udcff, "β"',
    rule="adam/sgd",
    settings={"lr": 1e-3, "decay": "cosine(0.001, 10)", "steps": 3},
    seeds=(0, 1),
    statuses=("finished", "failed"),
    epochs=(EpochSummary(1, 0.1, None, 1 / 3, None), EpochSummary(2, None, None, None, None)),
    time_seconds=1.5,
    time_optimizer_share=0.25,
)
TUNED = Row(
    **{
        **{name: getattr(ROW, name) for name in ROW.__dataclass_fields__},
        "kind": "tuned",
        "final": Estimate(0.9, 0.8, 1.0, 5, "t"),
        "difference": Estimate(-0.01, -0.02, 0.0, 5, "bootstrap"),
        "chance": 0.95,
        "reached": Reached(1, 2.5, None, 3.0),
        "steps": 1250,
        "state_bytes": 2**40,
        "tuning": TUNING,
        "notes": ("a note",),
    }
)
COMPARISON = Comparison(
    problem="tiny",
    summary="a problem",
    data="made up",
    metric="accuracy",
    epochs=2,
    batch_size=None,
    rows=(ROW, TUNED),
    environment={"Python": "3"},
    runs=({"seed": 0, "epochs": [{"epoch": 1, "loss": None}], "settings": {"lr": 0.1}},),
    maximize=True,
    target=0.97,
    caveats=("tuning saw the test data",),
)
RANKING = Ranking(
    problems=("a", "b"),
    cost="steps to the target",
    profiles=(Profile("adam", (1.0, 2.0), (0.5, 1.0), 0.75, None, 0.9),),
    changes={("optimizer", "sgd"): ("adam", "lion"), ("problem", "a"): ()},
    left_out=3,
)


@pytest.mark.parametrize("table", [COMPARISON, RANKING], ids=lambda table: type(table).__name__)
def test_a_table_comes_back_equal(table: Comparison | Ranking) -> None:
    plain = to_plain(table)
    text = json.dumps(plain, allow_nan=False)
    back = from_plain(type(table), json.loads(text))
    assert back == table
    assert to_plain(back) == plain
    assert hash(back.problems if isinstance(back, Ranking) else back.rows[0].seeds)  # tuples, not lists


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_what_is_not_finite_becomes_null(number: float) -> None:
    assert to_plain(Estimate(number, seeds=1))["mean"] is None
    assert to_plain([{"a": number}]) == [{"a": None}]


def test_numbers_of_numpy_are_numbers() -> None:
    plain = to_plain({"a": numpy.float32(0.5), "b": numpy.int64(3), "c": numpy.float64("nan"), "d": True})
    assert plain == {"a": 0.5, "b": 3, "c": None, "d": True}
    assert [type(value) for value in plain.values()] == [float, int, type(None), bool]


def test_what_json_cannot_hold_is_an_error() -> None:
    with pytest.raises(TypeError, match="object"):
        to_plain({"a": [object()]})


def test_a_document_of_another_version() -> None:
    """A field that was added since has its default; one that is unknown or missing is a sentence, and so is rubbish."""
    plain = to_plain(Estimate(0.5, 0.4, 0.6, 3, "t"))
    assert from_plain(Estimate, {"mean": 0.5}) == Estimate(0.5)
    wrong = [{**plain, "new": 1}, {"low": 0.5}, "text", [1, 2], 3]
    for document in wrong:
        with pytest.raises(InputError, match="make it again"):
            from_plain(Estimate, document)
    for rows in ("abc", 5, [{"optimizer": "x"}]):
        with pytest.raises(InputError, match="make it again"):
            from_plain(Comparison, {**to_plain(COMPARISON), "rows": rows})
