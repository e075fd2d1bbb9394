"""The Spark session and the settings on which the job's exactness rests.

Where and how large Spark runs (master, memory, file systems) is set from outside, by spark-submit's
properties.
"""

from __future__ import annotations

from pyspark.sql import SparkSession

SETTINGS = {
    # Timestamps in contracts are UTC where they name no zone.
    "spark.sql.session.timeZone": "UTC",
    # A worker imports its libraries once, not once a task.
    "spark.python.worker.reuse": "true",
    # What a dying worker dumps goes to the driver's log, and its stack is of no use there.
    "spark.python.worker.faulthandler.enabled": "false",
    # Two attempts of a task at once would write the same file at the same time.
    "spark.speculation": "false",
}


def open_session(name: str) -> SparkSession:
    """Return the session of this process, with the settings that the job relies on."""
    builder = SparkSession.builder.appName(name)
    for key, value in SETTINGS.items():
        builder = builder.config(key, value)
    return builder.getOrCreate()
