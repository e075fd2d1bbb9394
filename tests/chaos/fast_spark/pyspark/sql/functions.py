"""Functions over columns."""

from __future__ import annotations

from pyspark.sql.column import Column, named


def col(name: str) -> Column:
    """The column of that name."""
    return named(name)


def count(name: str) -> Column:
    """The number of rows, or of a column's values."""
    return Column("count(*)" if name == "*" else f"count({named(name).text})")


def min(column: str | Column) -> Column:
    """The least value."""
    return Column(f"min({named(column).text})")


def sum(column: str | Column) -> Column:
    """The sum of the values; null without one."""
    return Column(f"sum({named(column).text})")
