"""What `landfall status` shows a person."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from rich.console import Console
from rich.text import Text

from localcloud.command.freshness import EMPTY, FRESH, LATE
from localcloud.command.grid import Column, print_grid
from localcloud.command.landing import name_of
from localcloud.command.moments import ago, clock, moment, span
from localcloud.deployment.deployment import Look

_SHOWN = 15
_WIDEST = 120  # of a reason; `--json` has it whole
_COLOURS = {
    "fresh": "green",
    "late": "red",
    "unreadable": "red",
    "loaded": "green",
    "succeeded": "green",
    "rejected": "red",
    "failed": "red",
    "waiting": "yellow",
    "ignored": "yellow",
    "superseded": "yellow",
    "divided": "yellow",
}
_DATASETS = (
    Column("dataset", least=20),
    Column("freshness"),
    Column("pending", right=True),
    Column("running", least=12, rank=1),
    Column("rows today", right=True, rank=2),
    Column("rejected", right=True, rank=2),
    Column("last batch", rank=4),
    Column("rows trusted", right=True, rank=3),
)
_FILES = (
    Column("file", least=28),
    Column("state"),
    Column("rows", right=True, rank=2),
    Column("rejected", right=True, rank=1),
    Column("when (UTC)", rank=3),
    Column("why", least=20),
)


def coloured(state: str) -> Text:
    """A state in its colour."""
    return Text(state, _COLOURS.get(state, "cyan"))


def show(console: Console, look: Look, document: Mapping[str, Any], command: str) -> None:
    """Show the document; `command` is how the user calls the command for what it tells of."""
    for line in look.lines:
        console.print(line)
    if look.blind:
        console.print(look.blind)
        return
    console.print()
    now = datetime.fromisoformat(document["at"])
    print_grid(console, _DATASETS, [_dataset_row(one, now) for one in document["datasets"]])
    if not document["files"]:
        console.print(f"\nNo file has landed yet: {command} drop --wait FILE.csv")
        return
    console.print()
    print_grid(console, _FILES, [_file_row(file) for file in document["files"][:_SHOWN]])
    more = len(document["files"]) - _SHOWN
    if more > 0:
        console.print(f"… and {more} more: {command} status --json")


def freshness_text(freshness: Mapping[str, Any], now: datetime) -> Text:
    """`fresh, 9 min ago`: when trusted was last brought up to date; `late by 20 min`: what waits is older."""
    state = freshness["state"]
    if state == EMPTY:
        return Text("–", "dim")
    if state == LATE:
        late = freshness["waiting_seconds"] - freshness["promise_seconds"]
        return coloured(LATE).append(f" by {span(late)}", "default")
    since = ago(freshness["trusted_at"], now)
    return coloured(state).append(f", {since}" if since and state == FRESH else "", "default")


def _dataset_row(one: Mapping[str, Any], now: datetime) -> list[str | Text]:
    last, today = one["last_batch"], one["today"]
    return [
        one["dataset"],
        freshness_text(one["freshness"], now),
        str(one["pending"]),
        _under_way(one["running"], one["waiting"]),
        str(today["rows_accepted"]),
        Text(str(today["rows_rejected"]), "yellow" if today["rows_rejected"] else ""),
        f"{last['state']} {moment(last['recorded_at'])[:16]}" if last else "–",
        "–" if one["trusted_rows"] is None else str(one["trusted_rows"]),
    ]


def _file_row(file: Mapping[str, Any]) -> list[str | Text]:
    return [
        name_of(file["uri"]),
        coloured(file["state"]),
        "" if file["rows_read"] is None else str(file["rows_read"]),
        "" if file["rows_rejected"] is None else str(file["rows_rejected"]),
        moment(file["at"]),
        _cut((file["detail"] or file["reason"] or "").partition("\n")[0]),
    ]


def _cut(reason: str) -> str:
    return reason if len(reason) <= _WIDEST else f"{reason[: _WIDEST - 1]}…"


def _under_way(running: Mapping[str, Any] | None, waiting: Sequence[Mapping[str, Any]]) -> str:
    words = [f"{running['batch_id'][:12]} {running['step'] or running['state']}"] if running else []
    if waiting:
        soonest = min(batch["retry_at"] for batch in waiting)
        words.append(f"{len(waiting)} failed, tried again at {clock(soonest)}")
    return ", ".join(words) or "–"
