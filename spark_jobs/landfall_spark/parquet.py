"""Write the two outputs of a batch, and count what is in them."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from pyspark.sql import DataFrame, Observation, SparkSession
from pyspark.sql import functions as sf

from landfall_spark import metrics, records, rows
from landfall_spark.errors import ConservationError
from landfall_spark.manifest import Manifest, SourceFile
from landfall_spark.pipeline import Pipeline

# A task that writes takes in about this much CSV, unless there are cores to spare.
_BYTES_PER_TASK = 128 * 1024 * 1024

_ACCEPTED_SCHEMA = "_source_uri STRING, _source_generation BIGINT, _source_row BIGINT"
_REJECTED_SCHEMA = (
    "source_uri STRING, source_generation BIGINT, source_row BIGINT, reasons ARRAY<STRUCT<code: STRING>>"
)


Select = Callable[[DataFrame, Pipeline, Manifest], DataFrame]


@dataclass(frozen=True)
class Batch:
    """What is to be turned, and where to: the folder that takes `accepted/` and `rejected/`."""

    manifest: Manifest
    contract: Pipeline
    output: str

    @property
    def accepted(self) -> str:
        """The folder of accepted rows."""
        return f"{self.output}/accepted"

    @property
    def rejected(self) -> str:
        """The folder of rejected rows."""
        return f"{self.output}/rejected"


@dataclass(frozen=True)
class Observed:
    """The records that passed the reader, counted there and not in what was written."""

    read: int
    rejected: int


def write(session: SparkSession, batch: Batch, files: dict[str, SourceFile]) -> Observed:
    """Write the rows of `files` (by the path that Spark reports); a second scan only where rows are rejected.

    No cache: it would cost every batch memory and disk to save the few with rejected rows a second scan.
    """
    scan = records.read_records(session, [file.archive_uri for file in files.values()], batch.contract)
    judged = rows.judge(scan, batch.contract)
    tasks = _count_tasks(session, files)

    def shape(select: Select) -> Callable[[DataFrame], DataFrame]:
        return lambda frame: select(
            rows.trace(frame, session, files), batch.contract, batch.manifest
        ).coalesce(tasks)

    observed = _pour(judged, shape(rows.select_accepted), batch.accepted)
    if observed.rejected:
        again = _pour(judged, shape(rows.select_rejected), batch.rejected)
        if again != observed:
            raise ConservationError(f"{batch.output}: expected {observed} from both scans, found {again}")
    return observed


def count(session: SparkSession, batch: Batch, observed: Observed) -> metrics.Counts:
    """Count the rows of each file in the written Parquet, rejected ones by reason too, in one Spark job."""
    found = _read_accepted(session, batch.accepted)
    if observed.rejected:
        found = found.unionByName(_read_rejected(session, batch.rejected))
    grouped = found.groupBy("uri", "generation", "accepted", "code").agg(sf.count(sf.lit(1)), sf.max("row"))
    return metrics.collect_counts(tuple(row) for row in grouped.collect())


def _pour(judged: DataFrame, shape: Callable[[DataFrame], DataFrame], folder: str) -> Observed:
    """Write what `shape` makes of the judged records, and return how many went by."""
    # Exact under retries: a stage without a shuffle counts each partition's first success only. Observing
    # also keeps Spark from casting every value once for the filter and again for the output (measured:
    # three times as long).
    watch = Observation()
    read, rejected = sf.count(sf.lit(1)).alias("read"), sf.count_if(~sf.col(rows.ACCEPTED)).alias("rejected")
    shape(judged.observe(watch, read, rejected)).write.mode("overwrite").parquet(folder)
    return Observed(watch.get["read"], watch.get["rejected"])


def _count_tasks(session: SparkSession, files: dict[str, SourceFile]) -> int:
    total = sum(file.size for file in files.values())
    return max(session.sparkContext.defaultParallelism, math.ceil(total / _BYTES_PER_TASK))


def _read_accepted(session: SparkSession, folder: str) -> DataFrame:
    accepted = session.read.schema(_ACCEPTED_SCHEMA).parquet(folder)
    return accepted.select(
        sf.col("_source_uri").alias("uri"),
        sf.col("_source_generation").alias("generation"),
        sf.lit(True).alias("accepted"),
        sf.lit(None).cast("string").alias("code"),
        sf.col("_source_row").alias("row"),
    )


def _read_rejected(session: SparkSession, folder: str) -> DataFrame:
    rejected = session.read.schema(_REJECTED_SCHEMA).parquet(folder)
    every_row = sf.array(sf.lit(None).cast("string"))
    return rejected.select(
        sf.col("source_uri").alias("uri"),
        sf.col("source_generation").alias("generation"),
        sf.lit(False).alias("accepted"),
        sf.explode(sf.concat(every_row, sf.array_distinct("reasons.code"))).alias("code"),
        sf.col("source_row").alias("row"),
    )
