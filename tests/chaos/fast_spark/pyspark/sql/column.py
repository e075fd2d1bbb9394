"""A column of a query, as the text of an expression of DuckDB. Pure."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Column:
    """An expression; `name` is what the result calls it."""

    text: str
    name: str | None = None

    def alias(self, name: str) -> Column:
        """Call the result `name`."""
        return Column(self.text, name)

    def over(self, window: object) -> Column:
        """Aggregate within the window's partitions."""
        return Column(f"{self.text} OVER ({window})")

    def isNotNull(self) -> Column:  # noqa: N802 - PySpark's name
        """Whether there is a value."""
        return Column(f"({self.text} IS NOT NULL)")

    def __and__(self, other: Column) -> Column:
        return Column(f"({self.text} AND {other.text})")

    def __gt__(self, other: Column | int) -> Column:
        return Column(f"({self.text} > {_text(other)})")

    def __sub__(self, other: Column | int) -> Column:
        return Column(f"({self.text} - {_text(other)})")

    @property
    def selected(self) -> str:
        """The expression with its name, as a SELECT lists it."""
        return f"{self.text} AS {quote(self.name)}" if self.name else self.text


def named(name: str | Column) -> Column:
    """The column of that name, which may stand between backticks."""
    if isinstance(name, Column):
        return name
    plain = name[1:-1].replace("``", "`") if name.startswith("`") else name
    return Column(quote(plain))


def quote(name: str) -> str:
    """An identifier of DuckDB."""
    return '"' + name.replace('"', '""') + '"'


def _text(value: Column | int) -> str:
    return value.text if isinstance(value, Column) else str(value)
