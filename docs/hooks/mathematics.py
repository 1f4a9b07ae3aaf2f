"""LaTeX in pages as MathML, which needs neither a script nor a network."""

from __future__ import annotations

import functools
import html
import re

from latex2mathml.converter import convert

# What pymdownx.arithmatex leaves: \(...\) within a text, \[...\] by itself.
_MARKED = re.compile(
    r'<(?P<tag>span|div) class="arithmatex">\\(?P<kind>[(\[])(?P<latex>.*?)\\[)\]]</(?P=tag)>', re.DOTALL
)


def rendered(page: str) -> str:
    r"""A page's HTML with its formulas as MathML.

    Example:
        >>> rendered('<span class="arithmatex">\\(x\\)</span>').endswith("<mi>x</mi></mrow></math>")
        True
    """
    return _MARKED.sub(lambda found: mathml(html.unescape(found["latex"]), found["kind"] == "["), page)


@functools.cache
def mathml(latex: str, display: bool) -> str:
    """A formula as MathML, wrapped so that a wide one scrolls by itself."""
    known = latex.replace("{aligned}", "{align*}").strip()
    made = convert(known, display="block" if display else "inline")
    return f'<div class="formula">{made}</div>' if display else made
