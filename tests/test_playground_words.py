"""What the page says in words and draws beside the runs, recomputed in Python."""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from browsers import CHROMIUM, chromium
from playground_opened import WITHOUT, Opened, written
from thalweg import minimize
from thalweg.commands.playground import playground
from thalweg.compile.gradient import trace_gradient
from thalweg.compile.numpy import values
from thalweg.rules import RULES
from thalweg.surfaces import SURFACES

pytestmark = [pytest.mark.slow, pytest.mark.skipif(CHROMIUM is None, reason=WITHOUT)]

EVERY = """(changes) => {
    const surface = SURFACES[changes.surface], usual = State.initial();
    const state = { ...usual, ...State.onSurface(usual, surface), ...changes };
    const runs = Runs.all(state, surface);
    return Words.every(Words.worldOf(state, surface, runs), null).map(({ kind, rule, text }) => [kind, rule, text]);
}"""
KEPT = """(changes) => {
    const surface = SURFACES.ravine, state = { ...State.initial(), ...State.onSurface(State.initial(), surface),
        steps: 40, time: 40 };
    return Object.values(RULES).map((rule) => [rule.name, Runs.replayed(state, surface, rule).kept]
        .map((one) => (one ? (typeof one === "string" ? one : [...one]) : null)));
}"""
HOSTILE = """
from thalweg.formula import rule

@rule("nowhere", scalars=("delete",), initial={"delete": 1.0})
def constructor(x, g, t, hasOwnProperty, delete, *, valueOf=0.1, name=0.5, length=1.0):
    \"\"\"A rule <b>of one's own</b>.\"\"\"
    hasOwnProperty = name * hasOwnProperty + g * length
    return x - valueOf * hasOwnProperty * delete, hasOwnProperty, delete * 0.9
"""
Said = Callable[..., list[tuple[str, str, str]]]


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Opened]:
    with chromium() as browser:
        yield (one := Opened(browser, written(tmp_path_factory.mktemp("words"))))
        one.close()


@pytest.fixture(scope="module")
def said(opened: Opened) -> Said:
    def ask(surface: str, **changes: Any) -> list[tuple[str, str, str]]:
        return [tuple(one) for one in opened.page.evaluate(EVERY, {"surface": surface, **changes})]

    return ask


@pytest.mark.parametrize("surface", sorted(SURFACES))
def test_why_adagrad_slows_is_what_its_numbers_say(said: Said, surface: str) -> None:
    one = SURFACES[surface]
    start = list(one.starts[0])
    found = said(surface, rules=["adagrad"], start=start, steps=60, time=60)
    points = np.asarray(minimize("adagrad", one, start, steps=60, lr=one.rates[1]))
    axis = int(np.argmax(np.abs(np.diff(points, axis=0)).sum(axis=0)))
    slopes = np.stack(values(trace_gradient(one), *points[:-1].T)[1:])[axis]
    moved, roots = np.abs(np.diff(points[:, axis])), np.sqrt(np.cumsum(slopes**2))
    slower, root = moved[0] / max(moved[-1], 1e-300), roots[-1] / roots[0]
    texts = [text for kind, _, text in found if kind == "slowed"]
    if not texts:
        assert slower <= 3.1 or root <= 1.6 or np.log(root) <= 0.27 * np.log(slower)
        return
    along, part, times = re.findall(r"along (.) is 1/([\d.]+) .* root is ([\d.]+) times its first", texts[0])[0]
    assert "xy".index(along) == axis
    assert float(part) == pytest.approx(slower, rel=0.06) and float(times) == pytest.approx(root, rel=0.06)


def test_a_saddle_is_named_where_there_is_one_and_nowhere_else(said: Said) -> None:
    lingering = said("saddle", rules=["sgd"], start=[-1.5, 0.0], steps=400, time=400)
    assert any("lingers near a saddle" in text for _, _, text in lingering)
    for start in SURFACES["rosenbrock"].starts:
        found = said("rosenbrock", rules=list(RULES), start=list(start))
        assert not any("saddle" in text for _, _, text in found)


