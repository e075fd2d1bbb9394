"""Weighted choices that cost one multiplication, and never differ between versions of Python.

Only `random.Random.random()` promises the same numbers for ever; everything here is made of it.
"""

from collections.abc import Mapping
from random import Random
from typing import Generic, TypeVar

T = TypeVar("T")


class Weighted(Generic[T]):
    """A choice among the keys of `weights`, which are whole numbers."""

    def __init__(self, weights: Mapping[T, int]) -> None:
        self._values = [value for value, weight in weights.items() for _ in range(weight)]
        self._count = len(self._values)

    def pick(self, random: Random) -> T:
        """Pick one value."""
        return self._values[int(random.random() * self._count)]
