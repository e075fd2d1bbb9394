"""Processes in a session of their own: started with their output in a file, ended with all they started."""

import os
import subprocess
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

import psutil

GRACE_SECONDS = 2.0
_MOST_LOOKS = 5


class Session:
    """A running process that leads its own session."""

    def __init__(self, arguments: Sequence[str], env: Mapping[str, str], folder: Path, output: Path) -> None:
        with output.open("ab") as stream:
            self._process = subprocess.Popen(  # noqa: S603 (the command is spark-submit, as the caller built it)
                arguments,
                env=env,
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.ended = threading.Event()

    def wait(self) -> int:
        """The exit code, once the process has ended; what it left behind in its session is ended too."""
        code = self._process.wait()
        self.ended.set()
        end_session(self._process.pid)
        return code

    def leaders(self) -> list[psutil.Process]:
        """The process itself, unless it has ended: spark-submit's becomes the driver's JVM."""
        return [one for one in _members(self._process.pid) if one.pid == self._process.pid]

    def python_workers(self) -> list[psutil.Process]:
        """Spark's Python workers, oldest first: what its daemons forked."""
        members = [process for process in _members(self._process.pid) if _is_of_daemon(process)]
        daemons = {process.pid for process in members}
        return [process for process in members if _parent_of(process) in daemons]

    def end(self, grace: float = GRACE_SECONDS) -> None:
        """Ask the whole session to end, and make it after `grace` seconds."""
        if self._process.poll() is None:
            end_session(self._process.pid, grace)


def end_session(session: int, grace: float = GRACE_SECONDS) -> None:
    """Send SIGTERM to every process of a session, and SIGKILL to those left after `grace` seconds.

    It looks again until none is left: one that was starting another when it was ended leaves that behind.
    """
    members = _members(session)
    for process in members:
        _signal(process, kill=False)
    psutil.wait_procs(members, timeout=grace)
    for _ in range(_MOST_LOOKS):
        left = [process for process in _members(session) if not _is_dead(process)]
        if not left:
            return
        for process in left:
            _signal(process, kill=True)
        psutil.wait_procs(left, timeout=grace)


def end_working_in(folder: Path) -> None:
    """End the sessions of all processes whose working directory is a folder below this one."""
    found = {_session_of(process.pid) for process in psutil.process_iter() if _works_in(process, folder)}
    for session in found:
        if session not in (None, os.getsid(0)):
            end_session(session)


def _members(session: int) -> list[psutil.Process]:
    return [process for process in psutil.process_iter() if _session_of(process.pid) == session]


def _is_dead(process: psutil.Process) -> bool:
    try:
        return process.status() == psutil.STATUS_ZOMBIE
    except psutil.Error:
        return True


def _is_of_daemon(process: psutil.Process) -> bool:
    try:
        return "pyspark.daemon" in process.cmdline()
    except psutil.Error:
        return False


def _works_in(process: psutil.Process, folder: Path) -> bool:
    try:
        return folder in Path(process.cwd()).parents
    except psutil.Error:
        return False


def _parent_of(process: psutil.Process) -> int | None:
    try:
        return process.ppid()
    except psutil.Error:
        return None


def _session_of(pid: int) -> int | None:
    try:
        return os.getsid(pid)
    except OSError:
        return None


def _signal(process: psutil.Process, kill: bool) -> None:
    try:
        if kill:
            process.kill()
        else:
            process.terminate()
    except psutil.NoSuchProcess:
        return
