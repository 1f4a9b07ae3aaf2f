"""The command line's reference, from the texts that `thalweg --help` prints."""

from __future__ import annotations

import html
from collections.abc import Iterator
from typing import Any

import typer

from thalweg.cli import app


def page() -> str:
    """The page: every command with its arguments and options."""
    group: Any = typer.main.get_command(app)
    commands = {name: command for name, command in group.commands.items() if not command.hidden}
    lines = ["# The command line", "", str(group.help), ""]
    lines += [f"- [`thalweg {name}`](#thalweg-{name}): {_first(command.help)}" for name, command in commands.items()]
    for name, command in commands.items():
        lines += ["", f"## thalweg {name}", "", *_section(name, command)]
    return "\n".join(lines) + "\n"


def _section(name: str, command: Any) -> Iterator[str]:
    context = command.make_context(f"thalweg {name}", [], resilient_parsing=True)
    yield from (str(command.help), "", "```text")
    yield from (" ".join(["thalweg", name, *command.collect_usage_pieces(context)]), "```", "")
    records = [each.get_help_record(context) for each in command.get_params(context) if each.name != "help"]
    shown = [record for record in records if record]
    if shown:
        yield from ("| | |", "|---|---|")
        yield from (f"| <code>{_cell(spelled)}</code> | {_cell(said)} |" for spelled, said in shown)


def _cell(text: str) -> str:
    return html.escape(" ".join(text.split()), quote=False).replace("|", "&#124;")


def _first(text: str) -> str:
    return text.strip().partition("\n\n")[0].replace("\n", " ")
