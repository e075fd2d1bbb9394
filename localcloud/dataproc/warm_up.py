"""The Spark job that loads what local jobs commonly load, so that its classes can be archived."""

import sys

from pyspark.sql import SparkSession, Window
from pyspark.sql import functions as F  # noqa: N812 (the name that everyone uses)


def run(spark: SparkSession, bucket: str) -> None:
    """Map over Python workers; write and read Parquet; windows, joins, aggregates and sorted output."""
    numbers = spark.sparkContext.parallelize(range(1000), 2).map(lambda number: number % 900)
    assert numbers.sum() > 0  # noqa: S101 the warm-up is a job of its own
    rows = spark.range(1000).select(
        F.concat(F.lit("a"), F.col("id") % 900).alias("name"),
        F.col("id").cast("bigint").alias("row"),
        F.lit("2026-01-02").cast("date").alias("day"),
        F.lit("1.25").cast("decimal(38,18)").alias("price"),
        F.current_timestamp().alias("moment"),
    )
    rows.write.mode("overwrite").parquet(f"{bucket}/rows")
    back = spark.read.parquet(f"{bucket}/rows")
    same = Window.partitionBy("day", "name")
    first = back.select("name", "row", F.min("row").over(same).alias("first"))
    later = first.filter(F.col("row") > F.col("first")).sort("name", "row")
    later.write.mode("overwrite").parquet(f"{bucket}/later")
    counted = back.filter(F.col("name").isNotNull()).groupBy("name").agg(F.count("*").alias("rows"))
    counted.agg(F.sum(F.col("rows") - 1)).collect()
    totals = back.groupBy("day").agg(F.sum("price").alias("total"))
    back.join(totals, "day").orderBy("row").select("name", "total").collect()


if __name__ == "__main__":
    session = SparkSession.builder.appName("warm-up").getOrCreate()
    run(session, sys.argv[1])
    session.stop()
