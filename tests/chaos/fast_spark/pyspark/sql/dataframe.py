"""Rows of Parquet files, as a query that DuckDB runs when they are collected or written."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote

from pyspark import settings
from pyspark.sql.column import Column, named

if TYPE_CHECKING:
    import duckdb

_MOUNT = "spark.hadoop.fs.viewfs.mounttable.{}.linkFallback"


@dataclass(frozen=True)
class DataFrame:
    """The rows of a query."""

    query: str

    def select(self, *columns: str | Column) -> DataFrame:
        """These columns of the rows."""
        return DataFrame(f"SELECT {_list(columns)} FROM ({self.query})")

    def filter(self, condition: Column) -> DataFrame:
        """The rows for which the condition is true."""
        return DataFrame(f"SELECT * FROM ({self.query}) WHERE {condition.text}")

    def sort(self, *columns: str) -> DataFrame:
        """The rows in order."""
        return DataFrame(f"SELECT * FROM ({self.query}) ORDER BY {_list(columns)}")

    def groupBy(self, *columns: str | Column) -> Grouped:  # noqa: N802 - PySpark's name
        """The rows that are alike in the columns, together."""
        return Grouped(self.query, columns)

    def agg(self, *columns: Column) -> DataFrame:
        """One row: these aggregates over all rows."""
        return Grouped(self.query, ()).agg(*columns)

    def collect(self) -> list[tuple[object, ...]]:
        """The rows."""
        return _connect().execute(self.query).fetchall()

    @property
    def write(self) -> Writer:
        """Writes the rows."""
        return Writer(self.query)


@dataclass(frozen=True)
class Grouped:
    """Groups of rows."""

    query: str
    columns: tuple[str | Column, ...]

    def agg(self, *columns: Column) -> DataFrame:
        """A row for each group: its columns and these aggregates."""
        groups = f" GROUP BY {_list(self.columns)}" if self.columns else ""
        return DataFrame(f"SELECT {_list((*self.columns, *columns))} FROM ({self.query}){groups}")


@dataclass(frozen=True)
class Writer:
    """Writes a query's rows to a folder."""

    query: str

    def mode(self, mode: str) -> Writer:
        """Say what becomes of what is there: only `overwrite` is known here."""
        if mode != "overwrite":
            raise ValueError(f"expected the mode overwrite, found {mode}")
        return self

    def parquet(self, uri: str) -> None:
        """Write one Parquet file, and Spark's mark of success beside it."""
        folder = _path(uri)
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        _connect().execute(f"COPY ({self.query}) TO {_text(folder / 'part-00000.parquet')} (FORMAT parquet)")
        (folder / "_SUCCESS").touch()


def read_parquet(uri: str) -> DataFrame:
    """The rows of a folder's Parquet files."""
    pattern = _text(_path(uri) / "*.parquet")
    return DataFrame(f"SELECT * FROM read_parquet({pattern}, hive_partitioning = false)")


def _path(uri: str) -> Path:
    """The folder behind a URI, by the mount tables that spark-submit was given."""
    scheme, _, rest = uri.partition("://")
    if scheme == "file":
        return Path(rest)
    bucket, _, name = rest.partition("/")
    root = settings.get(_MOUNT.format(bucket))
    if root is None:
        raise LookupError(f"{uri}: expected a bucket that was there when the job started, found none")
    return Path(unquote(root.partition("://")[2]), name)


def _connect() -> duckdb.DuckDBPyConnection:
    import duckdb  # most jobs ask no query, and its import takes a tenth of a second

    return duckdb.connect(config={"threads": 1})


def _list(columns: tuple[str | Column, ...]) -> str:
    return ", ".join(named(column).selected for column in columns)


def _text(path: Path) -> str:
    return "'" + str(path).replace("'", "''") + "'"
