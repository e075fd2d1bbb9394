"""Processes in a session of their own: started with their output in a file, ended with all they started."""

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import psutil

GRACE_SECONDS = 2.0


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
        self.mark = _mark(self._process.pid)

    def wait(self) -> int:
        """The exit code, once the process has ended; what it left behind in its session is ended too."""
        code = self._process.wait()
        end_session(self._process.pid)
        return code

    def end(self, grace: float = GRACE_SECONDS) -> None:
        """Ask the whole session to end, and make it after `grace` seconds."""
        if self._process.poll() is None:
            end_session(self._process.pid, grace)


def end_session(session: int, grace: float = GRACE_SECONDS) -> None:
    """Send SIGTERM to every process of a session, and SIGKILL to those left after `grace` seconds."""
    members = [process for process in psutil.process_iter() if _session_of(process.pid) == session]
    for process in members:
        _signal(process, kill=False)
    _, alive = psutil.wait_procs(members, timeout=grace)
    for process in alive:
        _signal(process, kill=True)


def end_marked(mark: str) -> None:
    """End the session of a process that an earlier run of this part started, if it is still that process."""
    pid, _, _ = mark.partition(":")
    if mark and psutil.pid_exists(int(pid)) and _mark(int(pid)) == mark:
        end_session(int(pid))


def _mark(pid: int) -> str:
    try:
        return f"{pid}:{psutil.Process(pid).create_time()}"
    except psutil.NoSuchProcess:
        return ""


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
