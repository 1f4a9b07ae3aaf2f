"""What one frame of the playground costs while the start is dragged: processor time, with all rules and with few.

    python benchmarks/playground_frames.py [--surface rosenbrock] [--frames 30] [--repeats 6] [--json]

The page is opened in Chromium without a graphics card. In every frame the start moves, so that every run is computed
and painted anew. Counted is the processor time of the page's main thread, where its scripts run and its canvases are
painted, per frame, and that of all of the browser's threads; of the repeats the best, since other programs only make
them worse. It reads Linux's account of threads. A sixtieth of a second is 16.7 ms.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import CDPSession, Page, sync_playwright

from thalweg.playground.page import page
from thalweg.rules import RULES

NAMES = ("chromium", "chromium-browser", "google-chrome")
WARM = 60
DRAG = """async (frames) => {
  const map = document.getElementById("map"), box = map.getBoundingClientRect();
  const frame = () => new Promise((done) => requestAnimationFrame(done));
  const tell = (kind, x, y) => map.dispatchEvent(new PointerEvent(kind, { clientX: box.left + x, clientY: box.top + y,
    isPrimary: true, pointerType: "mouse", pointerId: 1, bubbles: true }));
  map.setPointerCapture = () => {}; // of a pointer that is none
  tell("pointerdown", 200, 200);
  for (let k = 0; k < frames; k++) {
    tell("pointermove", 150 + 1.5 * (k % 100), 180 + 0.5 * (k % 100));
    await frame();
  }
  tell("pointerup", 200, 200);
}"""


def threads_of(browser: CDPSession) -> dict[tuple[str, str], float]:
    """The processor time of every thread of a browser so far in milliseconds, by its process's kind and its number."""
    times = {}
    for process in browser.send("SystemInfo.getProcessInfo")["processInfo"]:
        for thread in Path(f"/proc/{process['id']}/task").glob("*/schedstat"):
            kind = "main" if thread.parent.name == str(process["id"]) else "other"
            times[f"{process['type']} {kind}", thread.parent.name] = int(thread.read_text().split()[0]) / 1e6
    return times


def per_frame(opened: Page, browser: CDPSession, frames: int) -> tuple[float, float]:
    """Milliseconds of the page's main thread, and of all threads."""
    before = threads_of(browser)
    opened.evaluate(DRAG, frames)
    after = threads_of(browser)
    spent = {thread: (time - before.get(thread, 0.0)) / frames for thread, time in after.items()}
    return sum(time for (kind, _), time in spent.items() if kind == "renderer main"), sum(spent.values())


def measured(fragment: str, frames: int, repeats: int) -> dict[str, float]:
    """The best of the repeats, in a browser of its own."""
    path = next(filter(None, map(shutil.which, NAMES)), None)
    if path is None:
        sys.exit(f"expected a browser, one of {', '.join(NAMES)}, found none: install 'chromium'")
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        file = Path(folder) / "playground.html"
        file.write_text(page(), encoding="utf-8")
        chromium = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        opened = chromium.new_page(viewport={"width": 1280, "height": 900})
        opened.goto(file.as_uri() + fragment)
        opened.evaluate(DRAG, WARM)
        session = chromium.new_browser_cdp_session()
        found = [per_frame(opened, session, frames) for _ in range(repeats)]
        chromium.close()
    main, every = (min(times) for times in zip(*found, strict=True))
    return {"main thread, ms": round(main, 1), "all threads, ms": round(every, 1)}


def main() -> None:
    """Print the costs of both cases."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--surface", default="rosenbrock")
    parser.add_argument("--frames", type=int, default=30)
    parser.add_argument("--repeats", type=int, default=6)
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args()
    cases = {
        f"all {len(RULES)} rules": f"#surface={options.surface}&rules={','.join(RULES)}",
        "the 7 classic rules": f"#surface={options.surface}",
    }
    found = {name: measured(fragment, options.frames, options.repeats) for name, fragment in cases.items()}
    if options.json:
        print(json.dumps(found, indent=2))
        return
    for name, times in found.items():
        print(f"{name:20}" + "".join(f"{what} {time:6.1f}   " for what, time in times.items()))


if __name__ == "__main__":
    main()
