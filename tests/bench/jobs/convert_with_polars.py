"""CSV to Parquet by Polars, streaming, types detected: `convert_with_polars.py SOURCE OUTPUT`."""

import sys

import polars  # type: ignore[import-not-found] # in an environment of its own

source, output = sys.argv[1:]
polars.scan_csv(source).sink_parquet(output)
