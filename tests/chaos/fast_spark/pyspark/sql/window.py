"""Windows over the rows of a query."""

from __future__ import annotations

from dataclasses import dataclass

from pyspark.sql.column import named


@dataclass(frozen=True)
class WindowSpec:
    """Rows that are alike in some columns."""

    columns: tuple[str, ...]

    def __str__(self) -> str:
        return "PARTITION BY " + ", ".join(named(name).text for name in self.columns)


class Window:
    """Makes windows."""

    @staticmethod
    def partitionBy(*columns: str) -> WindowSpec:  # noqa: N802 - PySpark's name
        """The window of the rows that are alike in the columns."""
        return WindowSpec(columns)
