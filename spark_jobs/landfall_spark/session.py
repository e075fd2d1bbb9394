"""The Spark session and the settings on which the job's exactness rests.

Where and how large Spark runs (master, memory, file systems) is set from outside, by spark-submit's
properties.
"""

from __future__ import annotations

from pyspark.sql import SparkSession

SETTINGS = {
    # Timestamps in contracts are UTC where they name no zone.
    "spark.sql.session.timeZone": "UTC",
    # Anything else falls back to, or raises because of, the lenient parser of Spark 2.
    "spark.sql.legacy.timeParserPolicy": "CORRECTED",
    "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
    # Half of snappy's size; BigQuery and DuckDB read both.
    "spark.sql.parquet.compression.codec": "zstd",
    # Opening a file counts as much as a full partition, so that no two files share one: the number of a row
    # within its partition is then its number within its file.
    "spark.sql.files.maxPartitionBytes": "134217728",
    "spark.sql.files.openCostInBytes": "134217728",
    # A shuffle happens only to count rows per file, a few rows per task; a partition per core would be idle.
    "spark.sql.shuffle.partitions": "1",
}


def open_session(name: str) -> SparkSession:
    """Return the session of this process, with the settings that the transforms rely on."""
    builder = SparkSession.builder.appName(name)
    for key, value in SETTINGS.items():
        builder = builder.config(key, value)
    return builder.getOrCreate()
