"""The navigation: where a folder stands in it, its pages."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rule_index import families


def expanded(nav: list[Any], docs: Path) -> list[Any]:
    """The navigation as mkdocs wants it, every folder (a path that ends in `/`) replaced by its pages."""
    return [entry for item in nav for entry in _entries(item, docs)]


def _entries(item: Any, docs: Path) -> Iterator[Any]:
    if isinstance(item, str):
        yield from _pages(item, docs) if item.endswith("/") else [item]
        return
    [(title, value)] = item.items()
    if isinstance(value, list):
        yield {title: expanded(value, docs)}
    else:
        yield {title: list(_pages(value, docs)) if value.endswith("/") else value}


def _pages(folder: str, docs: Path) -> Iterator[Any]:
    if folder == "rules/":
        yield "rules/index.md"
        yield from ({family: [f"rules/{name}.md" for name in names]} for family, names in families().items())
        return
    index = docs / folder / "README.md"
    if index.exists():
        yield f"{folder}README.md"
    others = [path for path in (docs / folder).iterdir() if path.suffix in (".md", ".ipynb") and path != index]
    yield from (f"{folder}{path.stem}.md" for path in sorted(others))
