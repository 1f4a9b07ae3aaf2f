"""`thalweg new`, `report`, `merge`, `export`: a file to start from; a store as a page, with others, as a table."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

STORE = Path("thalweg-out/store.db")


def report(
    store: Annotated[Path, typer.Option(help="The store.")] = STORE,
    problem: Annotated[str | None, typer.Option(help="Whose last comparison; default: the last of all.")] = None,
    page: Annotated[Path, typer.Option("--page", "-o", help="The page to write.")] = Path("thalweg-out/report.html"),
) -> None:
    """Write the last comparison of a store as one HTML page; nothing is trained, and torch is not needed."""
    from thalweg.lab.document import from_plain
    from thalweg.lab.files import prepare_folder
    from thalweg.lab.store import last_comparison
    from thalweg.lab.table import Comparison
    from thalweg.report.page import page as page_of

    comparison = from_plain(Comparison, last_comparison(store, problem))
    prepare_folder(page.parent)
    page.write_text(page_of(comparison), encoding="utf-8")
    print(page)


def merge(
    stores: Annotated[list[Path], typer.Argument(help="The stores to put together.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="The store to make.")],
) -> None:
    """Put several stores together: every run once, and the comparisons of all."""
    from thalweg.lab.merge import merge as merged

    merged(stores, out)
    print(out)


def export(
    out: Annotated[Path, typer.Argument(help="The file to write: .csv, .parquet or .jsonl.")],
    store: Annotated[Path, typer.Option(help="The store.")] = STORE,
    what: Annotated[str, typer.Option(help="One row per what: epochs, figures (watched), alarms.")] = "epochs",
) -> None:
    """Write every epoch of every run of a store as a table, or what was watched."""
    from thalweg.lab.export import export as exported

    exported(store, out, what)
    print(out)


def new(
    kind: Annotated[str, typer.Argument(help="What to start: problem.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="The file to write.")] = Path("my_problem.py"),
) -> None:
    """Write a file to start from, for instance a problem of your own for `thalweg compare`."""
    from thalweg.lab.template import write_template

    write_template(kind, out)
    print(f"{out}\nnext: thalweg compare {out} --optimizers adam,sgd:lr=0.1,momentum=0.9")
