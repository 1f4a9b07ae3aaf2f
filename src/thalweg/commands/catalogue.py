"""`thalweg rules`, `show`, `surfaces` and `problems`: what there is, and what a rule looks like in every form."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Annotated

import typer

WIDE = 110  # columns from which on a third column leaves room for the second


class Form(StrEnum):
    """What `show` can print a rule as."""

    formula = "formula"
    program = "program"
    numpy = "numpy"
    numba = "numba"
    triton = "triton"
    javascript = "javascript"
    latex = "latex"


def rules() -> None:
    """List the catalogue: every rule, what it is, and in a wide terminal where it comes from."""
    from rich.console import Console
    from rich.table import Table

    from thalweg.compile.show import first_sentence
    from thalweg.rules import RULES

    console = Console()
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("rule", no_wrap=True)
    table.add_column("what it does")
    with_source = console.width >= WIDE
    if with_source:
        table.add_column("source")
    for name, rule in RULES.items():
        table.add_row(name, first_sentence(rule), *((rule.source,) if with_source else ()))
    console.print(table)


def show(
    rule: Annotated[str, typer.Argument(help="A rule's name, such as adam or l2(adam), or a Python file with one.")],
    form: Annotated[Form, typer.Option("--as", help="What to print it as.")] = Form.formula,
) -> None:
    """Print a rule: its formula, its program, or the source that a backend makes of it."""
    from thalweg.compile.show import shown
    from thalweg.lab.files import find_rule_or_file

    print(shown(find_rule_or_file(rule), form.value).rstrip())


def surfaces() -> None:
    """List the surfaces that `draw` and `playground` know, and what each teaches."""
    from thalweg.surfaces import SURFACES

    _print_list("surface", "what it teaches", [(name, surface.teaches) for name, surface in SURFACES.items()])


def problems() -> None:
    """List the problems of the lab, and what each is."""
    from thalweg.lab.files import find_problem
    from thalweg.lab.problems import NAMES

    _print_list("problem", "what is learned", [(name, find_problem(name).summary) for name in NAMES])


def _print_list(kind: str, what: str, rows: Sequence[tuple[str, str]]) -> None:
    """Names, and a sentence for each."""
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column(kind, no_wrap=True)
    table.add_column(what)
    for row in rows:
        table.add_row(*row)
    Console().print(table)