def test_past_the_minimum_is_on_its_other_side(said: Said) -> None:
    bowl = said("ravine", rules=["momentum", "sgd"], start=[-4.0, 0.0], steps=150, time=150)
    assert any(kind == "overshot" and rule == "momentum" for kind, rule, _ in bowl)
    assert not any(kind == "overshot" and rule == "sgd" for kind, rule, _ in bowl)


def test_leaving_the_domain_is_not_called_overflow(opened: Opened) -> None:
    opened.page.evaluate(
        "location.hash = '#surface=own&f=log(x)%2By**2&window=-1,5,-1,5&start=1,1&factor=100&rules=sgd'"
    )
    opened.page.wait_for_timeout(700)
    words = opened.now()["words"]
    assert any("where the function has no finite value" in text for text in words), words


def test_the_weights_that_are_kept_are_those_of_the_rule(opened: Opened) -> None:
    kept = dict(opened.page.evaluate(KEPT, {}))
    assert {name for name, found in kept.items() if found} == {n for n, rule in RULES.items() if rule.evaluation}
    surface, rule = SURFACES["ravine"], RULES["schedule_free_sgd"]
    points = np.array(kept[rule.name]).reshape(-1, 2)
    start = np.array(surface.starts[0], float)
    x, z, w_sum, lr_max = start.copy(), start.copy(), 0.0, 0.0
    for t in range(1, 41):
        g = np.array(values(trace_gradient(surface), *x)[1:])
        x, z, w_sum, lr_max = rule(x, g, t, z, w_sum, lr_max, lr=surface.rates[0])
        np.testing.assert_allclose(points[t], x - (1 / rule.hyper["beta"] - 1) * (z - x), rtol=1e-9, atol=1e-12)


def test_rules_may_be_called_as_what_every_object_has(opened: Opened, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(HOSTILE)
    playground(tmp_path / "page.html", [tmp_path / "mine.py"])
    browser = opened.page.context.browser
    assert browser is not None
    own = Opened(browser, tmp_path / "page.html", "#surface=ravine&rules=constructor&selected=constructor")
    run = own.now()["runs"][0]
    assert run["hyper"] == {"valueOf": 0.1, "name": 0.5, "length": 1}
    x, y = SURFACES["ravine"].starts[0]
    _, f_x, f_y = values(trace_gradient(SURFACES["ravine"]), x, y)
    assert run["points"][2:4] == pytest.approx([x - 0.1 * f_x, y - 0.1 * f_y])
    shown = own.page.locator("#rule").inner_text()
    assert "Constructor" in shown and "A rule <b>of one's own</b>." in shown
    own.page.get_by_label("name, as a number", exact=True).fill("0.25")
    own.page.get_by_label("name, as a number", exact=True).press("Enter")
    assert own.now()["state"]["own"] == {"constructor": {"name": 0.25}}
    assert json.dumps(own.page.evaluate("Object.keys(Object.prototype)")) == "[]"
    own.close()


def test_keys_reach_what_the_eye_sees_first_first(opened: Opened) -> None:
    """From column to column, and in each from top to bottom."""
    opened.page.locator("#skip").focus()
    lefts = []
    for _ in range(80):
        opened.press("Tab")
        column = opened.page.evaluate(
            "[...document.querySelectorAll('.column')].findIndex((one) => one.contains(document.activeElement))"
        )
        if column >= 0:
            lefts.append(opened.page.locator(".column").nth(column).bounding_box()["x"])  # type: ignore[index]
        elif lefts:
            break
    assert lefts == sorted(lefts) and len(set(lefts)) == 3


def test_a_tab_that_is_not_shown_says_nothing_wrong(opened: Opened) -> None:
    """It paints nothing, but its words and its address follow."""
    opened.page.evaluate("location.hash = '#surface=saddle&steps=20'")
    opened.now()
    other = opened.page.context.new_page()
    other.bring_to_front()
    opened.page.evaluate("location.hash = '#surface=beale&steps=300'")
    opened.page.wait_for_timeout(700)
    words = opened.page.evaluate("[...document.querySelectorAll('#words li')].map((one) => one.textContent)")
    assert words == opened.page.evaluate("window.playground.snapshot().words")
    assert words and not any("no number" in text for text in words)
    other.close()
