"""Column expressions over many columns."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from pyspark.sql import Column


def fold(operation: Callable[[Column, Column], Column], columns: Sequence[Column]) -> Column:
    """Combine columns (at least one) by an associative operation.

    As a balanced tree: Spark walks an expression recursively, and a chain of 500 columns overflows its stack.
    """
    if len(columns) == 1:
        return columns[0]
    middle = len(columns) // 2
    return operation(fold(operation, columns[:middle]), fold(operation, columns[middle:]))
