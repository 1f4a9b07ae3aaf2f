"""Pictures, made by the build with all processors: what commands on pages draw, and every rule on two surfaces."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from site import addsitedir

import drawn
import rule_picture

from thalweg.rules import NAMES


def files(texts: Mapping[str, str]) -> dict[str, bytes]:
    """All pictures by their paths in the documentation; what was drawn before is not drawn again.

    Args:
        texts: The pages by their paths, for the commands on them.

    Raises:
        ValueError: If a command does not draw, or two want one name.
    """
    commands = wanted(texts)
    here = str(Path(__file__).parent)  # mkdocs has these files on its path only while it loads them
    with ProcessPoolExecutor(mp_context=get_context("spawn"), initializer=addsitedir, initargs=(here,)) as processes:
        by_commands = processes.map(drawn.picture, commands.values())
        of_rules = processes.map(rule_picture.picture, NAMES, chunksize=4)
        return {
            **dict(zip(commands, by_commands, strict=True)),
            **{f"rules/{name}.png": picture for name, picture in zip(NAMES, of_rules, strict=True)},
        }


def wanted(texts: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    """Every command on the pages, by the path of its picture.

    Raises:
        ValueError: If two want one name.
    """
    found: dict[str, tuple[str, ...]] = {f"rules/{name}.png": () for name in NAMES}
    for uri, text in texts.items():
        for path, words in drawn.commands(text, uri):
            if path in found:
                raise ValueError(f"two pictures of the documentation are called '{path}': rename that on {uri}")
            found[path] = words
    return {path: words for path, words in found.items() if words}
