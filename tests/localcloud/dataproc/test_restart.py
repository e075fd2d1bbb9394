"""What is left after the part has ended, gently or not."""

import contextlib
import itertools
import signal
import subprocess
import threading
from collections.abc import Callable
from typing import Any

import pytest
from google.cloud.dataproc_v1.types import ClusterStatus, JobStatus

from .conftest import until

AT_REST = {ClusterStatus.State.RUNNING, ClusterStatus.State.ERROR}
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
    assert part.get_cluster("kept").status.state == ClusterStatus.State.ERROR
    assert part.create("kept", request_id="kept-1").result(timeout=30) == made
    name = pending.operation.name
    assert part.clusters.get_operation({"name": name}).name == name
    part.delete("pending").result(timeout=30)


def test_sigterm_ends_jobs_and_marks_them(own_dataproc: Any, waiting_driver: Callable[..., Any]) -> None:
    part = own_dataproc
    for name in ("stopped", "idle"):
        part.create(name).result(timeout=30)
    driver = waiting_driver(part, "stopped", "running")
    assert part.stop() == 0
    assert not driver.is_alive()
    part.start()
    assert part.get_cluster("stopped").status.state == ClusterStatus.State.ERROR
    assert part.get_cluster("idle").status.state == ClusterStatus.State.RUNNING
    job = part.get_job("running")
    assert (job.status.state, job.status.details) == (JobStatus.State.ERROR, STOPPED)


def test_process_of_a_job_that_nobody_knows_of_is_ended(own_dataproc: Any) -> None:
    part = own_dataproc
    folder = part.folder / "state" / "jobs" / "of-nobody"
    folder.mkdir(parents=True)
    part.stop(signal.SIGKILL)
    orphan = subprocess.Popen(["sleep", "300"], cwd=folder, start_new_session=True)
    part.start()
    assert orphan.wait(timeout=30) == -signal.SIGTERM


@pytest.mark.parametrize("moment", [0.02, 0.2, 1.0])
def test_part_that_is_killed_at_any_moment_leaves_nothing_half_done(own_dataproc: Any, moment: float) -> None:
    part = own_dataproc
    part.create("first").result(timeout=30)
    main = part.put("sleep.py", "import time\ntime.sleep(60)\n")

    def work() -> None:
        with contextlib.suppress(Exception):  # the part is killed under it
            for number in itertools.count():
                part.create(f"c{number}")
                if number < 2:
                    part.submit("first", main)
                if number % 2:
                    part.delete(f"c{number}")

    caller = threading.Thread(target=work)
    caller.start()
    caller.join(moment)
    part.stop(signal.SIGKILL)
    caller.join()
    part.start()
    jobs = list(part.jobs.list_jobs(request=part.scope))
    assert {job.status.state for job in jobs} <= {JobStatus.State.ERROR}
    until(lambda: {one.status.state for one in part.clusters.list_clusters(request=part.scope)} <= AT_REST)
    assert not part.processes()
