"""The documentation's build: what it refuses, in a sentence each, and what it makes of a notebook's outputs."""

import importlib
import json
import re
from pathlib import Path

import pytest
from mkdocs.exceptions import PluginError

ROOT = Path(__file__).parents[1]
HOOKS = ROOT / "docs" / "hooks"
DRAWS = '```draw title="A saddle"\nthalweg draw saddle -o s.png\n```\n'
REFUSED = {
    "<!-- README: no such words -->": "found none: mend the page",
    "<!-- made: no such list -->": "there is no list 'no such list'",
    DRAWS.replace("draw saddle", "compare"): "expected a command 'thalweg draw ... -o FILE', got 'thalweg compare",
    DRAWS.replace(" -o s.png", ""): "expected a command 'thalweg draw ... -o FILE'",
    DRAWS.replace(" s.png", ""): "expected a command 'thalweg draw ... -o FILE'",
    DRAWS.replace("saddle", "'saddle"): "expected a command 'thalweg draw ... -o FILE'",
    DRAWS.replace(' title="A saddle"', ""): "a block on page.md draws nothing",
    DRAWS.replace("draw saddle", "draw sadle"): "does not draw: there is no surface 'sadle': did you mean 'saddle'?",
    DRAWS.replace("-o", "--no-such-option -o"): "does not draw: No such option: --no-such-option",
    DRAWS + DRAWS: "two pictures of the documentation are called 's.png'",
    DRAWS.replace("s.png", "rules/adam.png"): "two pictures of the documentation are called 'rules/adam.png'",
}


@pytest.mark.parametrize("markdown", REFUSED, ids=map(str, range(len(REFUSED))))
def test_a_page_that_asks_for_what_is_not_there_ends_the_build(markdown, monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(str(HOOKS))
    monkeypatch.setenv("THALWEG_SITE_CACHE", str(tmp_path))
    included, lists, drawn, pictures = map(importlib.import_module, ("included", "lists", "drawn", "pictures"))
    with pytest.raises(ValueError, match=re.escape(REFUSED[markdown])):
        whole = lists.filled(included.filled(markdown, ROOT))
        for words in pictures.wanted({"page.md": whole}).values():
            drawn.picture(words)
    assert list(tmp_path.iterdir()) == []


def test_a_refusal_is_a_sentence_of_mkdocs(monkeypatch):
    monkeypatch.syspath_prepend(str(HOOKS))
    build = importlib.import_module("build")
    with pytest.raises(PluginError, match="found none: mend the page"):
        build.on_page_markdown("<!-- README: no such words -->", page=None, config=None, files=None)


def test_what_a_notebook_prints_piece_by_piece_is_one_text(monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(str(HOOKS))
    monkeypatch.setenv("THALWEG_SITE_NOTEBOOKS", "off")
    printed = [{"output_type": "stream", "name": "stdout", "text": text} for text in ("one\n", ["two\n"])]
    cell = {"cell_type": "code", "source": "count()", "outputs": printed}
    path = tmp_path / "one.ipynb"
    path.write_text(json.dumps({"cells": [cell]}), encoding="utf-8")
    page = importlib.import_module("notebooks").pages(path, "one.ipynb")["one.md"]
    assert "```text\none\ntwo\n```" in page


def test_a_picture_of_a_notebook_needs_words(monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(str(HOOKS))
    monkeypatch.setenv("THALWEG_SITE_NOTEBOOKS", "off")
    output = {"output_type": "display_data", "data": {"image/png": "iVBORw0="}}
    path, notebooks = tmp_path / "one.ipynb", importlib.import_module("notebooks")
    for source in ("# A curve\nplot()", "plot()"):
        cell = {"cell_type": "code", "source": source, "outputs": [output]}
        path.write_text(json.dumps({"cells": [cell]}), encoding="utf-8")
        if source.startswith("#"):
            assert "![A curve](one-0-0.png)" in notebooks.pages(path, "folder/one.ipynb")["folder/one.md"]
    with pytest.raises(ValueError, match=r"nothing says what folder/one-0-0\.png shows"):
        notebooks.pages(path, "folder/one.ipynb")
