"""What `landfall chaos` shows: a table that is redrawn on a terminal, elsewhere a line for all that fires."""

import re
import time
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import unquote

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from localcloud.command.console import is_live, seconds
from localcloud.faults.scenarios import Scenario

_LAST_LINES = 8
# What every path of an API has in common, and its query.
_NOISE = re.compile(
    r"^(/upload|/download)?/storage/v1/b/|^/bigquery/v2/projects/[^/]*/|^/api/v2/"
    r"|^google\.(cloud\.dataproc\.v1|longrunning)\.|\?.*$"
)
_STYLES = {"killed": "red", "kill": "red", "struck": "red", "started": "green"}


class ChaosView:
    """Gathers what fires and shows it as it comes."""

    def __init__(self, console: Console, name: str, scenario: Scenario, seed: int, lasting: float) -> None:
        self._console = console
        self._heading = f"{name} (seed {seed}, {lasting:g} s): {scenario.sentence}"
        self._lasting = lasting
        self._began = time.monotonic()
        self.counts: Counter[tuple[str, str]] = Counter()
        self._last: deque[Text] = deque(maxlen=_LAST_LINES)
        self._live = (
            Live(get_renderable=self._render, console=console, refresh_per_second=4)
            if is_live(console)
            else None
        )

    def __enter__(self) -> "ChaosView":
        self._began = time.monotonic()
        if self._live:
            self._live.start()
        else:
            self._console.print(self._heading, markup=False)
        return self

    def __exit__(self, *_: object) -> None:
        if self._live:
            self._live.stop()

    def add(self, fired: Sequence[Mapping[str, Any]]) -> None:
        """Lines of the log of faults."""
        for line in fired:
            self._show(line["part"], line["action"], describe(line))

    def say(self, action: str, what: str) -> None:
        """Something that the command itself does to the cloud."""
        self._show("cloud", action, what)

    def _show(self, part: str, action: str, what: str) -> None:
        self.counts[part, action] += 1
        line = Text(f"{seconds(time.monotonic() - self._began)}  ", "dim")
        line.append(f"{part:<9}", "default").append(f"{action:<20}", _STYLES.get(action, "yellow"))
        line.append(what, "default")
        self._last.append(line)
        if not self._live:
            self._console.print(line.plain.rstrip(), markup=False)

    def _render(self) -> Group:
        passed = min(self._lasting, time.monotonic() - self._began)
        bar = ProgressBar(total=self._lasting, completed=passed, width=40)
        for line in self._last:
            line.no_wrap, line.overflow = True, "ellipsis"
        return Group(
            Text(self._heading, "bold"),
            bar,
            Text(),
            counts_table(self.counts),
            Text(),
            *self._last,
        )


def describe(line: Mapping[str, Any]) -> str:
    """What a line of the log of faults is about, in a few words."""
    if "process" in line:
        return f"process {line['process']}" if line["process"] else "nobody: the client is gone, or no part"
    if "struck" in line:
        return ", ".join(map(str, line["struck"])) or "nothing: it had ended"
    if "error" in line:
        return str(line["error"])
    method, path = str(line.get("method", "")), unquote(_NOISE.sub("", str(line.get("path", ""))))
    # gRPC's method is a part of its path.
    return path if f"/{method}" in path else f"{method} {path}"


def counts_table(counts: Mapping[tuple[str, str], int]) -> Table:
    """How often what befell which part."""
    table = Table.grid(padding=(0, 2))
    for (part, action), number in sorted(counts.items()):
        table.add_row(part, Text(action, _STYLES.get(action, "yellow")), Text(str(number), justify="right"))
    if not counts:
        table.add_row(
            Text("Nothing has fired yet. `landfall drop FILE` gives the pipeline something to do.", "dim")
        )
    return table


def summary(view: ChaosView, healed: float | None) -> str:
    """What was done to the cloud, in a few lines."""
    fired = [f"  {number:>5} × {part} {action}" for (part, action), number in sorted(view.counts.items())]
    done = "\n".join(fired) or "  nothing: the pipeline had nothing to do that the scenario touches"
    again = f"; what was down runs again ({healed:.1f} s)" if healed is not None else ""
    return (
        f"\nThe faults are away{again}. What was done:\n{done}\n\nNext:\n"
        "  landfall status                    what became of the files\n"
        "  landfall down                      stop; the data stays"
    )
