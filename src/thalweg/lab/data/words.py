"""Words of the text that comes with Python: which of them a paragraph holds, and which follow each other how often."""

from __future__ import annotations

import ast
import re
import sysconfig
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

import numpy as np

from thalweg.errors import InputError
from thalweg.lab.batches import of_arrays
from thalweg.lab.data.text import topics
from thalweg.lab.problem import Data

_LEAST = 5  # words of a paragraph: fewer are headings and lists of arguments
_TEST_SHARE = 0.2
_COMMON = 400  # words that may be neighbours
_NEAR = 10  # words between neighbours


@cache
def paragraphs() -> Data:
    """Paragraphs as the words that they hold, half from Python's language reference, half from its standard library.

    Every word has a column: 1 where the paragraph holds it, else 0. A few stand in a third of the paragraphs or more,
    most in one or two, as in any text. Paragraphs with the same words count once, those in both halves not at all.

    Returns:
        Rows of bytes, and of each the label as a float: 1 for the language reference, which `help()` prints, and 0 for
        the docstrings of the standard library's modules. It differs from one version of Python to the next.

    Raises:
        InputError: If this Python comes without those texts.

    Example:
        >>> rows, labels = paragraphs().train
        >>> rows.dtype.name, labels.shape == (len(rows), 1), bool((rows.sum(axis=0) == 1).mean() > 0.3)
        ('uint8', True, True)
    """
    reference, library = distinct(topics()), distinct(docstrings())
    # RandomState's stream is frozen for ever; that of NumPy's newer generators may change with a release.
    random = np.random.RandomState(0)
    ours, theirs = sorted(reference - library), sorted(library - reference)
    count = min(len(ours), len(theirs))
    chosen = [half[place] for half in (ours, theirs) for place in random.permutation(len(half))[:count]]
    rows = presence(chosen)
    labels = np.repeat(np.array([1, 0], np.float32), count)[:, None]
    train, test = _apart(random, len(chosen))
    name = (
        f"{len(train):,} paragraphs of Python's documentation to train, {len(test):,} to test, {rows.shape[1]:,} words"
    )
    return of_arrays(name, (rows[train], labels[train]), (rows[test], labels[test]))


@cache
def neighbours() -> Data:
    """How often a word stands up to ten words after another, in Python's language reference.

    Of the 400 most frequent words, every ordered pair that occurs is a sample; pairs that never do are not in the data,
    as a user's missing rating is not.

    Returns:
        Pairs of word numbers, of shape (N, 2), and the natural logarithm of the pair's count, of shape (N,).

    Raises:
        InputError: If this Python comes without the text.

    Example:
        >>> pairs, logarithms = neighbours().train
        >>> pairs.shape == (len(logarithms), 2), int(pairs.max()), float(logarithms.min())
        (True, 399, 0.0)
    """
    counts = following([words.split() for words in _in_order(topics())], _COMMON, _NEAR)
    first, second = np.nonzero(counts)
    pairs = np.stack([first, second], axis=1)
    logarithms = np.log(counts[first, second]).astype(np.float32)
    train, test = _apart(np.random.RandomState(0), len(pairs))
    name = f"{len(train):,} pairs of neighbouring words in Python's documentation to train, {len(test):,} to test"
    return of_arrays(name, (pairs[train], logarithms[train]), (pairs[test], logarithms[test]))


def docstrings() -> list[str]:
    """The docstrings of a third of the standard library's modules, with those of their classes and functions.

    A third has more paragraphs than the language reference, and all of them would take two seconds to read.

    Raises:
        InputError: If this Python comes without its sources.

    Example:
        >>> len(docstrings()) > 1000
        True
    """
    files = sorted(Path(sysconfig.get_path("stdlib")).glob("*.py"))[::3]
    found = [text for file in files for text in _documented(ast.parse(file.read_bytes()))]
    if not found:
        raise InputError(
            "expected the sources of Python's standard library, got a Python without them: "
            "install the whole of Python's standard library"
        )
    return found


def _documented(node: ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[str]:
    """A module's docstring or that of what is in it, then those of what is defined inside."""
    if text := ast.get_docstring(node):
        yield text
    for inner in node.body:
        if isinstance(inner, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield from _documented(inner)


def distinct(texts: Iterable[str]) -> set[str]:
    """The words of each paragraph with at least five, in lower case and sorted, every set of words once.

    Example:
        >>> sorted(distinct(["One two three: four, five.", "five four Three two one one", "too few"]))
        ['five four one three two']
    """
    return {" ".join(sorted(set(words.split()))) for words in _in_order(texts)}


def _in_order(texts: Iterable[str]) -> list[str]:
    """The words of each paragraph with at least five, separated by blanks; each such text once."""
    every = (re.findall("[a-z]+", paragraph.lower()) for text in texts for paragraph in text.split("\n\n"))
    return list(dict.fromkeys(" ".join(words) for words in every if len(words) >= _LEAST))


def presence(rows: list[str]) -> np.ndarray:
    """A row of bytes per text and a column per word: 1 where the text holds the word.

    Example:
        >>> presence(["b a", "c b"]).tolist()
        [[1, 1, 0], [0, 1, 1]]
    """
    words = sorted({word for row in rows for word in row.split()})
    column = {word: place for place, word in enumerate(words)}
    table = np.zeros((len(rows), len(words)), np.uint8)
    for place, row in enumerate(rows):
        table[place, [column[word] for word in row.split()]] = 1
    return table


def following(texts: list[list[str]], common: int, near: int) -> np.ndarray:
    """How often, for the most frequent words, one stands at most so many words after another in the same text.

    Example:
        >>> following([["a", "b", "a"], ["a", "c"]], common=2, near=1).tolist()
        [[0, 1], [1, 0]]
    """
    frequency = Counter(word for text in texts for word in text)
    ranked = sorted(frequency, key=lambda word: (-frequency[word], word))[:common]
    number = {word: place for place, word in enumerate(ranked)}
    counts = np.zeros((len(ranked), len(ranked)), np.int64)
    for text in texts:
        numbers = [number.get(word, -1) for word in text]
        for apart in range(1, near + 1):
            for first, second in zip(numbers, numbers[apart:], strict=False):
                if first >= 0 and second >= 0:
                    counts[first, second] += 1
    return counts


def _apart(random: np.random.RandomState, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Places to train on and places to test on, shuffled."""
    order = random.permutation(count)
    cut = round(count * (1 - _TEST_SHARE))
    return order[:cut], order[cut:]
