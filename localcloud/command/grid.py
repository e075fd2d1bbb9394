"""Tables as wide as the terminal: what matters least gives way; in a pipe nothing does, a row is a line."""

from collections.abc import Sequence
from dataclasses import dataclass

from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from localcloud.command.terminal import harmless

_GAP = 2


@dataclass(frozen=True)
class Column:
    """A column; `least` is the width down to which its cells are folded, None where they stay whole.

    Where there is no room, the column of the highest `rank` goes first; those of rank 0 stay.
    """

    name: str
    right: bool = False
    rank: int = 0
    least: int | None = None


Cell = str | Text


def print_grid(console: Console, columns: Sequence[Column], rows: Sequence[Sequence[Cell]]) -> None:
    """Print the rows under their columns' names."""
    widths = [
        max([cell_len(column.name), *(_width(row[index]) for row in rows)])
        for index, column in enumerate(columns)
    ]
    if not console.is_terminal:
        _print_lines(console, columns, rows, widths)
        return
    kept = choose_columns(columns, widths, console.width)
    kept = [index for index in kept if not index or any(_width(row[index]) for row in rows)]
    given = share_room(columns, widths, kept, console.width)
    table = Table(box=None, pad_edge=False, padding=(0, _GAP, 0, 0))
    for index in kept:
        column = columns[index]
        table.add_column(
            Text(column.name),
            justify="right" if column.right else "left",
            no_wrap=column.least is None,
            overflow="ellipsis" if column.least is None else "fold",
            width=given[index],
        )
    for row in rows:
        table.add_row(*(_text(row[index]) for index in kept))
    console.print(table)


def choose_columns(columns: Sequence[Column], widths: Sequence[int], room: int) -> list[int]:
    """Which of the columns fit into the room, by their indices; `widths` are what their cells take."""
    needed = [
        width if column.least is None else min(width, column.least)
        for column, width in zip(columns, widths, strict=True)
    ]
    kept = list(range(len(columns)))
    while sum(needed[index] + _GAP for index in kept) - _GAP > room:
        least = max(kept, key=lambda index: columns[index].rank)
        if not columns[least].rank:
            break
        kept.remove(least)
    return kept


def share_room(
    columns: Sequence[Column], widths: Sequence[int], kept: Sequence[int], room: int
) -> dict[int, int]:
    """The width of each column that is kept: whole ones have theirs, the others share what is left."""
    given = {index: min(widths[index], columns[index].least or widths[index]) for index in kept}
    spare = room - sum(given.values()) - _GAP * (len(kept) - 1)
    while hungry := [index for index in kept if given[index] < widths[index]][: max(spare, 0)]:
        for index in hungry:
            given[index] += 1
        spare -= len(hungry)
    return given


def _print_lines(
    console: Console, columns: Sequence[Column], rows: Sequence[Sequence[Cell]], widths: Sequence[int]
) -> None:
    for row in ([column.name for column in columns], *rows):
        line = Text()
        for cell, column, width in zip(row, columns, widths, strict=True):
            text = _text(cell)
            blank = " " * (width - text.cell_len)
            line.append(blank if column.right else "").append_text(text)
            line.append(("" if column.right else blank) + " " * _GAP)
        line.rstrip()
        console.print(line, soft_wrap=True)


def _text(cell: Cell) -> Text:
    # Written out before it is measured.
    return cell if isinstance(cell, Text) else Text(harmless(cell).replace("\n", "⏎").replace("\t", "\\t"))


def _width(cell: Cell) -> int:
    return _text(cell).cell_len
