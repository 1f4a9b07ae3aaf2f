"""What a user, or an attacker, gives to the playground: functions and addresses, good, bad and hostile."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from browsers import CHROMIUM, chromium
from playground_opened import WITHOUT, Opened, written

pytestmark = [pytest.mark.slow, pytest.mark.skipif(CHROMIUM is None, reason=WITHOUT)]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as launched:
        yield launched


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(tmp_path_factory.mktemp("playground"))


def test_a_function_is_typed(browser: Browser, file: Path, tmp_path: Path) -> None:
    opened = Opened(browser, file)
    opened.page.get_by_role("button", name="Write your own").click()
    opened.page.keyboard.press("Control+a")
    opened.page.keyboard.type("(x - 1)**2 + 3*y**2")
    now = opened.now()
    assert now["state"]["surface"] == "own" and now["state"]["text"] == "(x - 1)**2 + 3*y**2"
    x, y = now["state"]["start"]
    sgd = now["runs"][0]
    assert sgd["values"][0] == pytest.approx((x - 1) ** 2 + 3 * y**2)
    slopes = [2 * (x - 1), 6 * y]
    assert sgd["points"][2:4] == pytest.approx([x - sgd["hyper"]["lr"] * slopes[0], y - sgd["hyper"]["lr"] * slopes[1]])
    opened.shoot(tmp_path, "typed")
    opened.page.locator("#x-high").fill("2")
    opened.page.locator("#x-high").press("Enter")
    assert opened.now()["state"]["window"] == [[-6, 2], [-6, 6]]
    opened.page.locator("#x-low").fill("3")
    opened.page.locator("#x-low").press("Enter")
    assert "must rise" in opened.page.locator("#window-error").inner_text()
    assert opened.now()["state"]["window"] == [[-6, 2], [-6, 6]]
    opened.close()


@pytest.mark.parametrize(
    ("text", "column"),
    [("x**2 + * y", 7), ("x**2 + z", 7), ("x**2 + (y", 9), ("", None), ("import('x')", 0), ("x.constructor", 1)],
)
def test_a_bad_function_is_explained_and_the_last_one_stays(
    browser: Browser, file: Path, tmp_path: Path, text: str, column: int | None
) -> None:
    opened = Opened(browser, file, "#surface=own&f=x**2%2By**2")
    before = opened.now()
    opened.page.locator("#text").fill(text)
    sentence = opened.page.locator("#text-error").inner_text()
    assert len(sentence) > 10 and opened.page.locator("#text").get_attribute("aria-invalid") == "true"
    if column is not None:
        assert f"column {column + 1}" in sentence
        assert opened.page.locator("#caret").text_content() == " " * column + "^"
    after = opened.now()
    assert after["state"]["text"] == "x**2+y**2" and after["runs"] == before["runs"]
    opened.shoot(tmp_path, "bad")
    opened.close()


def test_a_start_without_a_value_says_so(browser: Browser, file: Path) -> None:
    opened = Opened(browser, file, "#surface=own&f=log(x)%2By**2&start=-1,1")
    now = opened.now()
    assert "no finite value or no derivative" in now["words"][0]
    assert {run["status"] for run in now["runs"]} == {"no gradient at the start"}
    opened.close()


def test_an_address_brings_everything_back(browser: Browser, file: Path) -> None:
    opened = Opened(browser, file)
    opened.page.locator("#surface").select_option("rosenbrock")
    opened.page.locator("#choose summary").click()
    opened.page.get_by_label("Search").fill("lion")
    opened.page.locator(".entry:visible input").first.check()
    opened.page.get_by_label("Momentum, as a number", exact=True).fill("0.8")
    opened.page.get_by_label("Steps, as a number", exact=True).fill("77")
    opened.page.get_by_label("Steps, as a number", exact=True).press("Enter")
    opened.page.locator("[data-rule=rmsprop]").click()
    assert opened.now()["state"]["selected"] == "rmsprop"
    opened.page.get_by_label("eps, as a number", exact=True).fill("0.001")
    opened.page.locator("#map").focus()
    opened.press("ArrowLeft", "ArrowUp", "m")
    address, shown = opened.address(), opened.now()
    assert shown["state"]["own"] == {"rmsprop": {"eps": 0.001}} and "lion" in shown["state"]["rules"]
    other = Opened(browser, file, address)
    again = other.now()
    assert again["notice"] is None and again["state"] == {**shown["state"], "start": again["state"]["start"]}
    assert again["state"]["start"] == pytest.approx(shown["state"]["start"], rel=1e-11)
    for one, two in zip(shown["runs"], again["runs"], strict=True):
        assert two["hyper"] == one["hyper"] and two["points"][:20] == pytest.approx(one["points"][:20], rel=1e-6)
    other.close()
    opened.close()


HOSTILE = "%3Cimg%20src%3Dx%20onerror%3Dalert(1)%3E"


@pytest.mark.parametrize(
    "fragment",
    [
        f"#surface={HOSTILE}&rules={HOSTILE}&{HOSTILE}={HOSTILE}&own=adam.lr:{HOSTILE}&selected={HOSTILE}",
        f"#surface=own&f={HOSTILE}&window=1,1,1,1&start=NaN,Infinity",
        "#surface=__proto__&rules=constructor,__proto__&own=__proto__.lr:1,adam.__proto__:1&shown=toString&scale=__proto__",
        "#surface=own&f=x.constructor.constructor('alert(1)')()&steps=1e9&factor=0&noise=-1&speed=3&time=-4&seed=1.5",
        "#%E0%A4%A&=&&&steps==&",
        "#rules=" + "adam," * 2000,
    ],
)
def test_a_hostile_address_does_nothing(browser: Browser, file: Path, fragment: str) -> None:
    opened = Opened(browser, file, fragment)
    now, usual = opened.now(), Opened(browser, file)
    assert now["notice"] and len(now["notice"]) < 200
    plain = usual.now()["state"]
    for key in ("steps", "factor", "noise", "speed", "seed", "own", "shown", "scale", "start"):
        assert now["state"][key] == plain[key], key
    assert opened.page.locator("img").count() == 0 and opened.page.evaluate("({}).lr") is None
    opened.close()
    usual.close()


def test_hostile_text_in_the_field_is_text(browser: Browser, file: Path) -> None:
    opened = Opened(browser, file, "#surface=own&f=x**2%2By**2")
    for text in (
        "<img src=x onerror=alert(1)>",
        'x + "</script><script>alert(1)</script>"',
        "x" * 900,
        "(" * 900,
        "f(x)=x",
    ):
        opened.page.locator("#text").fill(text)
        assert opened.page.locator("#text-error").inner_text() and opened.page.locator("img").count() == 0
    assert opened.now()["state"]["text"] == "x**2+y**2"
    opened.close()
