"""CSV to Parquet as most people would write it: `convert_with_spark.py SOURCE OUTPUT strings|inferred`."""

import sys

from pyspark.sql import SparkSession

source, output, types = sys.argv[1:]
spark = SparkSession.builder.appName(f"csv to parquet, {types}").getOrCreate()
spark.read.csv(source, header=True, inferSchema=types == "inferred").write.parquet(output)
spark.stop()
