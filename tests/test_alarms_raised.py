"""What is raised and when, what is declared, and that no history makes an alarm fail."""

import itertools
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import thalweg.watch
from alarm_histories import LAYERS, history, subject, told
from thalweg.watch import alarms
from thalweg.watch.alarm import SEVERAL, Alarm, Finding, Raised
from thalweg.watch.alarms import ALARMS, BY_NAME
from thalweg.watch.alarms.evidence import middle
from thalweg.watch.figure import FIGURES, NAMES
from thalweg.watch.history import History, Measured
from thalweg.watch.raised import PROMPT, raised
from thalweg.watch.subject import Subject
from thalweg.watch.watcher import Watcher
from thalweg.watch.working import AT_FIRST, block_length

# Every row of the table of pitfalls, and the alarms that see it.
PITFALLS = {
    "AdaGrad's step dies": ("adagrad",),
    "first gradients too large (AdaGrad)": ("first_gradients",),
    "epsilon rules the denominator": ("epsilon",),
    "no bias correction": ("bias_correction",),
    "L2 with Adam": ("l2",),
    "lr and momentum both high": ("oscillation",),
    "lr too high, too low, divergence": ("lr_high", "lr_low", "divergence"),
    "update-norm doubling before a loss spike (Adam)": ("update_growth",),
    "saddle or plateau": ("plateau",),
    "AdaDelta with lr .001, MLX Adam without correction, ...": ("known_default", "bias_correction"),
    "weights in bf16 stall": ("rounding",),
    "second moment in bf16 stalls": ("stale_moment",),
    "a dead layer, tiny gradients, a spike, NaN": ("dead", "small", "spike", "nonfinite"),
}


def test_every_pitfall_has_its_alarm_and_every_alarm_its_pitfall():
    named = {name for names in PITFALLS.values() for name in names}
    assert named == set(BY_NAME) and len(BY_NAME) == len(ALARMS)


def test_every_alarm_is_a_file_and_every_file_is_listed():
    folder = Path(str(alarms.__file__)).parent
    files = {path.stem for path in folder.glob("*.py")} - {"__init__", "evidence", "words"}
    assert files == set(alarms.NAMES) == set(BY_NAME)


@pytest.mark.parametrize("alarm", ALARMS, ids=lambda alarm: alarm.name)
def test_every_alarm_says_what_it_means_what_to_try_and_where_that_is_known_from(alarm: Alarm):
    for text in (alarm.title, alarm.meaning, alarm.advice, alarm.source):
        assert len(text) > 5 and text == text.strip()
    assert alarm.meaning.endswith(".") and alarm.advice.endswith(".") and alarm.thresholds
    assert all(math.isfinite(limit) for limit in alarm.thresholds.values())


@pytest.mark.parametrize("rows", [0, 1, 2])
def test_a_history_with_next_to_nothing_raises_nothing(rows):
    assert told(history(subject(), rows)) == set()
    assert told(history(subject(), rows, 1.0, **dict.fromkeys(NAMES, math.nan))) == set()
    assert raised(History(Subject((), ())), []) == []


@pytest.mark.parametrize("every", [1, 16, 64])
def test_what_is_unknown_raises_nothing(every):
    assert told(history(subject(every=every), 200, **dict.fromkeys(NAMES, math.nan))) == set()
    assert told(history(subject(every=every), 200, 1.0)) == set()


RUN = dict(
    gradient_norm=1.0, weight_norm=10.0, update_norm=0.01, update_ratio=1e-3, lr=1e-3, zero_share=0.0, nonfinite=0.0
)


@pytest.mark.parametrize("every", [1, 16, 64])
@pytest.mark.parametrize("rule", ["sgd", "momentum", "adam", "adamw", "rmsprop", "adagrad"])
def test_a_calm_run_raises_nothing(rule, every):
    rng = np.random.default_rng(1)
    noise = np.exp(0.2 * rng.normal(size=200))
    losses = (0.1 + 2.2 * np.exp(-np.arange(200) / 30)) * noise
    figures = {**RUN, "gradient_norm": noise, "heading_cosine": 0.2, "update_cosine": 0.3, "momentum_cosine": 0.4}
    assert told(history(subject(rule, every=every), 200, losses, first=every, **figures)) == set()


# --- once, and again when it changed ---


def always(number: float, part: str = "first.weight", since: int = 0) -> Alarm:
    """An alarm that says this and nothing else."""
    found = [Finding(part, number, f"In {part} it is {number}.", since=since)]
    return Alarm(
        "always", "Always", "It is so.", "Nothing.", "this test", {"any": 0}, lambda history, thresholds: found
    )


def again(number: float, before: float, steps: int, part: str = "first.weight", since: int = 0, times: int = 1) -> bool:
    """Whether an alarm is raised that was raised so many times, the last time so many steps ago."""
    seen = history(subject(), 4, first=10_000)
    finding = Finding("first.weight", before, "It was.")
    so_far = [Raised(seen.last - steps - k, "always", finding) for k in reversed(range(times))]
    return bool(raised(seen, so_far, [always(number, part, since)]))


def test_an_alarm_is_raised_once_with_the_step_and_the_finding():
    seen = history(subject(), 4)
    (first,) = raised(seen, [], [always(0.5)])
    assert (first.step, first.alarm, first.finding.part, first.finding.number) == (4, "always", "first.weight", 0.5)
    assert raised(seen, [first], [always(0.5)]) == []
    other = Raised(4, "another", first.finding)
    assert len(raised(seen, [other], [always(0.5)])) == 1


