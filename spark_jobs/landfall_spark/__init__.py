"""What csv_to_parquet does, shipped to all workers as a zip: PySpark, NumPy, pyarrow, google-auth only."""
