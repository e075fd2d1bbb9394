"""What the bench says while it runs: on a terminal with a line that moves, elsewhere finished lines only."""

import sys
from typing import TextIO

from tests.bench.report import MEBIBYTE


class Progress:
    """Lines on one stream."""

    def __init__(self, stream: TextIO = sys.stdout) -> None:
        self._stream = stream
        self._live = stream.isatty()

    def say(self, text: str) -> None:
        """Print a line that stays."""
        print(f"\r\033[K{text}" if self._live else text, file=self._stream, flush=True)

    def show(self, text: str, seconds: float, peak: int) -> None:
        """Replace the moving line: what runs, since when, and its peak memory so far in bytes."""
        if self._live:
            line = f"\r\033[K{text} … {seconds:.0f} s, {peak / MEBIBYTE:,.0f} MiB"
            print(line, end="", file=self._stream, flush=True)
