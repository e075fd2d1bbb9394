"""The file of OpenLineage events: a line each, appended by Airflow's tasks while it is read."""

import json
import os
from pathlib import Path
from typing import Any

#: A batch is about 30 KB of events.
MOST_BYTES = 50 * 10**6


class EventFile:
    """Reads what was appended since it was last asked; of a file that was made anew, all of it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._inode, self._offset = 0, 0

    def read_new(self) -> list[dict[str, Any]]:
        """The events of the whole lines that are new. A last line that has no end yet comes the next time.

        A line that is no JSON object is left out.
        """
        try:
            with self._path.open("rb") as file:
                about = os.fstat(file.fileno())
                if about.st_ino != self._inode or about.st_size < self._offset:
                    self._inode, self._offset = about.st_ino, 0
                file.seek(self._offset)
                text = file.read()
        except FileNotFoundError:
            return []
        whole = text[: text.rfind(b"\n") + 1]
        self._offset += len(whole)
        parsed = (_parse(line) for line in whole.splitlines())
        return [event for event in parsed if event is not None]


def _parse(line: bytes) -> dict[str, Any] | None:
    try:
        event = json.loads(line)
    except ValueError:
        return None
    return event if isinstance(event, dict) else None


def trim(path: Path, most: int = MOST_BYTES) -> None:
    """Halve a file that has more bytes than `most`: its newest whole lines stay. For when nobody writes."""
    if not path.exists() or path.stat().st_size <= most:
        return
    with path.open("rb") as file:
        file.seek(-(most // 2), os.SEEK_END)
        file.readline()
        rest = file.read()
    draft = path.with_suffix(".new")
    draft.write_bytes(rest)
    draft.replace(path)
