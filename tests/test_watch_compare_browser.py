"""The page's section on what the optimizers did, in a real browser: a row is chosen, layers are opened."""

from pathlib import Path

import pytest

from browsers import CHROMIUM
from test_page_browser import WITHOUT, Opened, browser, saved  # noqa: F401  (a fixture)
from thalweg.report.page import page
from watched_rows import WATCHED

pytestmark = [pytest.mark.slow, pytest.mark.skipif(CHROMIUM is None, reason=WITHOUT)]
FADED = "[...document.querySelectorAll('.rows svg path[class]')].filter(p => getComputedStyle(p).opacity < .5).length"


@pytest.mark.parametrize(("width", "scheme"), [(1100, "light"), (390, "dark")])
def test_a_row_is_chosen_and_its_layers_are_opened(browser, tmp_path: Path, width: int, scheme: str) -> None:  # noqa: F811
    file = saved(tmp_path, page(WATCHED["watched"]))
    opened = Opened(browser, file, width, scheme)
    assert opened.overflow() == 0 and opened.page.evaluate(FADED) == 0
    lines = opened.page.locator(".rows svg path[class]").count()
    opened.page.get_by_label("Adam", exact=True).check()
    assert 0 < opened.page.evaluate(FADED) == lines - opened.page.locator(".rows svg path.line-2").count()
    opened.page.get_by_label("all", exact=True).check()
    assert opened.page.evaluate(FADED) == 0
    for name in ("Layers of AdaDelta", "Layers of Adam"):
        opened.page.get_by_text(name, exact=True).click()
    layers = opened.page.locator("details[name=layers]")
    assert [d.get_attribute("open") is not None for d in layers.all()] == [False, False, True, False, False]
    assert layers.nth(2).locator("figure svg").first.is_visible() and opened.overflow() == 0
    assert opened.said == [] and opened.asked == [file.as_uri()]


def test_hostile_text_does_nothing(browser, tmp_path: Path) -> None:  # noqa: F811
    opened = Opened(browser, saved(tmp_path, page(WATCHED["hostile"])), 390)
    opened.click_every_section()
    assert opened.overflow() == 0 and opened.said == [] and len(opened.asked) == 1
