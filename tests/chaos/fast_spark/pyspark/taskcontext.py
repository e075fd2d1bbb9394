"""What a task can ask about itself."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class TaskContext:
    """The task that is under way, if there is one."""

    attempt: int

    def attemptNumber(self) -> int:  # noqa: N802 - PySpark's name
        """How often it was tried before."""
        return self.attempt

    @staticmethod
    def get() -> TaskContext | None:
        """The task that asks; None outside of tasks."""
        return _tasks[-1] if _tasks else None

    @staticmethod
    @contextlib.contextmanager
    def of(attempt: int) -> Iterator[None]:
        """Be in a task meanwhile."""
        _tasks.append(TaskContext(attempt))
        try:
            yield
        finally:
            _tasks.pop()


_tasks: list[TaskContext] = []
