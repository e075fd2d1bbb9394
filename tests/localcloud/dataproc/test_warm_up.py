"""The archive of Spark's classes is made by a real Spark job, and the next job's JVM maps it."""

import sys
import time
from pathlib import Path
from typing import Any

import pytest
from google.cloud.dataproc_v1.types import JobStatus

from localcloud.dataproc.__main__ import _site
from localcloud.dataproc.class_archive import ClassArchive

SECONDS_TO_MAKE = 480
MAIN = """
import os, pathlib
print("ARCHIVE", ".cache/spark/" in pathlib.Path(f"/proc/{os.getppid()}/maps").read_text())
"""


def await_archive(log: Path) -> None:
    """Until the archive for this Java and this Spark is there under its final name."""
    deadline = time.monotonic() + SECONDS_TO_MAKE
    archive = ClassArchive(_site(log.parent))
    while not archive.jvm_options():
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.1)


@pytest.mark.skipif(sys.platform != "linux", reason="asks /proc which files the JVM has mapped")
def test_archive_is_made_and_used(dataproc: Any, cluster: str) -> None:
    await_archive(dataproc.folder / "log")
    uri = dataproc.put("maps.py", MAIN)
    job = dataproc.end_of(dataproc.submit(cluster, uri).reference.job_id)
    output = dataproc.path(job.driver_output_resource_uri + ".000000000").read_text()
    assert job.status.state == JobStatus.State.DONE, output
    assert "ARCHIVE True" in output
    assert "[cds]" not in output
