"""Pieces of HTML: text, tables, figures, sections that open. Every text is escaped here, for none is trusted."""

from __future__ import annotations

import base64
import math
from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

from thalweg.report import words


def text(value: Any) -> str:
    """Any value as text that is shown and not obeyed.

    Example:
        >>> text("<b>")
        '&lt;b&gt;'
    """
    return escape(words.plain(value))


def two(first: str, second: str) -> str:
    """A cell of two lines, the second one quiet."""
    return text(first) + _below(second)


def valued(value: float | None, first: str, second: str = "") -> str:
    """A cell of one or two lines with the number that it is sorted by; a missing one is sorted last.

    Example:
        >>> valued(83.0, "1:23")
        '<data value="83.0">1:23</data>'
    """
    if not isinstance(value, int | float) or not math.isfinite(value):
        return two(first, second)
    return f'<data value="{float(value)!r}">{text(first)}</data>{_below(second)}'


def _below(second: str) -> str:
    return f" <small>{text(second)}</small>" if second else ""


def head(*names: str) -> str:
    """A table's heading."""
    cells = "".join(f'<th scope="col">{text(name)}</th>' for name in names)
    return f"<tr>{cells}</tr>"


def table(caption: str, heading: str, rows: Iterable[Sequence[str]], kind: str = "numbers") -> str:
    """A table that scrolls in its own box where the screen is narrow.

    Args:
        caption: What it shows.
        heading: Its heading, as `head` makes it.
        rows: Cells that are escaped already; the first one of a row names it.
        kind: `"numbers"` or `"words"`; `"numbers sortable"` where the page's script may sort it.

    Returns:
        The table.
    """
    cells = ((first, "".join(f"<td>{cell}</td>" for cell in rest)) for first, *rest in rows)
    body = "".join(f'<tr><th scope="row">{first}</th>{rest}</tr>' for first, rest in cells)
    return (
        f'<div class="scroll" role="region" tabindex="0" aria-label="{text(caption)}"><table class="{kind}">'
        f"<caption>{text(caption)}</caption><thead>{heading}</thead><tbody>{body}</tbody></table></div>"
    )


def note(content: str) -> str:
    """A quiet paragraph."""
    return f'<p class="note">{text(content)}</p>' if content else ""


def section(title: str, *content: str) -> str:
    """A part of the page under a heading; nothing where it has no content."""
    return f"<section><h2>{text(title)}</h2>{''.join(content)}</section>" if any(content) else ""


def details(title: str, *content: str) -> str:
    """A part that opens when its title is clicked."""
    return f"<details><summary>{text(title)}</summary>{''.join(content)}</details>"


def accessible(svg: str, title: str) -> str:
    """A drawing with a role and a title, which a screen reader reads in place of a thousand lines."""
    start, rest = svg.split(">", 1)
    return f'{start} role="img" aria-label="{text(title)}"><title>{text(title)}</title>{rest}'


def download(name: str, kind: str, content: str, title: str) -> str:
    """A link that saves a file which the page carries.

    Args:
        name: The file's name.
        kind: Its media type.
        content: What is in it.
        title: What the link says.

    Returns:
        The link.
    """
    carried = base64.b64encode(content.encode()).decode()
    return f'<a class="button" download="{text(name)}" href="data:{kind};base64,{carried}">{text(title)}</a>'
