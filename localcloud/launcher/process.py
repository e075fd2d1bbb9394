"""Processes of the parts: start each in a group of its own, find them again, end them all."""

import os
import signal
import subprocess
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import psutil

from localcloud.launcher.state import Running

# In the environment of every process that the launcher starts, and so of all their descendants. A shell that
# exports LANDFALL_HOME does not have it: what a user starts there is never taken for a part.
MARK = "LANDFALL_PART_OF"
_GONE = (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess)


def start(
    command: Sequence[str], environment: Mapping[str, str], folder: Path, log: Path
) -> "subprocess.Popen[bytes]":
    """Start `command` detached from the terminal, leading a session of its own; its output goes to `log`."""
    with log.open("ab") as output:
        return subprocess.Popen(  # noqa: S603 the commands are the launcher's own
            list(command),
            env=dict(environment),
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def describe(pid: int) -> Running:
    """Remember a process that was just started; one that is gone already gets a time that matches none."""
    try:
        return Running(pid, psutil.Process(pid).create_time())
    except psutil.NoSuchProcess:
        return Running(pid, 0.0)


def is_alive(running: Running) -> bool:
    """Whether this very process still runs."""
    try:
        process = psutil.Process(running.pid)
        # The time is derived from a clock that may have been set since; no number comes round this soon.
        same = abs(process.create_time() - running.created) < 60
        return same and process.status() != psutil.STATUS_ZOMBIE
    except _GONE:
        return False


def find_marked(home: Path) -> list[psutil.Process]:
    """Every live process that carries the mark of this state folder, whatever its parent or group."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get(MARK) == str(home) and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except _GONE:
            continue
    return found


def find_groups(leaders: Iterable[Running]) -> list[psutil.Process]:
    """Every live process in the sessions of those leaders that still run themselves.

    The number of a session whose leader is gone may be anybody's by now: those are left to `find_marked`.
    """
    sessions = {leader.pid for leader in leaders if is_alive(leader)}
    found = []
    for process in psutil.process_iter():
        try:
            if os.getsid(process.pid) in sessions and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except (*_GONE, ProcessLookupError, PermissionError):
            continue
    return found


def kill_orphans(home: Path, leaders: Iterable[Running]) -> None:
    """SIGKILL what those of the leaders that are gone have left behind in their sessions.

    Not SIGTERM: what a task would then clean up is the next process's business by now.
    """
    gone = {leader.pid for leader in leaders if not is_alive(leader)}
    for process in find_marked(home) if gone else []:
        try:
            if os.getsid(process.pid) in gone:
                process.kill()
        except (*_GONE, ProcessLookupError, PermissionError):
            continue


def end_all(home: Path, leaders: Sequence[Running] = (), patience: float = 6) -> list[int]:
    """End every process of this state folder: SIGTERM, `patience` seconds, SIGKILL, until none is found.

    Returns the ids of those that outlived even that (uninterruptible ones), normally none.
    """
    asked: set[int] = set()
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        remaining = _mine(home, leaders)
        if not remaining:
            return []
        for process in remaining:
            if process.pid not in asked:
                asked.add(process.pid)
                _send(process, signal.SIGTERM)
        psutil.wait_procs(remaining, timeout=0.2)
    for _ in range(20):
        remaining = _mine(home, leaders)
        if not remaining:
            return []
        for process in remaining:
            _send(process, signal.SIGKILL)
        psutil.wait_procs(remaining, timeout=0.5)
    return [process.pid for process in _mine(home, leaders)]


def _mine(home: Path, leaders: Sequence[Running]) -> list[psutil.Process]:
    found = {process.pid: process for process in (*find_marked(home), *find_groups(leaders))}
    found.pop(os.getpid(), None)
    return list(found.values())


def _send(process: psutil.Process, number: int) -> None:
    try:
        process.send_signal(number)
    except _GONE:
        return
