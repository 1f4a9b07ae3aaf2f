"""Docstrings as Markdown: their words, and what runs in them as a block of code."""

from __future__ import annotations

import textwrap


def example(text: str) -> str:
    r"""The example of a docstring: its words as paragraphs, what runs as blocks of code.

    Example:
        >>> example("  It adds:\n\n  >>> 1 + 1\n  2\n").splitlines()
        ['It adds:', '', '```pycon', '>>> 1 + 1', '2', '```']
    """
    found: list[str] = []
    for part in textwrap.dedent(text.strip("\n")).split("\n\n"):
        running = part.lstrip().startswith(">>>")
        if running and found and found[-1].endswith("```"):
            found[-1] = found[-1].removesuffix("```") + f"\n{part.rstrip()}\n```"
        else:
            found.append(f"```pycon\n{part.rstrip()}\n```" if running else " ".join(part.split()))
    return "\n\n".join(each for each in found if each)