def test_it_is_raised_again_when_its_number_doubled_or_halved_or_in_another_part():
    assert not again(0.9, before=0.5, steps=100) and not again(0.26, before=0.5, steps=100)
    assert again(1.0, before=0.5, steps=100) and again(0.25, before=0.5, steps=100)
    assert again(0.5, before=0.5, steps=100, part="last.weight")
    assert again(math.inf, before=1e9, steps=100) and not again(math.inf, before=math.inf, steps=100)
    assert not again(math.nan, before=math.nan, steps=100)


def test_it_is_raised_again_when_it_was_over():
    assert again(0.5, before=0.5, steps=100, since=9_950)
    assert not again(0.5, before=0.5, steps=100, since=9_800)


def test_repetitions_become_rare():
    assert again(2.0, before=0.5, steps=32) and not again(2.0, before=0.5, steps=31)
    assert again(2.0, before=0.5, steps=128, times=3) and not again(2.0, before=0.5, steps=127, times=3)
    assert again(2.0, before=0.5, steps=0, part="last.weight", times=3)
    assert not again(2.0, before=0.5, steps=31, part="last.weight", times=4)


def test_an_alarm_that_comes_and_goes_all_the_time_is_told_seldom():
    run, so_far = History(subject()), []
    for step in range(1, 4097):
        run.append(Measured(step, math.nan, {}))
        if step % 32 == 0:
            so_far += raised(run, so_far, [always(4.0 if step % 64 else 1.0, since=step)])
    assert 5 <= len(so_far) <= 9


# --- anything ---

number = st.floats(allow_nan=True, allow_infinity=True, width=32)
rules = st.sampled_from(
    [None, "sgd", "momentum", "l2(adam)", "adam_uncorrected", "adagrad", "rmsprop", "adadelta", "lion"]
)


@st.composite
def histories(draw) -> History:
    """Any history: a few patterns of numbers, repeated and scaled, and some of them broken."""
    layers = draw(st.sampled_from([(), ("only.weight",), LAYERS, tuple(f"l{k}.weight" for k in range(9))]))
    dtype = draw(st.sampled_from(["float32", "bfloat16"]))
    about = subject(
        draw(rules), layers, draw(st.sampled_from([1, 16, 64])), dtype, dtype, draw(st.sampled_from([1, 1000]))
    )
    rows, parts = draw(st.sampled_from([1, 3, 40, 100, 210])), len(about.parts)
    figures = {}
    for name in draw(st.lists(st.sampled_from(NAMES), unique=True)):
        pattern = np.array(draw(st.lists(number, min_size=1, max_size=6)))
        figures[name] = np.resize(pattern, (rows, parts))
    losses = draw(st.none() | st.lists(st.floats(width=32), min_size=1, max_size=5))
    losses = None if losses is None else np.resize(np.array(losses), rows)
    return history(about, rows, losses, draw(st.sampled_from([1, 500])), **figures)


@settings(max_examples=60, deadline=None)
@given(histories())
def test_no_history_makes_an_alarm_fail(seen: History):
    names = {"", SEVERAL, *(part.name for part in seen.subject.parts)}
    so_far = raised(seen, [])
    for each in so_far:
        assert each.finding.part in names and each.finding.words.endswith(".")
        assert isinstance(each.finding.number, float) and isinstance(each.finding.since, int)
        assert "nan" not in each.finding.part and len(each.finding.words) < 400
    assert raised(seen, so_far) == [] or len(so_far) > 0


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(number, min_size=3, max_size=3), max_size=9))
def test_the_middle_of_columns_is_the_median_of_what_is_finite(rows):
    values = np.array(rows, float).reshape(-1, 3)
    for column, found in enumerate(middle(values)):
        finite = values[np.isfinite(values[:, column]), column]
        assert found == pytest.approx(np.median(finite), rel=1e-12) if len(finite) else math.isnan(found)


def test_every_figure_that_an_alarm_reads_is_declared():
    folder = Path(str(alarms.__file__)).parent
    texts = "".join(path.read_text(encoding="utf-8") for path in folder.glob("*.py"))
    assert len([figure for figure in FIGURES if f'"{figure.name}"' in texts]) >= 15


def test_how_a_long_run_began_is_kept():
    seen = history(subject(), 20_000, **RUN)
    assert list(seen.steps[:64]) == list(range(1, 65)) and seen.last == 20_000
    assert len(seen) <= 1024 and (np.diff(seen.steps) > 0).all()


# --- whose turn it is ---


@pytest.mark.parametrize("every", [1, 3, 16, 64])
def test_after_the_first_blocks_every_alarm_is_looked_for_in_every_second_one(every, monkeypatch):
    looked: list[set[str]] = []

    def look_for(self: Watcher, alarms: Sequence[Alarm]) -> None:
        looked.append({alarm.name for alarm in alarms})

    monkeypatch.setattr(Watcher, "_look_for", look_for)
    x = torch.nn.Parameter(torch.ones(3))
    x.grad = torch.ones(3)
    optimizer = torch.optim.SGD([x], lr=1e-3)
    with thalweg.watch.attach(optimizer, every=every, to=()):
        for _ in range(20 * every * block_length(every)):
            optimizer.step()
    everything = set(BY_NAME)
    *blocks, closing = looked
    assert len(blocks) == 20 and blocks[:AT_FIRST] == [everything] * AT_FIRST and closing == everything
    late = blocks[AT_FIRST:]
    assert all(set(PROMPT) < one < everything and one | other == everything for one, other in itertools.pairwise(late))
