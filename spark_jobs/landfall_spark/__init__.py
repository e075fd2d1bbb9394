"""The transforms of csv_to_parquet: standard library and PySpark only, shipped to the cluster as a zip."""
