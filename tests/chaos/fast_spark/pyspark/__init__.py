"""As much of PySpark as the job asks for, in the process that asks."""

# The properties of spark-submit, by name.
settings: dict[str, str] = {}
