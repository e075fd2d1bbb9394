"""What the suite says while it runs: on a terminal with a line that moves, elsewhere finished lines only."""

import sys
import time
from typing import TextIO


class Progress:
    """Lines on one stream."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stdout
        self._live = self._stream.isatty()
        self._head, self._began = "", time.monotonic()

    def begin(self, head: str) -> None:
        """Name what begins now; the moving line counts its seconds."""
        self._head, self._began = head, time.monotonic()
        self.show("")

    def show(self, what: str) -> None:
        """Replace the moving line: what is being done right now."""
        if self._live:
            seconds = time.monotonic() - self._began
            text = f"\r\033[K{self._head} … {seconds:.0f} s {what}"
            print(text, end="", file=self._stream, flush=True)

    def say(self, text: str) -> None:
        """Print a line that stays."""
        print(f"\r\033[K{text}" if self._live else text, file=self._stream, flush=True)
