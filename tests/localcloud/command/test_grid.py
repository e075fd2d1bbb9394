"""Tables on terminals of every width, and in pipes."""

import io

import pytest
from rich.console import Console
from rich.text import Text

from localcloud.command.console import make_console
from localcloud.command.grid import Column, choose_columns, print_grid

COLUMNS = (
    Column("file", least=8),
    Column("state"),
    Column("rows", right=True, rank=1),
    Column("when", rank=2),
    Column("why", least=6),
)
ROWS = [
    ["price_quote/a.csv", Text("loaded", "green"), "12", "2026-11-21 12:00:00", ""],
    ["comp_boss/a long name.csv", "rejected", "7", "2026-11-21 12:00:00", "expected a header, found none"],
]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def on_terminal(width: int, monkeypatch: pytest.MonkeyPatch, rows: list[list[str | Text]]) -> list[str]:
    out = Terminal()
    monkeypatch.setattr("sys.stdout", out)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("COLUMNS", str(width))
    print_grid(make_console(), COLUMNS, rows)
    return [Text.from_ansi(line).plain for line in out.getvalue().splitlines()]


@pytest.mark.parametrize("width", [20, 40, 60, 80, 120, 200])
def test_no_line_is_wider_than_the_terminal_and_every_name_is_whole(
    monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    lines = on_terminal(width, monkeypatch, ROWS)
    assert max(len(line.rstrip()) for line in lines) <= max(width, 26)
    squeezed = "".join(line[: line.index("  ")] for line in lines[2:] if "  " in line)
    assert "comp_boss/" in squeezed.replace(" ", "")


def test_what_matters_least_goes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    widths = [26, 8, 4, 19, 30]
    assert [choose_columns(COLUMNS, widths, room) for room in (120, 40, 37, 30, 5)] == [
        [0, 1, 2, 3, 4],
        [0, 1, 2, 4],
        [0, 1, 2, 4],
        [0, 1, 4],
        [0, 1, 4],
    ]


def test_a_column_without_a_word_takes_no_room_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "why" not in on_terminal(120, monkeypatch, ROWS[:1])[0]


def test_in_a_pipe_a_row_is_a_line_with_every_column(monkeypatch: pytest.MonkeyPatch) -> None:
    out = io.StringIO()
    print_grid(Console(file=out, width=20), COLUMNS, [*ROWS, ["a\nb\x1b[2J\tc", "x", "", "", "y" * 300]])
    lines = out.getvalue().splitlines()
    assert len(lines) == 4
    assert lines[0].split() == ["file", "state", "rows", "when", "why"]
    assert lines[1] == "price_quote/a.csv          loaded      12  2026-11-21 12:00:00"
    assert lines[3].startswith("a⏎b\\x1b[2J\\tc")
    assert lines[3].endswith("y" * 300)


@pytest.mark.parametrize("width", range(40, 200, 7))
def test_columns_that_fold_share_what_is_left_and_no_more(
    monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    long = [["price_quote/" + "a" * 200 + ".csv", "rejected", "7", "2026-11-21 12:00:00", "why not? " * 30]]
    lines = on_terminal(width, monkeypatch, [*ROWS, *long])
    assert max(len(line) for line in lines) <= width
