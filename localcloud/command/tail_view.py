"""What `landfall tail` shows a person: a line for each change, on a terminal above what runs."""

from collections.abc import Iterable, Mapping
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from localcloud.command.changes import (
    CLAIMED,
    DELETED,
    FAILED,
    GIVEN_UP,
    IGNORED,
    IN_TIME,
    STEP,
    Change,
)
from localcloud.command.console import is_live
from localcloud.command.freshness import LATE, UNREADABLE
from localcloud.command.landing import name_of
from localcloud.command.moments import clock, span
from localcloud.command.watch import Followed, Watcher

_COLOURS = {
    "rejected": "red",
    FAILED: "red",
    GIVEN_UP: "red",
    LATE: "red",
    UNREADABLE: "red",
    IGNORED: "yellow",
    DELETED: "yellow",
}
_DATASET_WIDTH, _WORD_WIDTH = 17, 8


class TailView:
    """Prints changes as they come; on a terminal the last lines say what runs, and are redrawn."""

    def __init__(self, console: Console, watcher: Watcher) -> None:
        self._console = console
        self._watcher = watcher
        self._trouble = ""
        self._live = (
            Live(get_renderable=self._footer, console=console, refresh_per_second=2, transient=True)
            if is_live(console)
            else None
        )

    def __enter__(self) -> "TailView":
        if self._live:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live:
            self._live.stop()

    def show(self, found: Iterable[Change], trouble: str) -> None:
        """Print the changes; `trouble` is why nobody answered, empty when all is well."""
        self._trouble = trouble
        for change in found:
            self._console.print(line_of(change))
        if not self._live:
            self._console.file.flush()

    def _footer(self) -> Group:
        rows = [_under_way(one) for one in self._watcher.followed.values()]
        waits = self._watcher.pending
        rest = f"{waits} file{'' if waits == 1 else 's'} pending" if waits else "" if rows else "nothing runs"
        lines = [Text(row, "cyan", no_wrap=True, overflow="ellipsis") for row in rows]
        if rest:
            lines.append(Text(rest, "dim"))
        if self._trouble:
            lines.append(Text(self._trouble, "red", no_wrap=True, overflow="ellipsis"))
        return Group(*lines)


def line_of(change: Change) -> Text:
    """`14:29:14  price_quote  loaded  a.csv  30213 rows read, …`."""
    facts = change.facts
    word = str(facts.get("state") or change.change)
    line = Text(f"{clock(change.at)}  {change.dataset or '–':<{_DATASET_WIDTH}}  ")
    line.append(f"{word:<{_WORD_WIDTH}}", _COLOURS.get(word, "green" if word == "loaded" else ""))
    return line.append("  " + "  ".join(filter(None, (_subject(facts), _remark(change.change, facts)))))


def _subject(facts: Mapping[str, Any]) -> str:
    """The file that changed, else the batch; empty where it is the dataset."""
    if "uri" in facts:
        return name_of(facts["uri"])
    return f"batch {facts['batch_id'][:12]}" if "batch_id" in facts else ""


def _remark(change: str, facts: Mapping[str, Any]) -> str:
    if change == STEP:
        return ", ".join(filter(None, (facts["step"], facts["remark"])))
    if change == CLAIMED:
        files = f"{facts['files']} file{'' if facts['files'] == 1 else 's'}"
        return f"{files}, a replay of {facts['replay']}" if facts["replay"] else files
    if change == UNREADABLE:
        return "its journal is none: docs/runbook.md, What holds a dataset"
    if change in (LATE, IN_TIME):
        waits = facts["waiting_seconds"]
        since = f"the oldest waits for {span(waits)}" if waits else "nothing waits"
        return f"{since}; promised are {span(facts['promise_seconds'])}"
    if change == FAILED:
        again = f"tried again at {clock(facts['retry_at'])}" if facts["retry_at"] else "tried again"
        return f"{again}: {facts['detail'] or 'its log says why'}"
    rows = ""
    if facts.get("rows_read"):
        rows = f"{facts['rows_read']} rows read, {facts['rows_rejected']} rejected"
    size = f"{facts['bytes']} bytes" if facts.get("bytes") is not None else ""
    return "; ".join(filter(None, (size, rows, facts.get("reason"), facts.get("detail"))))


def _under_way(one: Followed) -> str:
    batch = one.batch
    doing = f"tried again at {clock(batch.retry_at)}" if batch.retry_at else one.way.now or "in work"
    files = f"{len(batch.files)} file{'' if len(batch.files) == 1 else 's'}"
    return f"{batch.dataset}  batch {batch.batch_id[:12]}, {files}: {doing}"
