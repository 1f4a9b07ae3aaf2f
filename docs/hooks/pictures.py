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
    """
    commands = dict(pair for uri, text in texts.items() for pair in drawn.commands(text, uri))
    here = str(Path(__file__).parent)  # mkdocs has these files on its path only while it loads them
    with ProcessPoolExecutor(mp_context=get_context("spawn"), initializer=addsitedir, initargs=(here,)) as processes:
        by_commands = processes.map(drawn.picture, commands.values())
        of_rules = processes.map(rule_picture.picture, NAMES, chunksize=4)
        return {
            **dict(zip(commands, by_commands, strict=True)),
            **{f"rules/{name}.png": picture for name, picture in zip(NAMES, of_rules, strict=True)},
        }
