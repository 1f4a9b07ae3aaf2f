"""`thalweg port`: from one framework's optimizer to the others'."""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict
from typing import Annotated

import typer


def port(
    framework: Annotated[str, typer.Argument(help="Where it is from: torch, keras, optax, mlx, tf1 or paper.")],
    optimizer: Annotated[str, typer.Argument(help="Its class or function there, for instance RMSprop.")],
    arguments: Annotated[list[str] | None, typer.Argument(help="Its arguments: learning_rate=.001 rho=.9")] = None,
    to: Annotated[str | None, typer.Option(help="Only this framework: torch, optax, keras, mlx or tf1.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the answer as one JSON document.")] = False,
) -> None:
    """Say what reproduces an optimizer of one framework in the others, and what cannot be matched."""
    from thalweg.lab.grammar import parse_arguments
    from thalweg.port import port as ported_from
    from thalweg.port.text import text

    ported = ported_from(framework, optimizer, parse_arguments(arguments or []), to)
    if as_json:
        print(json.dumps(asdict(ported), indent=2, allow_nan=False))
    else:
        print(text(ported, shutil.get_terminal_size().columns))
