"""English text as numbers: the language reference that Python prints as help, one number per character."""

from __future__ import annotations

from functools import cache

import numpy as np

from thalweg.errors import InputError
from thalweg.lab.batches import of_arrays
from thalweg.lab.problem import Data

SYMBOLS = 97  # a line's end, the 95 printable characters of ASCII, and one that stands for every other
WINDOW = 64
_BLOCKS = 40


@cache
def load() -> Data:
    """Windows of 64 characters, and for each the same shifted by one: what comes next.

    The text is cut into 40 blocks. Every tenth is there to test, and every ninth of the others to validate on, so that
    no window of one part overlaps a window of another, and every part holds something of the whole text. A window to
    test or validate on is left out where the same 64 characters stand in the text that is trained on: some lines of
    examples and tables do.

    Returns:
        The data; it differs from one version of Python to the next, as the text does.

    Raises:
        InputError: If this Python comes without the text.

    Example:
        >>> data = load()
        >>> data.train[0][0, 1:].tolist() == data.train[1][0, :-1].tolist()
        True
    """
    text = encoded(unrepeated(topics()))
    blocks = np.array_split(text, _BLOCKS)
    tested, rest = blocks[9::10], [block for place, block in enumerate(blocks) if place % 10 != 9]
    validated, kept = rest[8::9], [block for place, block in enumerate(rest) if place % 9 != 8]
    train, less = windows(rest), windows(kept)
    test, validation = unseen(windows(tested), rest), unseen(windows(validated), kept)
    name = f"{train[0].size:,} characters of Python's language reference to train, {test[0].size:,} to test"
    return of_arrays(name, train, test, (less, validation))


def topics() -> list[str]:
    """What `help()` prints on Python's syntax, a text per topic, sorted by the topics' names.

    Raises:
        InputError: If this Python comes without it.

    Example:
        >>> "execution" in " ".join(topics())
        True
    """
    try:
        from pydoc_data.topics import topics as texts
    except ImportError as error:
        raise InputError(
            "expected the texts that Python's help() prints (pydoc_data), got a Python without them: "
            "install the whole of Python's standard library"
        ) from error
    return [texts[name] for name in sorted(texts)]


def unrepeated(texts: list[str]) -> str:
    r"""The texts one after the other, each paragraph only where it comes first.

    A topic quotes others whole: without this, a fifth of what is there to test would stand in the training text too.

    Example:
        >>> unrepeated(["if one\n\nwhile two", "while   two\n\nfor three"])
        'if one\n\nwhile two\n\nfor three'
    """
    paragraphs = (paragraph.strip("\n") for text in texts for paragraph in text.split("\n\n"))
    first = {" ".join(paragraph.split()): paragraph for paragraph in reversed(list(paragraphs))}
    return "\n\n".join(paragraph for words, paragraph in reversed(first.items()) if words)


def encoded(text: str) -> np.ndarray:
    r"""A number below `SYMBOLS` per character: 0 for a line's end, the last for what is not in ASCII.

    Example:
        >>> encoded("\n ~ü").tolist()
        [0, 1, 95, 96]
    """
    points = np.frombuffer(text.encode("utf-32-le"), np.uint32).astype(np.int64)
    printable = np.where((points >= 32) & (points < 127), points - 31, SYMBOLS - 1)
    return np.where(points == 10, 0, printable)


def windows(blocks: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Each block cut into windows, and each window's characters shifted by one; what is left over is dropped.

    Example:
        >>> inputs, targets = windows([np.arange(70), np.arange(140)])
        >>> inputs[:, 0].tolist(), targets[:, -1].tolist()
        ([0, 0, 64], [64, 64, 128])
    """
    counts = [(len(block) - 1) // WINDOW for block in blocks]
    pairs = list(zip(blocks, counts, strict=True))
    inputs = [block[: count * WINDOW].reshape(count, WINDOW) for block, count in pairs]
    targets = [block[1 : count * WINDOW + 1].reshape(count, WINDOW) for block, count in pairs]
    return np.concatenate(inputs), np.concatenate(targets)


def unseen(held: tuple[np.ndarray, np.ndarray], blocks: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """The windows, with their targets, whose characters stand nowhere in the blocks.

    Example:
        >>> inputs, targets = unseen((np.array([[1, 2], [3, 4]]), np.array([[2, 3], [4, 5]])), [np.array([0, 1, 2, 9])])
        >>> inputs.tolist(), targets.tolist()
        ([[3, 4]], [[4, 5]])
    """
    seen = b"\xff".join(block.astype(np.uint8).tobytes() for block in blocks)
    new = np.array([window.astype(np.uint8).tobytes() not in seen for window in held[0]])
    return held[0][new], held[1][new]
