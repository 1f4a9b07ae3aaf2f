"""`thalweg playground`: the browser page, as one file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

PAGE = Path("thalweg-out/playground.html")


def playground(
    out: Annotated[Path, typer.Option("--out", "-o", help="The page to write.")] = PAGE,
    rule: Annotated[list[Path] | None, typer.Option(help="A Python file with a rule of your own; any number.")] = None,
) -> None:
    """Write the playground: one HTML page that needs no server and no network."""
    from thalweg.draw.save import being_written, check_place
    from thalweg.lab.files import find_rule_or_file, prepare_folder
    from thalweg.playground.page import page

    if out == PAGE:  # only the usual output folder is made
        prepare_folder(out.parent)
    check_place(out)
    with being_written(out) as temporary:
        document = page([find_rule_or_file(str(file)) for file in rule or ()])
        temporary.write_text(document, encoding="utf-8", newline="\n")
    print(f"{out}\n{len(document.encode()) / 1000:.0f} kB, complete: open it in a browser")
