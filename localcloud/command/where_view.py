"""What `landfall where` shows a person."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from rich.console import Console
from rich.text import Text

from localcloud.command.grid import Cell, Column, print_grid
from localcloud.command.landing import name_of
from localcloud.command.moments import ago, clock, moment, span
from localcloud.command.status_view import coloured
from localcloud.command.story import AHEAD, DONE, NOW, SKIPPED, STOPPED

_MARKS = {
    DONE: ("✓", "green"),
    NOW: ("…", "cyan"),
    STOPPED: ("✗", "red"),
    SKIPPED: ("–", "dim"),
    AHEAD: ("·", "dim"),
}
_STEPS = (
    Column(""),
    Column("step"),
    Column("when (UTC)"),
    Column("after", right=True),
    Column("", least=20, rank=1),
)
_OTHERS = (
    Column("file", least=28),
    Column("generation", rank=1),
    Column("state"),
    Column("landed (UTC)", rank=2),
    Column("bytes", right=True, rank=3),
)


def show_story(console: Console, story: Mapping[str, Any], now: datetime) -> None:
    """Show one file: what it is, each reading of it step by step, and what to do next."""
    console.print(Text.assemble((name_of(story["uri"]), "bold"), "  ", coloured(story["state"])))
    console.print(f"{story['uri']}#{story['generation']}")
    landed = (
        f"landed {moment(story['landed_at'])} UTC ({ago(story['landed_at'], now)})"
        if story["landed_at"]
        else ""
    )
    size = f"{story['size']} bytes" if story["size"] is not None else ""
    console.print(", ".join(filter(None, (size, landed))))
    for twin in story["same_content"]:
        when = "came before as" if twin["before"] else "came again as"
        console.print(f"the same content {when} {twin['uri']}#{twin['generation']} ({twin['state']})")
    for reading in story["readings"]:
        _show_reading(console, reading, f"{story['uri']}#{story['generation']}")
    if story["links"]:
        console.print()
        width = max(len(link["what"]) for link in story["links"])
        for link in story["links"]:
            console.print(f"{link['what']:<{width}}  {link['url']}")
    if story["next"]:
        console.print()
        console.print(Text.assemble(("next  ", "bold"), story["next"]))
    console.print()


def show_others(console: Console, others: Sequence[Mapping[str, Any]], command: str, what: str) -> None:
    """Show the other files that were asked for, newest first, and how to see one; `what` they share."""
    if not others:
        return
    console.print(f"{len(others)} more file{'' if len(others) == 1 else 's'} {what}, older:")
    rows: list[list[Cell]] = [
        [
            name_of(one["uri"]),
            str(one["generation"]),
            coloured(one["state"]),
            moment(one["landed_at"]),
            "" if one["size"] is None else str(one["size"]),
        ]
        for one in others
    ]
    print_grid(console, _OTHERS, rows)
    console.print(f"`{command} GENERATION` tells of one of them, `--all` of all.")


def _show_reading(console: Console, reading: Mapping[str, Any], identity: str) -> None:
    console.print()
    if reading["batch_id"]:
        what = f"batch {reading['batch_id'][:12]}"
        if reading["replay"]:
            asked = "the file" if reading["replay"] == identity else f"batch {reading['replay'][:12]}"
            what += f", a replay of {asked}"
        claimed = f", claimed {moment(reading['claimed_at'])} UTC" if reading["claimed_at"] else ""
        console.print(Text.assemble(f"{what}{claimed}: ", coloured(reading["state"])))
    print_grid(console, _STEPS, [_step_row(step) for step in reading["steps"]])
    if reading["rows_read"]:
        console.print(
            f"{reading['rows_read']} rows read, {reading['rows_accepted']} accepted, "
            f"{reading['rows_rejected']} rejected"
        )
    why = ": ".join(filter(None, (reading["reason"], reading["detail"])))
    if why:
        console.print(Text.assemble(("why   ", "bold"), why))


def _step_row(step: Mapping[str, Any]) -> list[Cell]:
    return [
        Text(*_MARKS[step["state"]]),
        step["step"],
        clock(step["at"]),
        "" if step["seconds"] is None else span(step["seconds"]),
        step["remark"],
    ]
