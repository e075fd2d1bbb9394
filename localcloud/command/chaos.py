"""`landfall chaos`: the running local cloud suffers, and is healed."""

import json
import os
import time
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from localcloud.command.chaos_view import ChaosView, summary
from localcloud.command.console import Progress, make_console, print_table
from localcloud.command.doctor import check_machine, require
from localcloud.faults.kill import kill
from localcloud.faults.reader import log_of, write_rules
from localcloud.faults.scenarios import SCENARIOS, Scenario
from localcloud.faults.timeline import Moment, make_rules, make_timeline
from localcloud.launcher.errors import UsageError
from localcloud.launcher.home import check_home
from localcloud.launcher.place import Place
from localcloud.launcher.state import locked
from localcloud.launcher.up import bring_up, is_up

_LOOK_SECONDS = 0.2


def chaos(place: Place, name: str | None, seed: int, seconds: float) -> int:
    """Without a name list the scenarios; else let the cloud suffer one for so long, and heal it."""
    console = make_console()
    if name is None:
        _list(console)
        return 0
    if name not in SCENARIOS:
        raise UsageError(f"there is no scenario {name!r}; the scenarios are {', '.join(SCENARIOS)}.")
    if seconds <= 0:
        raise UsageError(f"--seconds: expected more than 0, found {seconds:g}.")
    check_home(place)
    _prepare(place, console)
    log = LogTail(log_of(place.faults))
    view = ChaosView(console, name, SCENARIOS[name], seed, seconds)
    try:
        with view:
            _suffer(place, SCENARIOS[name], seed, seconds, log, view)
    finally:
        place.faults.unlink(missing_ok=True)
        healed = _heal(place, console)
    view.add(log.read())
    console.print(summary(view, healed))
    return 0


def _list(console: Console) -> None:
    table = Table.grid(padding=(0, 2))
    for name, scenario in SCENARIOS.items():
        table.add_row(Text(name, "bold"), scenario.sentence)
    print_table(console, table)
    console.print(
        "\nlandfall chaos SCENARIO [--seed N] [--seconds S] makes the running local cloud suffer one."
    )


def _prepare(place: Place, console: Console) -> None:
    """Bring the cloud up as one that can be made to fail; its data stays."""
    if is_up(place, faults=True):
        return
    if is_up(place):
        console.print("The local cloud starts again, as one that can be made to fail; its data stays.")
    require(check_machine(place))
    with locked(place.lock), Progress(console) as progress:
        bring_up(place, os.environ, progress, faults=True)


def _suffer(
    place: Place, scenario: Scenario, seed: int, seconds: float, log: "LogTail", view: ChaosView
) -> None:
    rules = json.dumps(make_rules(scenario, seed))
    moments = make_timeline(scenario, seed, seconds)
    write_rules(place.faults, rules)
    began = time.monotonic()
    while (now := time.monotonic() - began) < seconds:
        view.add(log.read())
        while moments and moments[0].seconds <= now:
            _strike(place, moments.pop(0), view)
            # `up` takes rules away.
            write_rules(place.faults, rules)
        time.sleep(_LOOK_SECONDS)


def _strike(place: Place, moment: Moment, view: ChaosView) -> None:
    if moment.what is None:
        began = time.monotonic()
        view.say("start", "what does not run")
        _bring_up_quietly(place)
        view.say("started", f"after {time.monotonic() - began:.1f} s")
    else:
        killed = kill(place, moment.what)
        view.say("kill", f"{moment.what} ({len(killed)} {'process' if len(killed) == 1 else 'processes'})")


def _bring_up_quietly(place: Place) -> None:
    with locked(place.lock):
        bring_up(place, os.environ, lambda *_: None, faults=True)


def _heal(place: Place, console: Console) -> float | None:
    """Start what does not run; returns the seconds that it took, None when everything runs."""
    if is_up(place, faults=True):
        return None
    began = time.monotonic()
    console.print("Starting what does not run.")
    _bring_up_quietly(place)
    return time.monotonic() - began


class LogTail:
    """The lines that come into a log from now on."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = path.stat().st_size if path.exists() else 0

    def read(self) -> list[dict[str, Any]]:
        """What has come since the last time, whole lines only."""
        if not self._path.exists():
            return []
        with self._path.open("rb") as log:
            log.seek(self._offset)
            whole, end, _ = log.read().rpartition(b"\n")
        self._offset += len(whole) + len(end)
        return [json.loads(line) for line in whole.splitlines()]
