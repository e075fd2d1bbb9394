"""Pack ranges of files into tasks of even work, the same ones whenever the manifest is the same. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

# A second of a core: long beside what a task costs to start, short enough to be done again.
TASK_BYTES = 64 * 1024 * 1024
# Each task answers the driver and writes a file that BigQuery has to open.
MAX_TASKS = 4000


@dataclass(frozen=True)
class Item:
    """A range of a file and its work, in bytes of text."""

    index: int
    weight: int


def pack(items: Sequence[Item]) -> list[tuple[int, ...]]:
    """Return each task's items, by index, in order; a range heavier than a task has one to itself."""
    total = sum(item.weight for item in items)
    return list(_fill(items, max(TASK_BYTES, -(-total // MAX_TASKS))))


def _fill(items: Sequence[Item], limit: int) -> Iterator[tuple[int, ...]]:
    task: list[int] = []
    room = limit
    for item in items:
        if task and item.weight > room:
            yield tuple(task)
            task, room = [], limit
        task.append(item.index)
        room -= item.weight
    if task:
        yield tuple(task)
