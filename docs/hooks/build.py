"""The hook of the documentation's build: pages made from the code, pieces of other texts, mathematics.

mkdocs calls the functions here by their names, in the order in which they stand.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import commands_page
import drawn
import included
import lists
import mathematics
import navigation
import notebooks
import pictures
import rule_index
import rule_page
import surfaces_page
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

from thalweg.playground import page as playground
from thalweg.rules import RULES

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"


def in_a_sentence(hook: Callable[..., Any]) -> Callable[..., Any]:
    """A hook whose refusals end the build with their sentence, without a traceback."""

    @functools.wraps(hook)
    def called(*arguments: Any, **named: Any) -> Any:
        try:
            return hook(*arguments, **named)
        except ValueError as error:
            raise PluginError(str(error)) from error

    return called


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """The navigation's folders become their pages."""
    config.nav = navigation.expanded(config.nav or [], DOCS)
    return config


@in_a_sentence
def on_files(files: Files, config: MkDocsConfig) -> Files:
    """What is made by the build joins what is written by hand."""
    made = pages()
    for notebook in [file for file in files if file.src_uri.endswith(".ipynb")]:
        made |= notebooks.pages(Path(str(notebook.abs_src_path)), notebook.src_uri)
    written = {file.src_uri: file.content_string for file in files.documentation_pages()}
    made |= pictures.files({**written, **{path: text for path, text in made.items() if isinstance(text, str)}})
    for path, content in made.items():
        if path in files.src_uris:
            raise ValueError(f"'{path}' is made by the build, and a file of the documentation: rename one of them")
        files.append(File.generated(config, path, content=content))
    return files


def pages() -> dict[str, str | bytes]:
    """Every page that is made from the code, by its path in the documentation."""
    return {
        **{f"rules/{name}.md": rule_page.page(rule) for name, rule in RULES.items()},
        "rules/index.md": rule_index.page(),
        "surfaces.md": surfaces_page.page(),
        "playground/page.html": playground.page(),
        "reference/command-line.md": commands_page.page(),
        "contributing.md": included.whole(ROOT / "CONTRIBUTING.md"),
        "changelog.md": included.whole(ROOT / "CHANGELOG.md"),
    }


@in_a_sentence
def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Pieces, lists and pictures stand where a page asks for them; links lead to where their targets are."""
    whole = drawn.shown(lists.filled(included.filled(markdown, ROOT)))
    return included.relinked(whole, page.file.src_uri)


def on_page_content(html: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """LaTeX becomes MathML, which browsers show by themselves."""
    return mathematics.rendered(html)


def on_post_build(config: MkDocsConfig) -> None:
    """The search's index as a script too, which a page may load that was opened from a folder."""
    folder = Path(config.site_dir) / "search"
    index = (folder / "search_index.json").read_text(encoding="utf-8")
    (folder / "search_index.js").write_text(f"var __index = {index}", encoding="utf-8")
