"""Writes what `thalweg advise` is shipped with, and what docs/advise.md shows.

    python benchmarks/advise.py

1. src/thalweg/advise/chosen.json: the rows of docs/data/choose.json, compactly; the evidence that is no claim.
2. docs/advise.md: what the commands print that stand on the page, in the blocks after `<!-- printed: COMMAND -->`.

To be run again when docs/data/choose.json or src/thalweg/claims/measured.json changes.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
DATA, CHOSEN = ROOT / "docs" / "data" / "choose.json", ROOT / "src" / "thalweg" / "advise" / "chosen.json"
PAGE = ROOT / "docs" / "advise.md"
MADE = re.compile(r"(?P<asked><!-- printed: (?P<command>.+?) -->\n\n)```text\n.*?```\n", re.DOTALL)


def main() -> None:
    """The compact data first: the page is made with it."""
    CHOSEN.write_text(compact(json.loads(DATA.read_text(encoding="utf-8"))), encoding="utf-8")
    os.chdir(ROOT)  # the commands on the page name files from here
    PAGE.write_text(filled(PAGE.read_text(encoding="utf-8")), encoding="utf-8")


def compact(data: Mapping[str, Any]) -> str:
    """A line per row: rule, kind, lr, mean, ends of its interval, ends of the lead of the best, seeds at the target."""
    problems = []
    for name, problem in data["problems"].items():
        rows = [
            [row["optimizer"], row["kind"], row["lr"], row["mean"], *row["interval"], row["difference"], row["reached"]]
            for row in problem["rows"]
        ]
        facts = json.dumps({key: problem[key] for key in ("metric", "maximize", "seeds")})[1:-1]
        lines = ",\n  ".join(json.dumps(row) for row in rows)
        problems.append(f'"{name}": {{{facts}, "rows": [\n  {lines}\n]}}')
    return "{" + ",\n".join(problems) + "}\n"


def filled(page: str) -> str:
    """The page with what its commands print now."""
    return MADE.sub(lambda found: f"{found['asked']}```text\n{printed(found['command'])}```\n", page)


def printed(command: str) -> str:
    """What a command prints in a terminal of 80 columns."""
    from thalweg.cli import main as thalweg

    os.environ["COLUMNS"] = "80"
    text = io.StringIO()
    with contextlib.redirect_stdout(text), contextlib.suppress(SystemExit):
        thalweg(shlex.split(command)[1:])
    return "\n".join(line.rstrip() for line in text.getvalue().splitlines()) + "\n"


if __name__ == "__main__":
    main()
