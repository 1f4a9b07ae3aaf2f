"""The playground opened in a browser, for the tests of it."""

from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page

from thalweg.playground.page import page

WITHOUT = "no Chromium on this machine: the playground was not opened in a browser (install 'chromium')"
SETTLED = "new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"


def written(folder: Path) -> Path:
    file = folder / "playground.html"
    file.write_text(page(), encoding="utf-8")
    return file


class Opened:
    """The playground in a browser, with everything that it asked for and complained about."""

    def __init__(self, browser: Browser, file: Path, fragment: str = "", **context: Any) -> None:
        given = {"viewport": {"width": 1280, "height": 900}, "color_scheme": "light", **context}
        self.page: Page = browser.new_context(**given).new_page()
        self.said: list[str] = []
        self.asked: list[str] = []
        self.page.on("console", lambda message: self.said.append(message.text))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.on("dialog", lambda dialog: (self.said.append("a dialog"), dialog.dismiss()))
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.goto(file.as_uri() + fragment)
        self.page.evaluate(SETTLED)

    def now(self) -> dict[str, Any]:
        self.page.evaluate(SETTLED)
        return self.page.evaluate("window.playground.snapshot()")

    def play_until(self, time: int) -> None:
        while self.now()["state"]["time"] <= time:  # the page's policy forbids what Playwright would wait by
            assert self.now()["playing"]

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)

    def overflow(self) -> int:
        return self.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")

    def address(self) -> str:
        """The address, once it says what the page shows."""
        self.page.wait_for_timeout(500)
        return self.page.evaluate("location.hash")

    def shoot(self, folder: Path, name: str) -> None:
        picture = folder / f"{name}.png"
        self.page.screenshot(path=picture)
        assert picture.stat().st_size > 20_000

    def close(self) -> None:
        assert self.said == [] and len(self.asked) == 1, (self.said, self.asked)
        self.page.context.close()
