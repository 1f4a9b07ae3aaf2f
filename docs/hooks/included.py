"""Texts that stand elsewhere in the project, on the site: pieces of the README, whole files, and links between them.

A page asks for a piece of the README by how its blocks begin: `<!-- README: They are drop-in -->` is that paragraph,
`<!-- README: They are ... Sparse gradients -->` everything from the one to the other.
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path

_ASKED = re.compile(r"^<!-- README: (?P<first>.+?)(?: \.\.\. (?P<last>.+?))? -->$", re.MULTILINE)
_LINK = re.compile(r"(\]\()([^)#\s:`,]+)((?:#[^)\s]*)?\))")
# Files that are no pages by themselves, and where the site has them.
ELSEWHERE = {
    "../CONTRIBUTING.md": "contributing.md",
    "../CHANGELOG.md": "changelog.md",
    "../README.md": "index.md",
    "decisions": "decisions/README.md",
}


def whole(path: Path) -> str:
    """A file of the project's root as a page, its links as they are from inside the documentation."""
    return _from_root(path.read_text(encoding="utf-8"))


def filled(markdown: str, root: Path) -> str:
    """A page with the pieces of the README that it asks for.

    Raises:
        ValueError: If the README has no such piece.
    """
    if not _ASKED.search(markdown):
        return markdown
    readme = (root / "README.md").read_text(encoding="utf-8")
    return _ASKED.sub(lambda asked: _from_root(piece(readme, **asked.groupdict())), markdown)


def piece(text: str, first: str, last: str | None = None) -> str:
    r"""The block of a text that begins with some words, or all from it to the one that begins with others.

    Raises:
        ValueError: If no block begins so.

    Example:
        >>> piece("one\n\ntwo\n\nthree\n\nfour\n", "tw", "three")
        'two\n\nthree'
    """
    found = blocks(text)
    begin = _place(found, first, 0)
    end = begin if last is None else _place(found, last, begin)
    return "\n\n".join(found[begin : end + 1])


def _place(found: list[str], words: str, start: int) -> int:
    for place in range(start, len(found)):
        if re.sub(r"^```\w*\n", "", found[place]).lstrip().startswith(words):
            return place
    raise ValueError(f"expected a block of the README that begins with '{words}', found none: mend the page")


def blocks(text: str) -> list[str]:
    r"""Paragraphs, and fenced blocks as a whole.

    Example:
        >>> blocks("a\nb\n\n```\nc\n\nd\n```\n")
        ['a\nb', '```\nc\n\nd\n```']
    """
    found: list[str] = []
    fenced = False
    for part in re.split(r"\n\n+", text.strip("\n")):
        if fenced:
            found[-1] += f"\n\n{part}"
        else:
            found.append(part)
        fenced ^= len(re.findall(r"^```", part, re.MULTILINE)) % 2 == 1
    return [each for each in found if each.strip()]


def relinked(markdown: str, page: str) -> str:
    """A page whose links lead to where their targets are on the site; notebooks are pages there.

    Example:
        >>> relinked("[how](../CONTRIBUTING.md)", "own-rule.md")
        '[how](contributing.md)'
        >>> relinked("[train](../tutorials/train.ipynb#data)", "rules/adam.md")
        '[train](../tutorials/train.md#data)'
    """
    folder = posixpath.dirname(page)

    def target(found: re.Match[str]) -> str:
        path = posixpath.normpath(posixpath.join(folder, found[2]))
        path = ELSEWHERE.get(path, re.sub(r"\.ipynb$", ".md", path))
        return found[1] + posixpath.relpath(path, folder or ".") + found[3]

    return _LINK.sub(target, markdown)


def _from_root(text: str) -> str:
    """A text of the project's root, its links as the documentation's folder has them."""
    return _LINK.sub(lambda found: found[1] + posixpath.relpath(found[2], "docs") + found[3], text)
