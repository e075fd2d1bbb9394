"""The Spark job that loads what local jobs commonly load, so that its classes can be archived."""

import sys

from pyspark.sql import SparkSession, Window
from pyspark.sql import functions as F  # noqa: N812 (the name that everyone uses)


def run(spark: SparkSession, bucket: str) -> None:
    """Read and write text, CSV, JSON and Parquet, with the usual casts, windows, joins and aggregates."""
    lines = spark.range(1000).select(
        F.concat_ws(",", F.concat(F.lit("a"), "id"), F.lit("2026-01-02"), F.lit("1.25"), "id").alias("value")
    )
    lines.write.text(f"{bucket}/csv")
    schema = "name STRING, day STRING, price STRING, number STRING, _corrupt STRING"
    rows = spark.read.schema(schema).option("columnNameOfCorruptRecord", "_corrupt").csv(f"{bucket}/csv")
    typed = rows.select(
        "name",
        F.to_date("day", "yyyy-MM-dd").alias("day"),
        F.col("price").cast("decimal(38,18)").alias("price"),
        F.col("number").cast("bigint").alias("number"),
        F.to_timestamp("day").alias("moment"),
        F.filter(F.array(F.struct(F.lit("x").alias("code"))), lambda one: one["code"] != "y").alias(
            "reasons"
        ),
        F.regexp_replace("name", "a", "b").alias("other"),
        F.input_file_name().alias("source"),
        F.sha2("name", 256).alias("hash"),
    )
    ordered = Window.partitionBy("day").orderBy("number")
    typed.withColumn("row", F.row_number().over(ordered)).write.mode("overwrite").parquet(f"{bucket}/parquet")
    back = spark.read.parquet(f"{bucket}/parquet").cache()
    totals = back.groupBy("day").agg(F.sum("price").alias("total"), F.count("*").alias("rows"))
    back.join(totals, "day").where("rows > 0").orderBy("number").select("name", "total").collect()
    back.where(F.size("reasons") > 0).select(
        F.to_json(F.struct("name", "reasons")).alias("value")
    ).write.text(f"{bucket}/json")
    spark.read.json(f"{bucket}/json").count()
    back.rdd.map(len).sum()


if __name__ == "__main__":
    session = SparkSession.builder.appName("warm-up").getOrCreate()
    run(session, sys.argv[1])
    session.stop()
