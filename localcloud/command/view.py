"""What the way of files looks like while it is followed, and at its end."""

import time
from collections.abc import Sequence

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from localcloud.command.console import is_live, seconds
from localcloud.command.way import Way

_MOST_COLUMNS, _MOST_ROWS = 3, 12  # of a live table; more would not fit a screen


def final_line(one: Way) -> Text:
    """What became of one file, when it is over."""
    took = f" after {one.seconds('recorded'):.1f} s" if one.succeeded else ""
    line = Text("✓ " if one.succeeded else "✗ ", "green" if one.succeeded else "red")
    return line.append(f"{one.label}{took}: {one.verdict}", "default")


class WayView:
    """A table that is redrawn on a terminal; elsewhere a line for each step of each file, once."""

    def __init__(self, console: Console, ways: Sequence[Way]) -> None:
        self._console = console
        self._ways = ways
        self._printed: set[tuple[int, str]] = set()
        self._began = time.monotonic()
        self._live = (
            Live(get_renderable=self._table, console=console, refresh_per_second=4)
            if is_live(console)
            else None
        )

    def __enter__(self) -> "WayView":
        if self._live:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live:
            self._live.stop()

    def show(self) -> None:
        if self._live:
            return
        for index, one in enumerate(self._ways):
            for step in one.steps:
                if step in one.reached and (index, step) not in self._printed:
                    self._printed.add((index, step))
                    remark = one.reached[step][1]
                    self._console.print(
                        f"{seconds(one.seconds(step))}  {one.label}  {step}  {remark}".rstrip()
                    )

    def _table(self) -> Group:
        table = steps_down(self._ways) if len(self._ways) <= _MOST_COLUMNS else files_down(self._ways)
        over = sum(one.is_over for one in self._ways)
        doing = next((f"{one.label}: {one.now}" for one in self._ways if one.now and not one.is_over), "")
        foot = f"{time.monotonic() - self._began:.0f} s, {over} of {len(self._ways)} done. {doing}"
        return Group(table, Text(foot, "dim"))


def steps_down(ways: Sequence[Way]) -> Table:
    """A row for each step, a column for each file; they all go the same way."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("")
    for one in ways:
        table.add_column(one.label, justify="right", overflow="ellipsis", no_wrap=True)
    for step in ways[0].steps:
        table.add_row(step, *(_cell(one, step) for one in ways))
    return table


def files_down(ways: Sequence[Way]) -> Table:
    """A row for each file, those under way first: how far it is."""
    table = Table.grid(padding=(0, 2, 0, 0))
    for one in sorted(ways, key=lambda one: one.is_over)[:_MOST_ROWS]:
        done = sum(step in one.reached for step in one.steps)
        bar = Text("●" * done, "green").append("○" * (len(one.steps) - done), "dim")
        table.add_row(
            Text(one.label, overflow="ellipsis", no_wrap=True), bar, one.verdict[:40] or one.next_step()
        )
    return table


def _cell(one: Way, step: str) -> Text:
    if step in one.reached:
        return Text(seconds(one.seconds(step)), "green")
    return Text("…" if step == one.next_step() and not one.is_over else "·", "dim")
