"""The page without a browser: one file, the same bytes, nothing from outside, and the command that writes it."""

import base64
import dataclasses
import hashlib
import re
from pathlib import Path

import pytest

from thalweg import cli
from thalweg.commands.playground import playground
from thalweg.errors import InputError
from thalweg.playground.page import FOLDER, PARSER, SCRIPTS, page
from thalweg.rules import RULES
from thalweg.surfaces import SURFACES

RULE = """
from thalweg.formula import rule, sqrt

@rule("my notebook")
def mine(x, g, t, v, *, lr=0.01, beta=0.9):
    v = beta * v + (1 - beta) * g**2
    return x - lr * g / (sqrt(v) + 1e-8), v
"""


@pytest.fixture(scope="module")
def document() -> str:
    return page()


def test_it_is_small_and_the_same_every_time(document: str) -> None:
    assert page() == document
    assert 300_000 < len(document.encode()) < 1_000_000


def test_it_asks_nothing_of_the_network(document: str) -> None:
    markup = re.sub(r"<(script|style)>.*?</\1>", "", document, flags=re.S)
    assert re.findall(r'(?:src|href|action)="(?!#|data:)', markup) == []
    assert "url(" not in document.partition("<style>")[2].partition("</style>")[0]


def test_the_policy_allows_these_scripts_and_styles_and_no_others(document: str) -> None:
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', document)
    assert policy is not None
    parts = dict(part.split(" ", 1) for part in policy[1].split("; "))
    assert parts["default-src"] == "'none'" and parts["base-uri"] == "'none'" and "unsafe" not in policy[1]
    for tag in ("script", "style"):
        found = re.findall(rf"<{tag}>(.*?)</{tag}>", document, flags=re.S)
        digests = [base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in found]
        assert parts[f"{tag}-src"].split() == [f"'sha256-{digest}'" for digest in digests]
    assert len(re.findall("<script>", document)) == len(SCRIPTS) + len(PARSER) + 1
    assert re.search(r'\son\w+="|\sstyle="', document.partition("<body>")[2].partition("<script>")[0]) is None


def test_every_rule_and_surface_is_in_it(document: str) -> None:
    for name in (*RULES, *SURFACES):
        assert f'name: "{name}"' in document


def test_every_script_of_the_folder_is_used_and_short() -> None:
    files = sorted((FOLDER / "assets").glob("*.js"))
    assert sorted(SCRIPTS) == [file.stem for file in files]
    for file in (*files, *(FOLDER / "assets").glob("*.css")):
        assert len(file.read_text(encoding="utf-8").splitlines()) <= 300, file
    for file in files:
        text = file.read_text(encoding="utf-8")
        assert text.startswith('"use strict";\n'), file
        assert re.search(r"\beval\(|new Function|document\.write|insertAdjacentHTML|outerHTML", text) is None, file


def test_only_printed_formulas_are_set_as_markup() -> None:
    found = [
        line.strip() for name in SCRIPTS for line in (FOLDER / f"assets/{name}.js").read_text().splitlines()
        if "innerHTML" in line
    ]  # fmt: skip
    assert sorted(found) == [
        "cell.innerHTML = mathml;",
        'else byId("equation").innerHTML = surface.formula;',
        "shown.innerHTML = mathml;",
    ]


def test_the_command_says_where_the_page_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], document: str
) -> None:
    monkeypatch.chdir(tmp_path)
    playground(Path("thalweg-out/playground.html"))
    assert Path("thalweg-out/playground.html").read_text(encoding="utf-8") == document
    first, second = capsys.readouterr().out.splitlines()
    assert first == "thalweg-out/playground.html"
    assert second.startswith(f"{len(document.encode()) / 1000:.0f} kB")
    assert [file.name for file in Path("thalweg-out").iterdir()] == ["playground.html"]


def test_a_rule_of_ones_own_is_on_the_page(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(RULE)
    playground(tmp_path / "page.html", [tmp_path / "mine.py"])
    assert 'name: "mine"' in (tmp_path / "page.html").read_text(encoding="utf-8")


def test_a_name_that_cannot_be_is_refused() -> None:
    with pytest.raises(InputError, match="a name of its own for the rule 'adam'"):
        page([RULES["adam"]])
    with pytest.raises(InputError, match="expected a name that JavaScript can use for the rule, got '__proto__'"):
        page([dataclasses.replace(RULES["adam"], name="__proto__")])


@pytest.mark.parametrize("place", ["missing/page.html", "file/page.html", "folder"])
def test_a_place_where_nothing_can_be_written_is_refused_in_a_sentence(
    tmp_path: Path, place: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("")
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(SystemExit) as ended:
        cli.main(["playground", "-o", str(tmp_path / place)])
    said = capsys.readouterr()
    assert ended.value.code == 2 and said.out == ""
    assert said.err.count("\n") == 1 and said.err.startswith("thalweg: expected a f")
    assert sorted(tmp_path.rglob("*")) == before


def test_a_failure_leaves_no_half_page_and_keeps_the_old_one(tmp_path: Path) -> None:
    out = tmp_path / "page.html"
    out.write_text("old")
    (tmp_path / "bad.py").write_text("x = 1")
    with pytest.raises(InputError, match="expected one rule"):
        playground(out, [tmp_path / "bad.py"])
    assert out.read_text() == "old" and sorted(f.name for f in tmp_path.iterdir()) == ["bad.py", "page.html"]
