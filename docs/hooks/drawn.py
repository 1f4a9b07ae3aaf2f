"""Commands on pages that draw: the build runs them, and the page shows the command and its picture.

They stand in a fenced block of the kind `draw`, with a title that says what the picture shows to who cannot see it:
`draw title="A saddle"`, and in it `thalweg draw saddle -o saddle.png`.
"""

from __future__ import annotations

import contextlib
import io
import posixpath
import re
import shlex
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from kept import digest, kept, sources

_BLOCK = re.compile(r'^```draw title="(?P<title>[^"\n]+)"\n(?P<command>.+?)^```$', re.MULTILINE | re.DOTALL)
_MEANT = re.compile(r"^\s*(?:```|~~~)\s*draw\b", re.MULTILINE)


def commands(markdown: str, uri: str) -> Iterator[tuple[str, tuple[str, ...]]]:
    r"""The path of each picture that a page wants, and the command's words.

    Raises:
        ValueError: If a block is not written so.

    Example:
        >>> list(commands('```draw title="A saddle"\nthalweg draw saddle -o s.png\n```', "rules/adam.md"))
        [('rules/s.png', ('draw', 'saddle', '-o', 's.png'))]
    """
    if _MEANT.search(_BLOCK.sub("", markdown)):
        raise ValueError(f'a block on {uri} draws nothing: begin it with ```draw title="what the picture shows"')
    for block in _BLOCK.finditer(markdown):
        words = _words(block["command"])
        yield posixpath.join(posixpath.dirname(uri), _output(words)), words


def shown(markdown: str) -> str:
    """A page on which each command is followed by its picture."""
    return _BLOCK.sub(lambda block: _shown(block["title"], block["command"]), markdown)


def _shown(title: str, command: str) -> str:
    name = _output(_words(command))
    return f"```console\n$ {command.rstrip()}\n```\n\n[![{title}]({name})]({name})"


def _words(command: str) -> tuple[str, ...]:
    """What stands behind `thalweg`, which may go on behind a backslash at a line's end.

    Raises:
        ValueError: If it is another command than one that draws, or writes no file.
    """
    try:
        words = shlex.split(command.replace("\\\n", " "))
    except ValueError:  # a quotation that does not end
        words = []
    if words[:2] != ["thalweg", "draw"] or "-o" not in words[:-1]:
        raise ValueError(f"expected a command 'thalweg draw ... -o FILE', got '{command.strip()}': mend the page")
    return tuple(words[1:])


def _output(words: tuple[str, ...]) -> str:
    return words[words.index("-o") + 1]


def picture(words: tuple[str, ...]) -> bytes:
    """What a command draws, kept as long as the command and the library are the same."""
    return kept(f"{digest(*words, sources())}{Path(_output(words)).suffix}", partial(_drawn, words))


def _drawn(words: tuple[str, ...]) -> bytes:
    from thalweg.cli import app

    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
        path = Path(folder) / Path(_output(words)).name
        try:
            app([str(path) if word == _output(words) else word for word in words], standalone_mode=False)
        except Exception as error:  # bad input, or an option that there is not
            raise ValueError(f"'thalweg {shlex.join(words)}' on a page does not draw: {error}") from error
        return path.read_bytes()
