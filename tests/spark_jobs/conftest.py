"""One Spark session for all tests of the job."""

import logging
import os
from collections.abc import Iterator

import pytest

from landfall_spark.session import open_session
from tests.spark_jobs.batches import ARCHIVE, LAKE, Place
from tests.spark_jobs.submission import properties


@pytest.fixture(scope="session")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """The session as the job opens it, set up from outside as a cluster's properties would."""
    # Its connections are closed by the interpreter's own end, when what a logger writes to is closed already.
    logging.getLogger("py4j").setLevel(logging.WARNING)
    root = tmp_path_factory.mktemp("spark")
    for bucket in (ARCHIVE, LAKE):
        (root / bucket).mkdir()
    arguments = [word for name, value in properties(root).items() for word in ("--conf", f'"{name}={value}"')]
    before = os.environ.get("PYSPARK_SUBMIT_ARGS")
    os.environ["PYSPARK_SUBMIT_ARGS"] = " ".join([*arguments, "pyspark-shell"])
    try:
        session = open_session("tests")
    finally:
        if before is None:
            del os.environ["PYSPARK_SUBMIT_ARGS"]
        else:
            os.environ["PYSPARK_SUBMIT_ARGS"] = before
    session.sparkContext.setLogLevel("OFF")
    yield Place(session, root)
    session.stop()
