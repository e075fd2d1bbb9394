"""Maps over a collection: one element after the other, each tried as often as a cluster tries a task."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from pyspark.taskcontext import TaskContext

# Spark's own default of spark.task.maxFailures.
MOST_ATTEMPTS = 4

T = TypeVar("T")
R = TypeVar("R")
_log = logging.getLogger("fast_spark")


class TaskFailedError(Exception):
    """A task failed as often as it may; its last error is the cause."""


@dataclass(frozen=True)
class Broadcast(Generic[T]):
    """A value that every task reads."""

    value: T

    def destroy(self) -> None:
        """Nothing to free: the value is the caller's own."""


@dataclass(frozen=True)
class Collection(Generic[T]):
    """Elements, and what is done to each of them once they are collected."""

    elements: tuple[Any, ...]
    work: Callable[[Any], T]

    def map(self, work: Callable[[T], R]) -> Collection[R]:
        """Do `work` to each element as well."""
        return Collection(self.elements, lambda element: work(self.work(element)))

    def collect(self) -> list[T]:
        """Return the results in order; TaskFailedError if an element's work fails every time."""
        return [self._attempt(number, element) for number, element in enumerate(self.elements)]

    def _attempt(self, number: int, element: Any) -> T:
        for attempt in range(MOST_ATTEMPTS):
            try:
                with TaskContext.of(attempt):
                    return self.work(element)
            except Exception as problem:
                _log.warning("task %s, attempt %s", number, attempt, exc_info=True)
                last = problem
        raise TaskFailedError(f"task {number} failed {MOST_ATTEMPTS} times: {last}") from last


class SparkContext:
    """What a session maps with."""

    def broadcast(self, value: T) -> Broadcast[T]:
        """Share a value."""
        return Broadcast(value)

    def parallelize(self, elements: Iterable[T], partitions: int | None = None) -> Collection[T]:
        """Take the elements; `partitions` makes no difference here."""
        return Collection(tuple(elements), lambda element: element)
