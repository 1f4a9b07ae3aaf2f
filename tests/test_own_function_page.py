"""One's own function in a browser: the values, gradients and sentences of Python's reader, from mathjs."""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

import thalweg
from browsers import CHROMIUM, chromium
from own_functions import BAD, GOOD
from thalweg.compile.gradient import trace_gradient
from thalweg.compile.numpy import values
from thalweg.errors import InputError
from thalweg.formula.text import FUNCTIONS
from thalweg.surfaces.parsed import parsed, surface_of

WITHOUT = "no Chromium on this machine: functions were not typed in a browser (install 'chromium')"
needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason=WITHOUT)

PLAYGROUND = Path(thalweg.__file__).parent / "playground"
SCRIPTS = ("vendor/mathjs.min.js", "own_text.js", "own_formula.js", "own.js")
TOOLS = Path(__file__).parents[1] / "tools" / "mathjs"
# No script but these, no eval, nothing from anywhere.
POLICY = "default-src 'none'; script-src 'unsafe-inline'"
POINTS = [(x, y) for x in (-1.7, -0.6, 0.3, 1.1, 2.6) for y in (-2.1, -0.4, 0.7, 1.9)]
CORNERS = [(0.0, 0.0), (0.0, 1.0), (1.0, 0.0), (1.0, 1.0), (-1.0, 1.0), (-1.0, 0.0)]
TAGS = {"math", "mrow", "mi", "mn", "mo", "msup", "mfrac", "msqrt", "mtable", "mtr", "mtd", "mtext"}
BRANCHES = (
    "abs(x) + y",
    "sqrt(abs(x))",
    "sqrt(x)",
    "sqrt(x*x)",
    "max(x, y)",
    "min(x, y)",
    "max(sqrt(x), y)",
    "min(y, log(x))",
    "sign(x)*y",
    "where(x > 0, sqrt(x), 0) + y",
    "where(x >= 0, sqrt(x), 0) + y",
    "where(x > 0, 1/x, y)*where(y > 0, log(y), x)",
    "where(x > 0, where(y > 0, sqrt(x), log(y)), x*y)",
    "where(x > 0, 2*sqrt(x), y) + where(x >= 0.5, sqrt(x), 3*y)",
    "sqrt(max(x - 1, 0)) + y",
    "max(log(x + 1), -5) + y",
    "x**y",
    "x**0 + y**1",
    "x**(y + 1)",
    "(x*x)**y",
    "x/y",
    "log(x)",
    "x**5 - y**-1",
    "2**x*0.5**y",
    "tanh(400*x) + sinh(y)",
    "7",
)

ASK = """([texts, points]) => texts.map((text) => {
    try {
        const own = Own.parse(text);
        const found = points.map(([x, y]) => [own.value(x, y), ...own.gradient(x, y, [0, 0, 0])].map(String));
        return { found, formula: own.formula };
    } catch (error) {
        return { message: error.message, position: error.position, kind: error.constructor.name };
    }
})"""


@pytest.fixture(scope="module")
def ask() -> Iterator[Callable[[list[str], list[tuple[float, float]]], list[dict[str, Any]]]]:
    """What the page makes of texts at points; at the end it has asked for nothing and complained of nothing."""
    scripts = "".join(f"<script>{(PLAYGROUND / name).read_text(encoding='utf-8')}</script>" for name in SCRIPTS)
    head = f'<!doctype html><meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="{POLICY}">'
    said, asked = [], []
    with chromium() as browser:
        page = browser.new_page()
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("request", lambda request: asked.append(request.url))
        page.set_content(head + scripts)
        yield lambda texts, points: page.evaluate(ASK, [texts, points])
    assert said == [] and asked == []


def numpys(text: str, points: list[tuple[float, float]]) -> np.ndarray:
    """Value and gradient of Python's reading, one row for each point."""
    x, y = np.array(points).T
    shown = surface_of(text, window=((-5.0, 5.0), (-5.0, 5.0)), start=(0.9, 1.1))
    return np.stack(values(trace_gradient(shown), x, y), axis=1)


@needs_chromium
@pytest.mark.parametrize(
    ("texts", "points"), [(GOOD, POINTS), (BRANCHES, [*CORNERS, *POINTS])], ids=["good", "corners"]
)
def test_values_and_gradients_are_numpys(ask, texts, points) -> None:
    """To 1e-9 of the largest of the three, and to the sign of every infinity and to every NaN."""
    for text, answer in zip(texts, ask(list(texts), points), strict=True):
        assert "found" in answer, (text, answer)
        found = np.array(answer["found"], dtype=float)
        expected = numpys(text, points)
        np.testing.assert_array_equal(found[:, 0], found[:, 1])
        for row, right, point in zip(found[:, 1:], expected, points, strict=True):
            size = np.max(np.abs(right), initial=0.0, where=np.isfinite(right))
            np.testing.assert_allclose(row, right, rtol=1e-9, atol=1e-9 * size, err_msg=f"{text} at {point}")


