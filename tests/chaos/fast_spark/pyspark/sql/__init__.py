"""The session, and what it reads."""

from __future__ import annotations

from pyspark import settings
from pyspark.context import SparkContext
from pyspark.sql.dataframe import DataFrame, read_parquet


class SparkSession:
    """A session without a JVM."""

    def __init__(self) -> None:
        self.sparkContext = SparkContext()

    class Builder:
        """Collects settings, which stay without effect but for those of spark-submit."""

        def appName(self, _: str) -> SparkSession.Builder:  # noqa: N802 - PySpark's name
            return self

        def config(self, name: str, value: object) -> SparkSession.Builder:
            settings.setdefault(name, str(value))
            return self

        def getOrCreate(self) -> SparkSession:  # noqa: N802 - PySpark's name
            return SparkSession()

    builder = Builder()

    class _Reader:
        def parquet(self, uri: str) -> DataFrame:
            return read_parquet(uri)

    read = _Reader()

    def stop(self) -> None:
        """Nothing to stop."""
