"""The documentation: built strictly, whole, and shown without a network."""

import doctest
import html
import importlib
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urldefrag

import pytest
import typer

from browsers import CHROMIUM, chromium
from thalweg.cli import app
from thalweg.compile.latex import equations
from thalweg.compile.show import FORMS, first_sentence
from thalweg.compile.trace import trace
from thalweg.formula.rule import FACTS
from thalweg.rules import NAMES, RULES
from thalweg.schedules import SCHEDULES
from thalweg.surfaces import SURFACES

ROOT = Path(__file__).parents[1]
HOOKS = ROOT / "docs" / "hooks"
PICTURES = ROOT / ".pytest_cache" / "site"  # by what they are drawn from, so that none is of an older code
LOADS = ("script", "img", "iframe", "source", "video", "audio", "embed")
IN_STYLES = re.compile(r"(?:@import|url\()\s*['\"]?(?:https?:)?//[^)'\"]+")
CASES = re.compile(r"<mo[^>]*>&#x0007B;</mo><mtable>.*?</mtable>", re.DOTALL)
UNREAD = {"code", "pre", "script", "style", "math", "svg"}  # where a dollar sign is a dollar sign
VOID = {"img", "br", "hr", "input", "meta", "link", "source", "wbr", "col"}


@dataclass
class Read(HTMLParser):
    """What a page refers to, and the text on it that is neither code nor formula."""

    links: list[str] = field(default_factory=list)
    loads: list[str] = field(default_factory=list)
    pictures: list[dict[str, str | None]] = field(default_factory=list)
    names: set[str] = field(default_factory=set)
    styles: list[str] = field(default_factory=list)
    words: list[str] = field(default_factory=list)
    inside: list[str] = field(default_factory=list)

    def __post_init__(self):
        super().__init__()

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        self.names |= {given[key] for key in ("id", "name") if given.get(key)}
        self.styles += [given["style"]] if given.get("style") else []
        self.links += [given["href"]] if tag == "a" and given.get("href") else []
        self.pictures += [given] if tag == "img" else []
        self.loads += [given["src"]] if tag in LOADS and given.get("src") else []
        self.loads += [given["href"]] if tag == "link" and given.get("rel") != "canonical" else []
        self.inside += [] if tag in VOID else [tag]

    def handle_endtag(self, tag):
        while tag in self.inside and self.inside.pop() != tag:
            pass

    def handle_data(self, data):
        if "style" in self.inside:
            self.styles.append(data)
        if not UNREAD & set(self.inside):
            self.words.append(data)


@dataclass(frozen=True)
class Site:
    """The built site: its folder, what the build said, and its pages by their paths."""

    folder: Path
    said: str
    pages: dict[Path, Read]

    def text(self, path: str) -> str:
        return (self.folder / path).read_text(encoding="utf-8")


def built(folder: Path) -> Site:
    """Notebooks run in a test of their own; here they are shown as they are."""
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    environment = {**os.environ, "THALWEG_SITE_NOTEBOOKS": "off", "THALWEG_SITE_CACHE": str(PICTURES)}
    process = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=500)
    assert process.returncode == 0, process.stderr[-4000:]
    pages = {}
    for path in sorted(set(folder.rglob("*.html")) - {folder / "404.html"}):  # which has a server's paths
        pages[path] = Read()
        pages[path].feed(path.read_text(encoding="utf-8"))
    return Site(folder, process.stderr, pages)


def warnings(site: Site) -> Iterator[str]:
    yield from (line for line in site.said.splitlines() if line.startswith(("WARNING", "ERROR")))


def rules_without_their_page(site: Site) -> Iterator[str]:
    for name, rule in RULES.items():
        page = site.text(f"rules/{name}.html")
        if rows_of_formulas(page) < len(equations(trace(rule))):
            yield f"{name}: not every row of its formula"
        sentence = html.escape(first_sentence(rule).replace("`", ""), quote=False)
        yield from [] if sentence in re.sub("</?code>", "", page) else [f"{name}: not its first sentence"]
        yield from (f"{name}: no {letter}" for letter in rule.hyper if f"<code>{letter}</code>" not in page)
        if page.count('<details class="note"') != len(FORMS) - 1:
            yield f"{name}: not every form of its code"
        if not (site.folder / "rules" / f"{name}.png").read_bytes().startswith(b"\x89PNG"):
            yield f"{name}: no picture"


def rows_of_formulas(page: str) -> int:
    """The equations in a page's section of that name: rows of tables, less those of distinctions of cases."""
    section = page.partition('<h2 id="formula">')[2].partition("<h2")[0]
    return section.count("<mtr>") - sum(cases.count("<mtr>") for cases in CASES.findall(section))


def links_that_lead_nowhere(site: Site) -> Iterator[str]:
    for path, page in site.pages.items():
        for link in page.links:
            place, name = urldefrag(link)
            if re.match(r"[a-z]+:", place):
                continue
            target = (path.parent / unquote(place)).resolve() if place else path
            if target.is_dir() or not target.exists():
                yield f"{path.name}: {link}"
            elif name and target in site.pages and unquote(name) not in site.pages[target].names | {"__top"}:
                yield f"{path.name}: {link} (no such place)"


