"""What is left after the part has ended, gently or not."""

import signal
from collections.abc import Callable
from typing import Any

from google.cloud.dataproc_v1.types import ClusterStatus, JobStatus

STOPPED = "The local Dataproc was stopped while the job was active."


def test_killed_part_finds_its_clusters_again_and_ends_the_jobs_it_left(
    own_dataproc: Any, waiting_driver: Callable[..., Any]
) -> None:
    part = own_dataproc
    made = part.create("kept", request_id="kept-1").result(timeout=30)
    driver = waiting_driver(part, "kept", "orphan")
    pending = part.create("pending")
    part.stop(signal.SIGKILL)
    assert driver.is_alive()
    part.start()
    assert not driver.is_alive()
    job = part.get_job("orphan")
    assert (job.status.state, job.status.details) == (JobStatus.State.ERROR, STOPPED)
    assert part.get_cluster("kept") == made
    assert part.create("kept", request_id="kept-1").result(timeout=30) == made
    name = pending.operation.name
    assert part.clusters.get_operation({"name": name}).name == name
    part.delete("pending").result(timeout=30)


def test_sigterm_ends_jobs_and_marks_them(own_dataproc: Any, waiting_driver: Callable[..., Any]) -> None:
    part = own_dataproc
    part.create("stopped").result(timeout=30)
    driver = waiting_driver(part, "stopped", "running")
    assert part.stop() == 0
    assert not driver.is_alive()
    part.start()
    assert part.get_cluster("stopped").status.state == ClusterStatus.State.RUNNING
    job = part.get_job("running")
    assert (job.status.state, job.status.details) == (JobStatus.State.ERROR, STOPPED)