@needs_chromium
def test_what_is_no_formula_is_refused_in_pythons_words(ask) -> None:
    for text, answer in zip(BAD, ask(list(BAD), []), strict=True):
        with pytest.raises(InputError) as caught:
            parsed(text)
        assert answer["message"] == str(caught.value) and answer["kind"] == "Error"
        column = BAD[text][0]
        assert answer["position"] == (column - 1 if column else None), text


@needs_chromium
def test_the_deepest_formulas_do_not_hang_the_page(ask) -> None:
    deep = ["-" * 999 + "x", "x" + "+y" * 499, "x" + "*y" * 499, "y" + "/x" * 499, "x" + "**y" * 332]
    deep += [
        "(" * 50 + "x" + ")" * 50,
        "sin(" * 50 + "x" + ")" * 50,
        "max(x, " * 50 + "y" + ")" * 50,
        "where(x > 9, 9**9**9, x)",
    ]
    deep += ["tanh(" * 50 + "x + y" + ")" * 50, "where(x > y, " * 50 + "x" + ", y)" * 50]
    for text, answer in zip(deep, ask(deep, [(0.9, 1.1)]), strict=True):
        found = np.array(answer["found"], dtype=float)[:, 1:]
        np.testing.assert_allclose(found, numpys(text, [(0.9, 1.1)]), rtol=1e-9)


@needs_chromium
def test_every_formula_is_shown_as_mathml(ask) -> None:
    for text, answer in zip(GOOD, ask(list(GOOD), []), strict=True):
        tree = ElementTree.fromstring(answer["formula"])
        assert tree.tag == "math"
        shown = "".join(tree.itertext())
        for token in re.findall(r"[xy]", re.sub(r"exp|max(imum)?", "", text)):
            assert token in shown
        assert {each.tag for each in tree.iter()} <= TAGS


@needs_chromium
def test_nothing_reaches_what_mathjs_could_do(ask) -> None:
    """The bundle holds no function to call: what cannot be typed could not be evaluated either."""
    texts = ["import", "evaluate(x)", "config", "x.constructor", "cos.constructor", "__proto__", "prototype", "mathjs"]
    assert all("message" in answer and answer["kind"] == "Error" for answer in ask(texts, [(1.0, 1.0)]))


def test_both_readers_know_the_same_functions() -> None:
    source = (PLAYGROUND / "own_text.js").read_text(encoding="utf-8")
    listed = re.search(r"FUNCTIONS = \{(.*?)\};", source, re.DOTALL)
    assert listed is not None
    known = re.findall(r"(\w+): \[(\d), (\d|LONGEST)\]", listed[1])
    assert known == [(n, str(least), "LONGEST" if most > 9 else str(most)) for n, (_, least, most) in FUNCTIONS.items()]


def test_what_is_bundled_is_what_the_lock_names_and_says_whose_it_is() -> None:
    bundle = (PLAYGROUND / "vendor" / "mathjs.min.js").read_text(encoding="ascii")
    licences = (PLAYGROUND / "vendor" / "LICENSES.txt").read_text(encoding="utf-8")
    lock = json.loads((TOOLS / "package-lock.json").read_text(encoding="utf-8"))
    asked = json.loads((TOOLS / "package.json").read_text(encoding="utf-8"))["devDependencies"]
    named = re.findall(r"(\S+) (\d+\.\d+\.\d+) \(([\w.-]+)\)", bundle.splitlines()[0])
    assert ("mathjs", asked["mathjs"], "Apache-2.0") in named and len(named) >= 2
    for name, version, licence in named:
        package = lock["packages"][f"node_modules/{name}"]
        assert (package["version"], package["license"]) == (version, licence) and f"\n{name}: " in licences
    assert all(re.fullmatch(r"\d+\.\d+\.\d+", version) for version in asked.values())
    assert "Apache License" in licences and "Jos de Jong" in licences
    assert not any("resolved" in package for package in lock["packages"].values())


def test_the_bundle_is_small_and_asks_for_nothing() -> None:
    bundle = (PLAYGROUND / "vendor" / "mathjs.min.js").read_text(encoding="ascii")
    assert len(bundle) < 120_000 and bundle.splitlines()[1].startswith("var mathjs=(()=>{")
    for forbidden in (r"</script", "<!--", r"\beval\(", r"\bFunction\(", r"\bimport\(", r"\bfetch\(", "XMLHttpRequest"):
        assert not re.search(forbidden, bundle, re.IGNORECASE if "<" in forbidden else 0), forbidden
    assert not re.search(r"https?://", bundle)
    assert sum(len((PLAYGROUND / name).read_bytes()) for name in SCRIPTS) < 140_000
