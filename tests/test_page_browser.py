"""The page in a real browser: opened, clicked, photographed, on a desk, on a phone and in the dark."""

import functools
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from browsers import CHROMIUM, chromium
from comparisons import CASES, ranking
from thalweg.report.display import Shown
from thalweg.report.page import page, ranking_page

WITHOUT = "no Chromium on this machine: the page was not opened in a browser (install 'chromium')"
pytestmark = [pytest.mark.slow, pytest.mark.skipif(CHROMIUM is None, reason=WITHOUT)]


@functools.cache
def page_of(case: str) -> str:
    return page(CASES[case])


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as launched:
        yield launched


class Opened:
    """A page in a browser, with everything that it asked for and complained about."""

    def __init__(self, browser: Browser, file: Path, width: int = 1100, scheme: str = "light") -> None:
        size = {"width": width, "height": 900}
        self.context = browser.new_context(viewport=size, color_scheme=scheme, accept_downloads=True)
        self.page: Page = self.context.new_page()
        self.said: list[str] = []
        self.asked: list[str] = []
        self.page.on("console", lambda message: self.said.append(message.text))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.on("dialog", lambda dialog: (self.said.append("a dialog"), dialog.dismiss()))
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.goto(file.as_uri())

    def overflow(self) -> int:
        return self.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")

    def click_every_section(self) -> int:
        sections = self.page.locator("details").all()
        for section in sections:
            was = section.get_attribute("open") is not None
            section.locator("summary").first.click()
            assert (section.get_attribute("open") is not None) != was
            section.locator("summary").first.click()
            assert (section.get_attribute("open") is not None) == was
            if not was:
                section.locator("summary").first.click()
                assert section.locator("table").first.is_visible()
        return len(sections)


def saved(folder: Path, document: str) -> Path:
    file = folder / "page.html"
    file.write_text(document, encoding="utf-8")
    return file


@pytest.mark.parametrize(("width", "scheme"), [(1100, "light"), (1100, "dark"), (390, "light"), (390, "dark")])
def test_it_opens_is_clicked_and_photographed(browser: Browser, tmp_path: Path, width: int, scheme: str) -> None:
    file = saved(tmp_path, page_of("tuned"))
    opened = Opened(browser, file, width, scheme)
    assert opened.overflow() == 0
    assert opened.click_every_section() == 6
    assert opened.overflow() == 0
    picture = tmp_path / f"{scheme}-{width}.png"
    opened.page.screenshot(path=picture, full_page=True)
    assert picture.stat().st_size > 50_000
    assert opened.said == [] and opened.asked == [file.as_uri()]


@pytest.mark.parametrize(
    "case", ["tuned, long labels", "tuned, hostile", "many", "wide letters", "no rows", "all diverged"]
)
def test_no_text_makes_the_phone_scroll_sideways(browser: Browser, tmp_path: Path, case: str) -> None:
    opened = Opened(browser, saved(tmp_path, page_of(case)), 390)
    opened.click_every_section()
    assert opened.overflow() == 0 and opened.said == []


def test_hostile_text_does_nothing(browser: Browser, tmp_path: Path) -> None:
    opened = Opened(browser, saved(tmp_path, page_of("tuned, hostile")))
    assert opened.page.locator("img").count() == 0
    assert opened.said == [] and len(opened.asked) == 1


def test_a_heading_sorts_by_value_and_back(browser: Browser, tmp_path: Path) -> None:
    opened = Opened(browser, saved(tmp_path, page_of("tuned")))
    table = opened.page.locator("table.sortable").first
    final = (
        "[...document.querySelector('table.sortable').tBodies[0].rows].map(r => r.cells[1].innerText.split('\\n')[0])"
    )
    before = [float(text.split()[0]) for text in opened.page.evaluate(final)]
    table.locator("thead button").nth(1).click()
    assert [float(t.split()[0]) for t in opened.page.evaluate(final)] == sorted(before) != before
    assert table.locator("th[aria-sort=ascending]").count() == 1
    table.locator("thead button").nth(1).click()
    assert [float(t.split()[0]) for t in opened.page.evaluate(final)] == sorted(before, reverse=True)
    table.locator("thead button").nth(3).click()
    chances = opened.page.evaluate(final.replace("cells[1]", "cells[3]"))
    assert chances[-2:] == ["–", "–"] and chances[0] == "52%"


def test_the_data_can_be_saved(browser: Browser, tmp_path: Path) -> None:
    opened = Opened(browser, saved(tmp_path, page_of("tuned")))
    with opened.page.expect_download() as download:
        opened.page.get_by_text("Save the raw data").click()
    assert download.value.suggested_filename == "mnist-cnn.json"
    data = json.loads(Path(download.value.path()).read_text(encoding="utf-8"))
    assert len(data["rows"]) == 12 and len(data["runs"]) == 60
    with opened.page.expect_download() as download:
        opened.page.get_by_text("Save the answer").click()
    assert Path(download.value.path()).read_text(encoding="utf-8").count("\n") == 13


def test_charts_turn_dark_with_the_page(browser: Browser, tmp_path: Path) -> None:
    colour = "getComputedStyle(document.querySelector('figure svg text')).fill"
    paper = "getComputedStyle(document.querySelector('figure svg [fill=\"#ffffff\"]')).fill"
    found = {}
    for scheme in ("light", "dark"):
        opened = Opened(browser, saved(tmp_path, page_of("diverged")), scheme=scheme)
        found[scheme] = [sum(map(int, opened.page.evaluate(c)[4:-1].split(","))) for c in (colour, paper)]
    assert found["light"][0] < 200 < 700 < found["light"][1]
    assert found["dark"][0] > 600 > 150 > found["dark"][1]


def test_without_scripts_everything_is_there(browser: Browser, tmp_path: Path) -> None:
    context = browser.new_context(java_script_enabled=False)
    plain = context.new_page()
    plain.goto(saved(tmp_path, page_of("tuned")).as_uri())
    assert plain.get_by_text("Save the raw data").is_hidden()
    assert plain.locator("table").first.is_visible() and plain.locator("figure svg").count() == 12
    plain.locator("summary").first.click()
    assert plain.locator("details").first.locator("table").is_visible()


def test_the_ranking_opens(browser: Browser, tmp_path: Path) -> None:
    opened = Opened(browser, saved(tmp_path, ranking_page(ranking())), 390)
    assert opened.click_every_section() == 1 and opened.overflow() == 0 and opened.said == []


def test_a_notebook_cell_is_readable_and_changes_nothing_around_it(browser: Browser, tmp_path: Path) -> None:
    around = "<!doctype html><meta charset='utf-8'><body><table><tr><td id='other'>x</td></tr></table>"
    opened = Opened(browser, saved(tmp_path, around + Shown(CASES["tuned"])._repr_html_()), 700, "dark")
    assert opened.overflow() == 0 and opened.said == [] and len(opened.asked) == 1
    assert opened.page.evaluate("getComputedStyle(document.getElementById('other')).padding") == "1px"
    first = opened.page.locator(".thalweg tbody th").first.bounding_box()
    assert first is not None and first["width"] > 100 and first["height"] < 90
