"""Tables for a terminal: columns of a fixed width, the least important left out where there is no room."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.text import Text

_PIECES = re.compile(r"[^\s,:/(|@]*[\s,:/(|@]?")
_PARTS = re.compile(r"[^=_]*[=_]?")


@dataclass(frozen=True)
class Column:
    """One column.

    Attributes:
        head: Its title; a line break starts a second line.
        width: Columns of the terminal that it takes.
        cell: From whatever a row of the table is to its text.
        rank: The higher, the sooner it is left out; 0 stays.
        left: Whether it is set flush left, as words are.
    """

    head: str
    width: int
    cell: Callable[[Any], Text]
    rank: int = 0
    left: bool = False


def grid(columns: Sequence[Column], rows: Iterable[Any], width: int) -> RenderableType:
    """A table no wider than `width`.

    Args:
        columns: What it shows of every row.
        rows: Its rows.
        width: Columns of the terminal.

    Returns:
        Something for `rich.console.Console.print`.
    """
    from rich import box
    from rich.table import Table
    from rich.text import Text

    fitting = that_fit(columns, width)
    deep = max(column.head.count("\n") for column in fitting)
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=0, header_style="bold")
    for column in fitting:
        head = "\n" * (deep - column.head.count("\n")) + column.head
        justify = "left" if column.left else "right"
        table.add_column(Text(head), justify=justify, width=column.width, overflow="fold", no_wrap=not column.left)
    for row in rows:
        table.add_row(*(column.cell(row) for column in fitting))
    return table


def that_fit(columns: Sequence[Column], width: int) -> list[Column]:
    """The columns that find room, the least important ones left out first."""
    chosen = list(columns)
    while sum(column.width + 1 for column in chosen) - 1 > width and any(column.rank for column in chosen):
        chosen.remove(max(chosen, key=lambda column: column.rank))
    return chosen


def folded(text: str, width: int) -> str:
    """A label in lines of a width, broken where a word or a setting ends, and inside one only if it is too long.

    Example:
        >>> print(folded("adamw:lr=0.001,weight_decay=0.01", 20))
        adamw:lr=0.001,
        weight_decay=0.01
    """
    from rich.cells import cell_len, chop_cells

    lines = [""]
    for piece in _pieces(text, width):
        if cell_len(lines[-1] + piece.rstrip()) <= width:
            lines[-1] += piece
        else:
            lines += chop_cells(piece, width)
    return "\n".join(line.rstrip() for line in lines if line.strip())


def _pieces(text: str, width: int) -> list[str]:
    from rich.cells import cell_len

    pieces = filter(None, _PIECES.findall(text))
    return [
        part for whole in pieces for part in ([whole] if cell_len(whole) <= width else _PARTS.findall(whole)) if part
    ]


def plain_cell(content: str, second: str = "") -> Text:
    """A cell of one line or, with a dim line below, two; shown as it is, for rich would read brackets as markup."""
    from rich.text import Text

    return Text(content).append(f"\n{second}" if second else "", style="dim")
