"""The thread that lets time pass for the clusters."""

import logging
import threading
from collections.abc import Callable
from datetime import datetime

_SECONDS_AFTER_ERROR = 1.0
_log = logging.getLogger(__name__)


class Timekeeper:
    """Calls `advance` now, whenever it is woken, and at the moment that `advance` returns."""

    def __init__(self, advance: Callable[[], datetime], clock: Callable[[], datetime]) -> None:
        self._advance = advance
        self._clock = clock
        self._changed = threading.Event()
        self._stopped = False
        self._thread = threading.Thread(target=self._run, name="timekeeper")

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def wake(self) -> None:
        """Something may be due earlier than it was."""
        self._changed.set()

    def stop(self) -> None:
        """End the thread."""
        self._stopped = True
        self._changed.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopped:
            self._changed.clear()
            self._changed.wait(self._seconds_to_next())

    def _seconds_to_next(self) -> float:
        try:
            return max(0.0, (self._advance() - self._clock()).total_seconds())
        except Exception:  # a full disk, say: clusters go on once it is over
            _log.exception("the clusters did not advance")
            return _SECONDS_AFTER_ERROR
