"""Calls, clusters and jobs that fail on purpose, as Google's clients see it."""

import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from google.api_core import exceptions
from google.cloud.dataproc_v1.types import ClusterStatus, JobStatus

from localcloud.launcher.process import MARK

from .conftest import ROOT, LocalDataproc


@pytest.fixture(autouse=True)
def no_faults_later(dataproc: LocalDataproc) -> Iterator[None]:
    yield
    dataproc.rules.unlink(missing_ok=True)


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (429, exceptions.ResourceExhausted),
        (500, exceptions.InternalServerError),
        (503, exceptions.ServiceUnavailable),
    ],
)
def test_error_has_no_effect(dataproc: LocalDataproc, status: int, error: type[Exception]) -> None:
    dataproc.set_fault("error", "ClusterController/CreateCluster$", status=status)
    with pytest.raises(error, match="by the rule error of faults"):
        dataproc.create("refused", retry=None)
    with pytest.raises(exceptions.NotFound):
        dataproc.get_cluster("refused")


def test_lost_request_is_made_again_by_googles_client(dataproc: LocalDataproc) -> None:
    dataproc.set_fault("drop_before", "CreateCluster")
    assert dataproc.create("request-lost").result(timeout=30).status.state == ClusterStatus.State.RUNNING


def test_lost_answer_leaves_the_effect(dataproc: LocalDataproc) -> None:
    dataproc.set_fault("drop_after", "CreateCluster")
    # The client makes the call again by itself, and meets what the first one made.
    with pytest.raises(exceptions.AlreadyExists, match="Failed to create cluster"):
        dataproc.create("answer-lost")
    dataproc.set_fault("drop_after", "DeleteCluster")
    with pytest.raises((exceptions.FailedPrecondition, exceptions.NotFound)):
        dataproc.delete("answer-lost")
    dataproc.set_fault("drop_after", "CreateCluster")
    assert dataproc.create("known-request", request_id="known-1").result(timeout=30)


def test_delayed_call_is_answered(dataproc: LocalDataproc, cluster: str) -> None:
    dataproc.set_fault("delay", "GetCluster", seconds=0.5)
    begun = time.monotonic()
    assert dataproc.get_cluster(cluster).cluster_name == cluster
    assert time.monotonic() - begun >= 0.5


CALLER = """
import sys, grpc
from google.cloud.dataproc_v1.services.cluster_controller import ClusterControllerClient, transports
channel = grpc.insecure_channel(sys.argv[1])
client = ClusterControllerClient(transport=transports.ClusterControllerGrpcTransport(channel=channel))
cluster = {"cluster_name": sys.argv[2], "config": {"config_bucket": "test-staging"}}
client.create_cluster(project_id="test-project", region="us-central1", cluster=cluster)
"""


@pytest.mark.parametrize(("action", "made"), [("kill_client_before", False), ("kill_client_after", True)])
def test_caller_of_this_cloud_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, action: str, made: bool
) -> None:
    monkeypatch.setenv(MARK, str(tmp_path))
    part = LocalDataproc(tmp_path, "--no-warm-up")
    part.set_fault(action, "CreateCluster")
    caller = subprocess.run([sys.executable, "-c", CALLER, part.address, "made"], cwd=ROOT, check=False)
    assert caller.returncode == -signal.SIGKILL
    names = [one.cluster_name for one in part.clusters.list_clusters(request=part.scope)]
    assert names == (["made"] if made else [])
    part.stop()


def test_cluster_in_error_stays_until_it_is_deleted(dataproc: LocalDataproc) -> None:
    dataproc.set_fault("cluster_error", "CreateCluster/broken$")
    words = "Multiple Errors:\n - Cannot start master: Insufficient number of DataNodes reporting"
    with pytest.raises(exceptions.InternalServerError, match=words):
        dataproc.create("broken").result(timeout=30)
    status = dataproc.get_cluster("broken").status
    assert status.state == ClusterStatus.State.ERROR
    assert "Worker broken-w-1 unable to register with master: broken-m" in status.detail
    with pytest.raises(exceptions.AlreadyExists):
        dataproc.create("broken")
    words = "Unable to submit job, cluster 'broken' is in state ERROR and cannot accept jobs."
    with pytest.raises(exceptions.FailedPrecondition, match=f"No agent on master.*\n - {re.escape(words)}"):
        dataproc.submit("broken", "gs://test-data/any.py")
    dataproc.delete("broken").result(timeout=30)
    assert dataproc.create("broken").result(timeout=30).status.state == ClusterStatus.State.RUNNING


