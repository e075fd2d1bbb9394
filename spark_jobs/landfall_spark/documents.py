"""Checked access to the fields of a JSON document."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, TypeVar

from landfall_spark.errors import JobError

T = TypeVar("T")


class Node:
    """One JSON object and its place in a document, so that every error can name both."""

    def __init__(self, value: object, place: str, error: type[JobError]) -> None:
        if not isinstance(value, Mapping):
            raise error(f"{place}: expected a JSON object, found {_describe(value)}")
        self._value: Mapping[str, Any] = value
        self._error = error
        self.place = place

    def take(self, name: str, kind: type[T], default: T | None = None) -> T:
        """Return the field `name`, of type `kind`; without a default it must be there."""
        value = self._value.get(name)
        if value is None and default is not None:
            return default
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            raise self.complain(name, kind.__name__, _describe(value))
        return value

    def has(self, name: str) -> bool:
        """Say whether the field `name` is there and not null."""
        return self._value.get(name) is not None

    def optional(self, name: str, kind: type[T]) -> T | None:
        """Return the field `name`, of type `kind`, or None where it is absent."""
        return self.take(name, kind) if self.has(name) else None

    def strings(self, name: str) -> tuple[str, ...]:
        """Return the field `name`, a list of strings, empty where it is absent."""
        values: list[object] = self.take(name, list, [])
        for value in values:
            if not isinstance(value, str):
                raise self.complain(name, "a list of strings", f"{_describe(value)} in it")
        return tuple(str(value) for value in values)

    def numbers(self, name: str) -> tuple[float, ...]:
        """Return the field `name`, a list of numbers, which must be there."""
        values: list[object] = self.take(name, list)
        for value in values:
            if not isinstance(value, int | float) or isinstance(value, bool):
                raise self.complain(name, "a list of numbers", f"{_describe(value)} in it")
        return tuple(value for value in values if isinstance(value, int | float))

    def nodes(self, name: str, optional: bool = False) -> list[Node]:
        """Return the field `name`, a list of objects, which must be there unless it is optional."""
        values: list[object] = self.take(name, list, [] if optional else None)
        return [Node(value, f"{self.place}: {name}[{i}]", self._error) for i, value in enumerate(values)]

    def node(self, name: str) -> Node:
        """Return the field `name`, an object, which must be there."""
        return Node(self._value.get(name), f"{self.place}: {name}", self._error)

    def complain(self, name: str, expected: str, found: str) -> JobError:
        """Build the error about the field `name`."""
        return self._error(f"{self.place}: {name}: expected {expected}, found {found}")


def parse(text: str, uri: str, error: type[JobError]) -> Node:
    """Parse a JSON document whose root is an object; `error` is raised for anything else."""
    try:
        value = json.loads(text)
    except ValueError as problem:
        raise error(f"{uri}: expected a JSON document, found text that is none ({problem})") from problem
    return Node(value, uri, error)


def _describe(value: object) -> str:
    if value is None:
        return "nothing"
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 80 else text[:77] + "..."
