"""CSV to Parquet by DuckDB, types detected: `convert_with_duckdb.py SOURCE OUTPUT THREADS`."""

import sys

import duckdb

source, output, threads = sys.argv[1:]
connection = duckdb.connect(config={"threads": int(threads)})
connection.read_csv(source).write_parquet(output)
