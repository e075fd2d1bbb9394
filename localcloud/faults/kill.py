"""Ends parts of a running local cloud as a power cut does: SIGKILL, to a part and all that it started."""

import argparse
import contextlib
import os
import re
import time
from collections.abc import Iterable, Sequence

import psutil

from localcloud.launcher.errors import CommandError, UsageError
from localcloud.launcher.parts import name_parts
from localcloud.launcher.place import Place, find_place
from localcloud.launcher.process import find_groups, find_marked, is_alive
from localcloud.launcher.state import read_state

EVERYTHING = "everything"
# Whatever Airflow is at work on, but neither the scheduler nor who watches over the task.
TASKS = "tasks"
_PATIENCE_SECONDS = 5.0
_TITLE_OF_A_TASK = re.compile("airflow worker -- [0-9a-f]{8}-")


def kill(place: Place, what: str) -> list[int]:
    """SIGKILL a part by its name, with its whole session, or `everything`, or the `tasks` of Airflow.

    Returns the ids of what was killed, none when it did not run. `landfall up` starts it again.
    Raises UsageError for a name that no part has.
    """
    if what == EVERYTHING:
        return _kill_until_none(place)
    if what == TASKS:
        return _kill(process for process in find_marked(place.home) if _is_task(process))
    state = read_state(place.state)
    names = name_parts(state.faults)
    if what not in names:
        raise UsageError(f"expected {EVERYTHING}, {TASKS} or one of {', '.join(names)}; found {what!r}.")
    running = state.parts.get(what)
    return _kill(find_groups([running])) if running and is_alive(running) else []


def _kill_until_none(place: Place) -> list[int]:
    killed: list[int] = []
    # What is found may start another before it dies.
    while found := [process for process in find_marked(place.home) if process.pid != os.getpid()]:
        killed += _kill(found)
    return killed


def _kill(processes: Iterable[psutil.Process]) -> list[int]:
    chosen = list(processes)
    for process in chosen:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while any(_runs(process) for process in chosen) and time.monotonic() < deadline:
        time.sleep(0.01)
    return [process.pid for process in chosen]


def _runs(process: psutil.Process) -> bool:
    # One that nobody has waited for is dead as well.
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _is_task(process: psutil.Process) -> bool:
    try:
        return bool(_TITLE_OF_A_TASK.match(" ".join(process.cmdline())))
    except (psutil.NoSuchProcess, psutil.ZombieProcess):
        return False


def main(arguments: Sequence[str] | None = None) -> int:
    """Kill what is named in the local cloud of `LANDFALL_HOME`, and print the ids."""
    parser = argparse.ArgumentParser(prog="python -m localcloud.faults.kill", description=__doc__)
    parser.add_argument("what", nargs="+", metavar="PART", help=f"a part's name, {EVERYTHING} or {TASKS}")
    given = parser.parse_args(arguments)
    place = find_place(os.environ)
    try:
        for what in given.what:
            print(what, *kill(place, what))
    except (CommandError, UsageError) as error:
        parser.error(str(error))
    return 0


if __name__ == "__main__":
    main()
