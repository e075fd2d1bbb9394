"""Strangers' words on a terminal: shown as they are, obeyed never."""

import io

import pytest
from rich.table import Table
from rich.text import Text

from localcloud.command import console as subject
from localcloud.command.query import write_csv, write_json, write_table
from localcloud.command.terminal import harmless

NAME = "price/\x1b[2J\x9b31m\u202e\ud800[red]x[/nothing]:smile:é.csv"
SHOWN = "price/\\x1b[2J\\x9b31m\\u202e\\ud800[red]x[/nothing]:smile:é.csv"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_control_codes_are_written_out_and_lines_stay() -> None:
    assert harmless(NAME) == SHOWN
    assert harmless("a\tb\nc") == "a\tb\nc"


@pytest.mark.parametrize("terminal", [True, False])
def test_a_console_shows_a_name_and_does_nothing_that_it_says(
    monkeypatch: pytest.MonkeyPatch, terminal: bool
) -> None:
    out = Terminal() if terminal else io.StringIO()
    monkeypatch.setattr("sys.stdout", out)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "240")
    console = subject.make_console()
    table = Table(box=None)
    table.add_column("file", no_wrap=True)
    table.add_row(NAME)
    subject.print_table(console, table)
    console.print(f"gs://{NAME}", Text(NAME))
    assert out.getvalue().count(SHOWN) == 3
    assert not set("\x9b\u202e\ud800") & set(out.getvalue())
    assert "\x1b[2J" not in out.getvalue()


def test_rows_of_a_query_are_harmless_on_a_terminal_and_exact_in_a_file() -> None:
    for writer in (write_table, write_csv, write_json):
        out = Terminal()
        writer([("name", "STRING")], [[NAME]], out)
        assert not set("\x1b\x9b\u202e\ud800") & set(out.getvalue()), writer
    file = io.StringIO()
    write_csv([("name", "STRING")], [[NAME]], file)
    assert file.getvalue() == f"name\n{NAME}\n"
