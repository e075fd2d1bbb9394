"""One Spark session for all tests of the job."""

import logging
import os
import sys
from collections.abc import Iterator

import pytest

from landfall_spark.session import open_session
from tests.spark_jobs.batches import ARCHIVE, LAKE, Place
from tests.spark_jobs.submission import UNIT, properties


@pytest.fixture(scope="session")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """The session as the job opens it, set up from outside as a cluster's properties would."""
    # Its connections are closed by the interpreter's own end, when what a logger writes to is closed already.
    logging.getLogger("py4j").setLevel(logging.WARNING)
    root = tmp_path_factory.mktemp("spark")
    for bucket in (ARCHIVE, LAKE):
        (root / bucket).mkdir()
    arguments = [word for name, value in properties(root).items() for word in ("--conf", f'"{name}={value}"')]
    set_up = {
        "PYSPARK_SUBMIT_ARGS": " ".join([*arguments, "pyspark-shell"]),
        # A worker finds the package where --py-files would put it.
        "PYTHONPATH": os.pathsep.join([str(UNIT), *filter(None, [os.environ.get("PYTHONPATH")])]),
        "PYSPARK_PYTHON": sys.executable,
    }
    with pytest.MonkeyPatch.context() as environment:
        for name, value in set_up.items():
            environment.setenv(name, value)
        session = open_session("tests")
    session.sparkContext.setLogLevel("OFF")
    yield Place(session, root)
    session.stop()
