"""What a command shows: colours and live views on a terminal, plain lines elsewhere.

Names of objects and texts of files are strangers' words: nothing in them steers a terminal, or is markup.
"""

import os
import sys
import time
from collections.abc import Iterable
from types import TracebackType
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.live import Live
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from localcloud.command.terminal import harmless

_PIPE_WIDTH = 240
_MARKS = {"waiting": ("·", "dim"), "working": ("…", "cyan"), "done": ("✓", "green"), "failed": ("✗", "red")}


class _HarmlessConsole(Console):
    """Writes out whatever would steer the terminal, but for what rich itself sends."""

    def render_str(self, text: str, **how: Any) -> Text:
        # Before a table measures it.
        return super().render_str(harmless(text), **how)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        for segment in super().render(renderable, options):
            yield segment if segment.control else segment._replace(text=harmless(segment.text))


def make_console(width: int | None = None, stderr: bool = False) -> Console:
    """The console of standard output or error; rich itself respects NO_COLOR, but folds tables in pipes."""
    console = _HarmlessConsole(
        highlight=False, markup=False, emoji=False, soft_wrap=True, width=width, stderr=stderr
    )
    return console if console.is_terminal or width else make_console(_PIPE_WIDTH, stderr)


def is_live(console: Console) -> bool:
    """Whether a view may be redrawn."""
    return console.is_terminal and not console.is_dumb_terminal and not os.environ.get("CI")


def seconds(value: float) -> str:
    return f"{value:5.1f} s"


def print_table(console: Console, table: Table) -> None:
    """Print a table; in a pipe without the blanks that fill up its last column."""
    if console.is_terminal:
        console.print(table)
        return
    with console.capture() as captured:
        console.print(table)
    console.print("\n".join(line.rstrip() for line in captured.get().splitlines()), markup=False)


class Progress:
    """Shows the steps of `up`: redrawn on a terminal, elsewhere a line for each step that ended."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._rows: dict[str, tuple[str, float, str]] = {}
        self._live = (
            Live(get_renderable=self._table, console=console, refresh_per_second=4)
            if is_live(console)
            else None
        )

    def __enter__(self) -> "Progress":
        if self._live:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live:
            self._live.stop()

    def __call__(self, name: str, state: str, took: float, remark: str) -> None:
        """A `Watch` of the launcher's steps."""
        self._rows[name] = (state, took or time.monotonic(), remark)
        if not self._live and state in ("done", "failed"):
            self._console.print(f"{name:<14} {state:<8} {seconds(took)}  {remark}".rstrip())
            sys.stdout.flush()

    def _table(self) -> Table:
        table = Table.grid(padding=(0, 2))
        for name, (state, moment, remark) in self._rows.items():
            mark, style = _MARKS[state]
            took = {"waiting": 0.0, "working": time.monotonic() - moment}.get(state, moment)
            table.add_row(
                Text(mark, style), name, Text(seconds(took) if took else "", "dim"), Text(remark, "dim")
            )
        return table
