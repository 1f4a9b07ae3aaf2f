"""The playground in a real browser: dragged, played, on a phone, in the dark, by keys."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from browsers import CHROMIUM, chromium
from playground_opened import SETTLED, WITHOUT, Opened, written
from thalweg.rules import RULES
from thalweg.surfaces import SURFACES

pytestmark = [pytest.mark.slow, pytest.mark.skipif(CHROMIUM is None, reason=WITHOUT)]

COLOURS = """() => { const map = document.getElementById('map'), seen = new Set();
  const data = map.getContext('2d').getImageData(0, 0, map.width, map.height).data;
  for (let k = 0; k < data.length; k += 4) seen.add(data[k] << 16 | data[k + 1] << 8 | data[k + 2]);
  return seen.size }"""
FORMULA = "[document.querySelector('#rule code').textContent, document.querySelectorAll('#rule math').length]"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as launched:
        yield launched


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(tmp_path_factory.mktemp("playground"))


def test_it_opens_and_draws(browser: Browser, file: Path, tmp_path: Path) -> None:
    opened = Opened(browser, file)
    now = opened.now()
    assert now["state"]["surface"] == "saddle" and now["notice"] is None
    names = [run["name"] for run in now["runs"]]
    assert names == ["sgd", "momentum", "nesterov", "adagrad", "rmsprop", "adadelta", "adam"]
    assert all(len(run["points"]) == 2 * (now["state"]["steps"] + 1) for run in now["runs"])
    assert opened.page.evaluate(COLOURS) > 50 and opened.overflow() == 0
    assert 1 <= len(now["words"]) <= 3
    opened.shoot(tmp_path, "light")
    opened.close()


def test_dragging_the_start_moves_every_run(browser: Browser, file: Path, tmp_path: Path) -> None:
    opened = Opened(browser, file)
    before, box = opened.now(), opened.page.locator("#map").bounding_box()
    assert box is not None
    places = [(box["x"] + box["width"] * share, box["y"] + box["height"] * 0.4) for share in (0.2, 0.5, 0.8)]
    opened.page.mouse.move(*places[0])
    opened.page.mouse.down()
    seen = []
    for place in places:
        opened.page.mouse.move(*place)
        seen.append(opened.now())
    opened.page.mouse.up()
    opened.page.mouse.move(box["x"] + 5, box["y"] + 5)
    after = opened.now()
    assert after["state"]["start"] == seen[-1]["state"]["start"] == pytest.approx([1.2, 0.4], abs=0.03)
    for runs in zip(*(each["runs"] for each in (before, *seen)), strict=True):
        assert len({tuple(run["points"][:6]) for run in runs}) == 4
    opened.shoot(tmp_path, "dragged")
    opened.close()


def test_runs_are_those_of_python(browser: Browser, file: Path) -> None:
    from thalweg.frameworks.numpy import minimize

    opened = Opened(browser, file, "#surface=ravine&start=-3,1&steps=50&rules=sgd,momentum,adam&own=momentum.rho:0.8")
    runs = {run["name"]: run for run in opened.now()["runs"]}
    assert runs["momentum"]["hyper"]["rho"] == 0.8
    for name, run in runs.items():
        path = minimize(name, SURFACES["ravine"], [-3.0, 1.0], steps=50, **run["hyper"])
        assert run["points"] == pytest.approx(path.ravel().tolist(), rel=1e-9, abs=1e-12)
    opened.close()


def test_sliders_and_their_fields(browser: Browser, file: Path) -> None:
    opened = Opened(browser, file, "#surface=ravine&selected=adam")
    hyper = lambda: {run["name"]: run["hyper"] for run in opened.now()["runs"]}  # noqa: E731
    before = hyper()
    opened.page.get_by_label("Learning rate", exact=True).press("ArrowRight")
    moved = hyper()
    assert moved["sgd"]["lr"] > before["sgd"]["lr"] and moved["adam"]["lr"] > before["adam"]["lr"]
    opened.page.get_by_label("Learning rate, as a number", exact=True).fill("0,5")
    opened.page.get_by_label("Learning rate, as a number", exact=True).press("Enter")
    assert hyper()["sgd"]["lr"] == pytest.approx(before["sgd"]["lr"] / 2)
    opened.page.get_by_label("Momentum, as a number", exact=True).fill("0.5")
    opened.page.get_by_label("Momentum, as a number", exact=True).press("Enter")
    now = hyper()
    assert (
        now["momentum"]["rho"] == now["nesterov"]["mu"] == now["adam"]["beta1"] == 0.5 and now["adadelta"]["rho"] == 0.9
    )
    opened.page.get_by_label("Decay of squares, as a number", exact=True).fill("0.7")
    opened.page.get_by_label("Decay of squares, as a number", exact=True).press("Enter")
    now = hyper()
    assert now["adam"]["beta2"] == now["rmsprop"]["beta"] == now["adadelta"]["rho"] == 0.7
    opened.page.get_by_label("lr, as a number", exact=True).fill("0.123")
    opened.page.get_by_label("lr, as a number", exact=True).press("Enter")
    now = hyper()
    assert now["adam"]["lr"] == 0.123 and now["rmsprop"]["lr"] != 0.123
    opened.page.get_by_label("lr, as a number", exact=True).fill("fast")
    opened.page.get_by_label("lr, as a number", exact=True).press("Enter")
    assert "Give a number from" in opened.page.locator("#rule .error").first.inner_text() and hyper() == now
    opened.close()


def test_noise_is_the_same_for_the_same_seed(browser: Browser, file: Path) -> None:
    opened = Opened(browser, file, "#surface=ravine&noise=0.5&rules=sgd,adam")
    again = Opened(browser, file, "#surface=ravine&noise=0.5&rules=sgd,adam&seed=1")
    plain = Opened(browser, file, "#surface=ravine&rules=sgd,adam")
    first, other, quiet = (each.now()["runs"][0]["points"] for each in (opened, again, plain))
    assert first != other and first != quiet
    opened.page.reload()
    assert opened.now()["runs"][0]["points"] == first
    for each in (again, plain):
        each.close()


def test_it_plays_and_steps(browser: Browser, file: Path) -> None:
    opened = Opened(browser, file)
    time = lambda: opened.now()["state"]["time"]  # noqa: E731
    opened.page.get_by_label("Back to the start").click()
    assert time() == 0 and opened.now()["words"] == ["Nothing has moved yet. Press play, or drag the time."]
    opened.page.get_by_label("A step on").click(click_count=3)
    opened.page.get_by_label("A step back").click()
    assert time() == 2
    opened.page.get_by_label("Faster").click()
    assert opened.now()["state"]["speed"] == 50
    opened.page.get_by_label("Play", exact=True).click()
    opened.play_until(10)
    opened.page.get_by_label("Pause").click()
    stopped = time()
    opened.page.wait_for_timeout(150)
    assert time() == stopped
    box = opened.page.locator("#curves").bounding_box()
    assert box is not None
    opened.page.mouse.click(box["x"] + box["width"] - 11, box["y"] + box["height"] / 2)
    assert time() == opened.now()["state"]["steps"]
    opened.close()


def test_everything_works_by_keys(browser: Browser, file: Path) -> None:
    opened = Opened(browser, file)
    state = lambda: opened.now()["state"]  # noqa: E731
    opened.press("m")
    assert opened.page.evaluate("document.activeElement.id") == "map"
    before = state()["start"]
    opened.press("ArrowRight", "ArrowDown", "Shift+ArrowRight")
    assert state()["start"] == pytest.approx([before[0] + 0.088, before[1] - 0.08])
    opened.page.evaluate("document.activeElement.blur()")
    opened.press("r", "ArrowRight", "ArrowRight", "ArrowLeft")
    assert state()["time"] == 1
    opened.press("+", "+", "-")
    assert state()["speed"] == 50
    opened.press(" ")
    opened.play_until(3)
    opened.press(" ")
    assert not opened.now()["playing"]
    opened.press("e", "?")
    assert state()["time"] == state()["steps"] and opened.page.locator("#keys").is_visible()
    opened.page.locator("[data-rule=adam]").focus()
    opened.press("ArrowUp", "Enter")
    assert state()["selected"] == "adadelta"
    opened.page.locator("#search").evaluate("(field) => { field.closest('details').open = true; field.focus(); }")
    opened.press("m", "d", " ")
    assert opened.page.locator("#search").input_value() == "md " and not opened.now()["playing"]
    opened.close()


def test_every_control_can_be_reached_by_tab_and_has_a_name(browser: Browser, file: Path) -> None:
    opened = Opened(browser, file, "#surface=own&f=x**2%2By**2")
    nameless = """[...document.querySelectorAll('button, input, select, canvas, summary')].filter((one) =>
      one.checkVisibility() && !(one.ariaLabel || one.labels?.length || one.textContent.trim()))
      .map((one) => one.outerHTML)"""
    assert opened.page.evaluate(nameless) == []
    wanted = set(
        opened.page.evaluate("""[...document.querySelectorAll('[id]')].filter((one) => one.checkVisibility() &&
      one.matches('button, input:not([type=radio]), select, #map')).map((one) => one.id)""")
    )
    reached = set()
    opened.page.locator("#skip").focus()
    for _ in range(90):
        opened.press("Tab")
        reached.add(opened.page.evaluate("document.activeElement.id"))
    assert wanted - reached == set()
    opened.close()


def test_on_a_phone(browser: Browser, file: Path, tmp_path: Path) -> None:
    phone = {"viewport": {"width": 360, "height": 740}, "has_touch": True, "is_mobile": True, "device_scale_factor": 2}
    opened = Opened(browser, file, "#surface=himmelblau", **phone)
    assert opened.overflow() == 0
    opened.page.locator("#choose summary").click()
    opened.page.locator("#help").click()
    assert opened.overflow() == 0
    before, box = opened.now()["state"]["start"], opened.page.locator("#map").bounding_box()
    assert box is not None and box["width"] > 300
    opened.page.locator("#map").tap(position={"x": box["width"] * 0.75, "y": box["height"] * 0.25})
    assert opened.now()["state"]["start"] == pytest.approx([2.5, 2.5], abs=0.1) != before
    opened.page.locator("#surface").select_option("own")
    opened.page.locator("#text").fill("x**2 +")
    assert opened.overflow() == 0
    opened.shoot(tmp_path, "phone")
    opened.close()


def test_dark_follows_the_system_and_the_button(browser: Browser, file: Path, tmp_path: Path) -> None:
    opened = Opened(browser, file, color_scheme="dark")
    paper = lambda: opened.page.evaluate("getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)")  # noqa: E731
    corner = "[...document.getElementById('map').getContext('2d').getImageData(60, 60, 1, 1).data].slice(0, 3)"
    assert max(paper()) < 60 and max(opened.page.evaluate(corner)) < 100
    opened.shoot(tmp_path, "dark")
    opened.press("d")
    opened.now()
    assert min(paper()) > 200
    opened.close()


def test_all_rules_on_all_surfaces(browser: Browser, file: Path, tmp_path: Path) -> None:
    opened = Opened(browser, file)
    opened.page.locator("#choose summary").click()
    opened.page.locator("#all").click()
    for surface in SURFACES:
        opened.page.locator("#surface").select_option(surface)
        now = opened.now()
        assert [run["name"] for run in now["runs"]] == list(RULES)
        assert len(now["words"]) >= 1 and not any("undefined" in text or "NaN" in text for text in now["words"])
    for name in RULES:
        shown = opened.page.evaluate(
            f"document.querySelector('[data-rule={name}]').click(), {SETTLED}.then(() => {FORMULA})"
        )
        assert shown[0] == name and shown[1] >= 1, name
    opened.close()


def test_the_term_that_matters_is_marked(browser: Browser, file: Path) -> None:
    opened = Opened(browser, file, "#surface=ravine&rules=momentum&selected=momentum&time=1")
    marked = lambda: opened.page.locator("#rule .matters").evaluate_all("(all) => all.map((one) => one.textContent)")  # noqa: E731
    first = marked()
    opened.press("e")
    opened.now()
    assert len(first) == 1 and "g" in first[0]
    assert opened.page.locator("#rule td.value").count() == 4
    opened.close()


def test_the_benchmark_of_frames_prints_what_it_promises() -> None:
    script = Path(__file__).parents[1] / "benchmarks" / "playground_frames.py"
    command = [sys.executable, "-W", "error", str(script), "--frames", "3", "--repeats", "1", "--json"]
    found = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    assert list(found) == [f"all {len(RULES)} rules", "the 7 classic rules"]
    for times in found.values():
        assert 0 < times["main thread, ms"] < times["all threads, ms"]