def test_slow_changes_leave_the_name_taken(dataproc: LocalDataproc) -> None:
    dataproc.set_fault("slow_create", "CreateCluster/slow$", seconds=3)
    begun = time.monotonic()
    creation = dataproc.create("slow")
    assert dataproc.get_cluster("slow").status.state == ClusterStatus.State.CREATING
    with pytest.raises(exceptions.AlreadyExists):
        dataproc.create("slow")
    creation.result(timeout=30)
    assert time.monotonic() - begun > 3
    dataproc.set_fault("slow_delete", "DeleteCluster/slow$", seconds=3)
    deletion = dataproc.delete("slow")
    assert dataproc.get_cluster("slow").status.state == ClusterStatus.State.DELETING
    with pytest.raises(exceptions.AlreadyExists):
        dataproc.create("slow")
    with pytest.raises(exceptions.FailedPrecondition, match="other pending delete operations"):
        dataproc.delete("slow")
    deletion.result(timeout=30)
    with pytest.raises(exceptions.NotFound):
        dataproc.get_cluster("slow")


@pytest.fixture
def sleeper(dataproc: LocalDataproc) -> str:
    """The main file of a job that does not end by itself."""
    return dataproc.put("sleep.py", "import time\ntime.sleep(300)\n")


def test_vanished_cluster_leaves_its_job_in_error(dataproc: LocalDataproc, sleeper: str) -> None:
    dataproc.create("fleeting").result(timeout=30)
    dataproc.set_fault("vanish_cluster", "SubmitJob/lost$", seconds=1)
    dataproc.submit("fleeting", sleeper, job_id="lost")
    job = dataproc.end_of("lost")
    assert (job.status.state, job.status.details) == (JobStatus.State.ERROR, "Task not found")
    assert not dataproc.processes()
    for call in (dataproc.get_cluster, dataproc.delete):
        with pytest.raises(exceptions.NotFound):
            call("fleeting")
    dataproc.create("fleeting").result(timeout=30)


def test_killed_driver_is_an_error_of_the_job(dataproc: LocalDataproc, cluster: str, sleeper: str) -> None:
    dataproc.set_fault("kill_driver", "SubmitJob/shot$", seconds=1)
    dataproc.submit(cluster, sleeper, job_id="shot")
    job = dataproc.end_of("shot")
    assert job.status.state == JobStatus.State.ERROR
    assert job.status.details.startswith("Driver received SIGTERM/SIGKILL signal and exited with 137 code")
    assert not dataproc.processes()
    assert dataproc.get_cluster(cluster).status.state == ClusterStatus.State.RUNNING


# Each task waits to be killed at its first attempt, and goes through at its second.
TASKS = """
import sys, time
from pyspark import TaskContext
from pyspark.sql import SparkSession
def work(number):
    attempt = TaskContext.get().attemptNumber()
    if attempt == 0:
        time.sleep(20)
    return number, attempt
tasks = int(sys.argv[1])
session = SparkSession.builder.getOrCreate()
found = session.sparkContext.parallelize(range(tasks), tasks).map(work).collect()
print("NUMBERS", [number for number, _ in found], "AGAIN", sum(attempt for _, attempt in found))
"""


@pytest.mark.parametrize(("action", "tasks"), [("kill_worker", 1), ("lose_secondaries", 2)])
def test_task_of_a_lost_worker_is_tried_again(
    dataproc: LocalDataproc, cluster: str, action: str, tasks: int
) -> None:
    main = dataproc.put("tasks.py", TASKS)
    # Not at once: a worker that dies before it has its task is replaced without a second attempt.
    dataproc.set_fault(action, "SubmitJob", seconds=2)
    dataproc.submit(cluster, main, job_id=action, args=[str(tasks)])
    job = dataproc.end_of(action)
    output = dataproc.path(job.driver_output_resource_uri + ".000000000").read_text()
    assert job.status.state == JobStatus.State.DONE, output
    lost = dataproc.struck()[-1]["struck"]
    assert 1 <= len(lost) <= tasks
    assert f"NUMBERS {list(range(tasks))} AGAIN {len(lost)}" in output
