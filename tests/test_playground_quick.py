"""The playground in a browser, in a few seconds: what must never break. The other files of its tests are slow."""

from pathlib import Path

import pytest

from browsers import CHROMIUM, chromium
from playground_opened import WITHOUT, Opened, written

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason=WITHOUT)


def test_it_opens_moves_reads_functions_and_fits_a_phone(tmp_path: Path) -> None:
    with chromium() as browser:
        file = written(tmp_path)
        opened = Opened(browser, file)
        dragged(opened)
        typed(opened)
        opened.close()  # nothing on the console, nothing from the network
        phone = Opened(browser, file, viewport={"width": 360, "height": 740}, has_touch=True, is_mobile=True)
        assert phone.overflow() == 0
        phone.close()


def dragged(opened: Opened) -> None:
    """By the ring from one place to another: every run begins there and goes another way."""
    before, box = opened.now(), opened.page.locator("#map").bounding_box()
    assert box is not None and len(before["runs"]) == 7 and before["notice"] is None
    (left, right), (bottom, top) = (-2, 2), (-2, 2)  # the saddle's window
    x, y = before["state"]["start"]
    opened.page.mouse.move(
        box["x"] + (x - left) / (right - left) * box["width"], box["y"] + (top - y) / (top - bottom) * box["height"]
    )
    opened.page.mouse.down()
    opened.page.mouse.move(box["x"] + 0.75 * box["width"], box["y"] + 0.25 * box["height"], steps=3)
    opened.page.mouse.up()
    after = opened.now()
    assert after["state"]["start"] == pytest.approx([1, 1], abs=0.03)
    for old, new in zip(before["runs"], after["runs"], strict=True):
        assert new["points"][:2] == after["state"]["start"] and new["points"][2:] != old["points"][2:]


def typed(opened: Opened) -> None:
    """A good function is descended, a bad one explained while the good one stays."""
    opened.page.get_by_role("button", name="Write your own").click()
    opened.page.locator("#text").fill("(x - 1)**2 + 3*y**2")
    good = opened.now()
    x, y = good["state"]["start"]
    assert good["runs"][0]["values"][0] == pytest.approx((x - 1) ** 2 + 3 * y**2)
    opened.page.locator("#text").fill("x**2 + z")
    bad = opened.now()
    assert "column 8, got 'z'" in opened.page.locator("#text-error").inner_text()
    assert bad["state"]["text"] == good["state"]["text"] and bad["runs"] == good["runs"]
