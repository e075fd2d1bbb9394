"""A try that is declared dead and lives on: what becomes of a worker that lost its net, or its breath."""

import os
import signal
import threading
import time
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from localcloud.launcher import process
from tests.chaos.fast.rules import FAILED
from tests.chaos.fast.state import UP_FOR_RETRY, State, Task

_END_SECONDS = 5.0


class Zombie:
    """Stops the process of a try, declares it dead at once, and lets it go on `frozen` seconds later.

    `unheard` seconds after that its supervisor learns that nobody waits for it, and ends it: SIGTERM, then
    SIGKILL. The task is tried again from the first moment on.
    """

    def __init__(self, path: Path, task: Task, frozen: float, unheard: float) -> None:
        self._running = process.describe(task.pid or 0)
        self._send(signal.SIGSTOP)
        declare_dead(path, task)
        self._thread = threading.Thread(target=self._live_on, args=(frozen, unheard), daemon=True)
        self._thread.start()

    def is_alive(self) -> bool:
        """Whether the process still runs."""
        return process.is_alive(self._running)

    def end(self) -> None:
        """SIGKILL it, whatever it is doing."""
        self._send(signal.SIGKILL)
        self._thread.join()

    def _live_on(self, frozen: float, unheard: float) -> None:
        self._wait(frozen)
        self._send(signal.SIGCONT)
        self._wait(unheard)
        self._send(signal.SIGTERM)
        self._wait(_END_SECONDS)
        self._send(signal.SIGKILL)

    def _wait(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while self.is_alive() and time.monotonic() < deadline:
            time.sleep(0.05)

    def _send(self, number: int) -> None:
        if self.is_alive():
            with suppress(ProcessLookupError):
                os.kill(self._running.pid, number)


def declare_dead(path: Path, task: Task) -> None:
    """Do what Airflow's scheduler does with a task that gave no sign of life: no callback is run."""
    state, now = State(path), datetime.now(UTC)
    try:
        if task.may_retry:
            state.end_try(task.id, UP_FOR_RETRY, now, now)
        else:
            state.end_try(task.id, FAILED, now)
    finally:
        state.close()