def loads_from_elsewhere(site: Site) -> Iterator[str]:
    for path, page in site.pages.items():
        for load in page.loads:
            if re.match(r"(?!data:)[a-z]*:?//|https?:", load):
                yield f"{path.name}: {load}"
            elif not load.startswith("data:") and not (path.parent / unquote(urldefrag(load)[0])).exists():
                yield f"{path.name}: {load} (missing)"
        yield from (f"{path.name}: {found}" for style in page.styles for found in IN_STYLES.findall(style))
    for sheet in site.folder.rglob("*.css"):
        yield from (f"{sheet.name}: {found}" for found in IN_STYLES.findall(sheet.read_text(encoding="utf-8")))


def pictures_without_words(site: Site) -> Iterator[str]:
    for path, page in site.pages.items():
        yield from (f"{path.name}: {picture.get('src')}" for picture in page.pictures if not picture.get("alt"))


def formulas_left_as_latex(site: Site) -> Iterator[str]:
    for path, page in site.pages.items():
        words = "".join(page.words)
        yield from (f"{path.name}: {found}" for found in re.findall(r".{0,30}(?:\$|\\[(\[]|\\begin).{0,30}", words))


def what_is_not_there(site: Site) -> Iterator[str]:
    commands = site.text("reference/command-line.html")
    for name, command in typer.main.get_command(app).commands.items():
        shown = [each for each in command.params if not getattr(each, "hidden", False)]
        spellings = [spelling for each in shown for spelling in each.opts]
        yield from (f"thalweg {name}: {s}" for s in spellings if s not in commands)
        yield from [] if f'id="thalweg-{name}"' in commands else [f"thalweg {name}"]
    places = {
        "surfaces.html": SURFACES,
        "reference/schedules.html": SCHEDULES,
        "rules/index.html": NAMES,
        "reference/thalweg.html": ["thalweg.minimize", "thalweg.compare"],
    }
    yield from (f"{page}: {name}" for page, names in places.items() for name in names if name not in site.text(page))
    notebooks = (ROOT / "docs" / "tutorials").glob("*.ipynb")
    yield from (str(n) for n in notebooks if not (site.folder / "tutorials" / f"{n.stem}.html").exists())
    decisions = (ROOT / "docs" / "decisions").glob("0*.md")
    yield from (str(d) for d in decisions if not (site.folder / "decisions" / f"{d.stem}.html").exists())


CHECKS: list[Callable[[Site], Iterator[str]]] = [
    warnings,
    rules_without_their_page,
    links_that_lead_nowhere,
    loads_from_elsewhere,
    pictures_without_words,
    formulas_left_as_latex,
    what_is_not_there,
]


def in_a_browser(site: Site) -> list[str]:
    """Pages opened from the folder, without a server, on a desk and on a phone; and a search."""
    troubles: list[str] = []
    with chromium() as browser:
        for width in (1280, 390):
            page = browser.new_page(viewport={"width": width, "height": 900})
            page.on("pageerror", lambda error: troubles.append(str(error)))
            page.on("console", lambda said: troubles.append(said.text) if said.type == "error" else None)
            page.on("request", lambda asked: asked.url.startswith(("file:", "data:")) or troubles.append(asked.url))
            for path in ("index.html", "rules/schedule_free_adamw.html", "peers.html", "reference/command-line.html"):
                page.goto((site.folder / path).as_uri())
                if page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth"):
                    troubles.append(f"{path} is wider than {width}")
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.goto((site.folder / "index.html").as_uri())
        page.locator("input.md-search__input").click()
        page.keyboard.type("nesterov lookahead")
        found = page.locator(".md-search-result__link").first
        found.wait_for()
        if "rules/nesterov_lookahead.html" not in str(found.get_attribute("href")):
            troubles.append("the search does not find Nesterov's rule")
    return troubles


def test_the_site_is_built_strictly_and_is_whole(tmp_path):
    """One test, as the site is built once: every check's findings together."""
    site = built(tmp_path / "site")
    assert len(site.pages) > len(RULES) + 40
    found = [f"{check.__name__}: {trouble}" for check in CHECKS for trouble in check(site)]
    found += in_a_browser(site) if CHROMIUM else []
    assert not found, "\n".join(found[:60])


@pytest.mark.parametrize("name", sorted(path.stem for path in HOOKS.glob("*.py")))
def test_the_examples_of_the_build_run(name, monkeypatch):
    monkeypatch.syspath_prepend(str(HOOKS))
    assert doctest.testmod(importlib.import_module(name)).failed == 0


def test_every_declared_fact_has_its_words(monkeypatch):
    monkeypatch.syspath_prepend(str(HOOKS))
    assert tuple(importlib.import_module("rule_numbers").FACTS) == FACTS
