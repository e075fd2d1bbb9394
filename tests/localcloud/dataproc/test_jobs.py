"""The life of a job; each of them is a real spark-submit."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from google.api_core import exceptions
from google.cloud.dataproc_v1.types import JobStatus

State = JobStatus.State


def test_failed_driver_is_an_error_that_quotes_its_exception(dataproc: Any, cluster: str) -> None:
    main = dataproc.put("fail.py", "print('before')\nraise ValueError('column b is missing')\n")
    first = dataproc.submit(cluster, main, request_id="fail-1", job_id="fail")
    assert first.status.state == State.PENDING
    assert dataproc.submit(cluster, main, request_id="fail-1").reference.job_id == "fail"
    with pytest.raises(exceptions.AlreadyExists, match=r"Failed to submit job: Job projects/.*/jobs/fail"):
        dataproc.submit(cluster, main, job_id="fail")
    job = dataproc.end_of("fail")
    assert job.status.state == State.ERROR
    assert job.status.details.endswith("\nValueError: column b is missing")
    assert [status.state for status in job.status_history] == [State.PENDING, State.SETUP_DONE, State.RUNNING]
    output = dataproc.path(job.driver_output_resource_uri + ".000000000").read_text()
    assert "before" in output
    assert "ValueError: column b is missing" in output
    uuid = dataproc.get_cluster(cluster).cluster_uuid
    folder = f"gs://test-staging/google-cloud-dataproc-metainfo/{uuid}/jobs/fail/"
    assert job.driver_output_resource_uri == f"{folder}driveroutput"
    assert not list((dataproc.folder / "state" / "jobs").glob(job.job_uuid))
    dataproc.jobs.delete_job(request={**dataproc.scope, "job_id": "fail"})
    with pytest.raises(exceptions.NotFound, match=r"Not found: Job projects/test-project/.*/jobs/fail"):
        dataproc.get_job("fail")


def test_main_file_that_is_not_there_is_an_error_that_names_it(dataproc: Any, cluster: str) -> None:
    job = dataproc.end_of(dataproc.submit(cluster, "gs://test-data/none.py").reference.job_id)
    assert job.status.state == State.ERROR
    assert job.status.details == "File not found: gs://test-data/none.py"


def test_cancel_ends_the_driver(dataproc: Any, cluster: str, waiting_driver: Callable[..., Any]) -> None:
    driver = waiting_driver(dataproc, cluster, "to-cancel")
    with pytest.raises(exceptions.FailedPrecondition, match="Cannot delete job 'to-cancel' in state RUNNING"):
        dataproc.jobs.delete_job(request={**dataproc.scope, "job_id": "to-cancel"})
    active = {**dataproc.scope, "cluster_name": cluster, "job_state_matcher": "ACTIVE"}
    assert [job.reference.job_id for job in dataproc.jobs.list_jobs(request=active)] == ["to-cancel"]
    assert dataproc.cancel("to-cancel").status.state == State.CANCEL_STARTED
    job = dataproc.end_of("to-cancel")
    assert job.status.state == State.CANCELLED
    assert not driver.is_alive()
    assert not list(dataproc.jobs.list_jobs(request=active))
    ended = dataproc.jobs.list_jobs(request={**dataproc.scope, "filter": "status.state = NON_ACTIVE"})
    assert "to-cancel" in [job.reference.job_id for job in ended]
    with pytest.raises(exceptions.FailedPrecondition, match="in state CANCELLED"):
        dataproc.cancel("to-cancel")


def test_job_that_is_cancelled_before_it_starts_never_runs(dataproc: Any, cluster: str) -> None:
    main = dataproc.put("never.py", "raise SystemExit(3)\n")
    dataproc.submit(cluster, main, job_id="never")
    dataproc.cancel("never")
    assert dataproc.end_of("never").status.state == State.CANCELLED


def test_deleting_the_cluster_ends_its_jobs(dataproc: Any, waiting_driver: Callable[..., Any]) -> None:
    dataproc.create("with-job").result(timeout=30)
    driver = waiting_driver(dataproc, "with-job", "of-cluster")
    dataproc.delete("with-job").result(timeout=30)
    job = dataproc.end_of("of-cluster")
    assert job.status.state == State.ERROR
    assert job.status.details == "Cluster 'with-job' was deleted while the job was active."
    assert not driver.is_alive()


def test_cluster_that_is_not_running_takes_no_job(dataproc: Any) -> None:
    dataproc.set_fault("slow_create", "CreateCluster/young$", seconds=3)
    creation = dataproc.create("young")
    words = "Unable to submit job, cluster 'young' is in state CREATING and cannot accept jobs."
    with pytest.raises(exceptions.FailedPrecondition, match=re.escape(words)):
        dataproc.submit("young", "gs://test-data/any.py")
    creation.result(timeout=30)
    with pytest.raises(exceptions.NotFound, match="clusters/nobody"):
        dataproc.submit("nobody", "gs://test-data/any.py")


def test_other_types_of_job_are_lacking(dataproc: Any, cluster: str) -> None:
    job = {"placement": {"cluster_name": cluster}, "hive_job": {"query_file_uri": "gs://b/q.sql"}}
    with pytest.raises(exceptions.MethodNotImplemented, match="hive_job"):
        dataproc.jobs.submit_job(request={**dataproc.scope, "job": job})
