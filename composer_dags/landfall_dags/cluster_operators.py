"""A batch's cluster and its Spark job, each found again by whoever tries again."""

import time
from collections.abc import Iterator
from typing import Any, cast

from airflow.providers.google.cloud.links.dataproc import DataprocClusterLink, DataprocJobLink
from airflow.providers.google.cloud.operators.dataproc import (
    DataprocCreateClusterOperator,
    DataprocDeleteClusterOperator,
    DataprocSubmitJobOperator,
)
from airflow.sdk.exceptions import AirflowException, AirflowFailException, AirflowSkipException
from google.api_core.exceptions import FailedPrecondition, NotFound

from landfall_dags import dataproc, store
from landfall_dags.agenda import Fault
from landfall_dags.blame import Failure, parse_failure
from landfall_dags.cluster import AUTO_DELETE_SECONDS
from landfall_dags.dataproc import Cluster, Dataproc, Job
from landfall_dags.errors import BatchFault

# The provider waits ten seconds and more between two looks: a good part of a small batch's time.
POLL_SECONDS = 2.0
# Far longer than a cluster takes to come or to go.
MOST_CLUSTER_SECONDS = 1800
# A job that takes longer outlives its cluster, and would seem to have lost it.
MOST_JOB_SECONDS = AUTO_DELETE_SECONDS - MOST_CLUSTER_SECONDS
_BROKEN = ("ERROR", "ERROR_DUE_TO_UPDATE", "STOPPED", "STOPPING", "UNKNOWN")


class CreateClusterOperator(DataprocCreateClusterOperator):
    """Makes the batch's cluster and returns its uuid; a batch that is parsed needs none, and is skipped.

    A cluster that an earlier attempt made is taken, awaited while it comes up, and replaced when it is broken
    or being deleted. One try creates once: a cluster that then ends in ERROR is deleted, and the try fails.
    Clusters of other batches of the dataset are deleted, for only one run of a dataset is active.

    Args:
        parsed: `True` where the batch's metrics are there (templated).
    """

    template_fields = (*DataprocCreateClusterOperator.template_fields, "parsed")

    def __init__(self, *, parsed: str, **kwargs: Any) -> None:
        super().__init__(deferrable=False, **kwargs)
        self.parsed = parsed

    def execute(self, context: Any) -> str:  # type: ignore[override]
        if self.parsed == str(True):
            raise AirflowSkipException("an earlier run turned the batch into Parquet: it needs no cluster")
        DataprocClusterLink.persist(
            context=context, cluster_id=self.cluster_name, project_id=self.project_id, region=self.region
        )
        api = dataproc.connect(self.project_id, self.region)
        self._delete_others(api)
        return self._bring_up(api).uuid

    def _bring_up(self, api: Dataproc) -> Cluster:
        config = cast("dict[str, Any]", self.cluster_config)
        created = False
        for cluster in _looks(api, self.cluster_name):
            if cluster is None:
                if created:
                    raise AirflowException(
                        f"expected cluster {self.cluster_name} to come up, found that it is gone. "
                        "The audit log of Dataproc says why."
                    )
                api.create_cluster(self.cluster_name, config, self.labels or {})
                created = True
            elif cluster.takes_jobs:
                return cluster
            elif cluster.state in _BROKEN:
                self.log.warning("cluster %s is in %s: %s", cluster.name, cluster.state, cluster.detail)
                api.delete_cluster(cluster)
                if created:
                    raise AirflowException(
                        f"expected cluster {cluster.name} to come up, found it in {cluster.state}: "
                        f"{cluster.detail} It is being deleted; the next try makes another."
                    )
        raise AirflowException(
            f"expected cluster {self.cluster_name} to be RUNNING within {MOST_CLUSTER_SECONDS} s, found that "
            "it is not. Look at it in Dataproc; the next try goes on waiting."
        )

    def _delete_others(self, api: Dataproc) -> None:
        config, labels = cast("dict[str, Any]", self.cluster_config), self.labels or {}
        for cluster in api.labelled(f"labels.landfall_dataset = {labels['landfall_dataset']}"):
            is_ours = cluster.staging_bucket == config["config_bucket"]
            if is_ours and cluster.name != self.cluster_name and cluster.state != "DELETING":
                self.log.warning("cluster %s was left behind by another batch: deleting it", cluster.name)
                api.delete_cluster(cluster)


class SparkJobOperator(DataprocSubmitJobOperator):
    """Runs one job on the batch's cluster and returns its id, which names the folder of its output.

    A worker that dies leaves its job: the next attempt waits for one that is running, and takes one that is
    done. A task that is killed cancels its job. BatchFault: the job failed on a cluster that is well. A
    cluster that is gone fails the task for good, for only another run can make another.

    Args:
        attempts_uri: the folder that holds a folder for each job (templated).
    """

    template_fields = (*DataprocSubmitJobOperator.template_fields, "attempts_uri")
    # The job's id once there is one, for the ledger.
    resource: str | None = None

    def __init__(self, *, attempts_uri: str, **kwargs: Any) -> None:
        super().__init__(deferrable=False, **kwargs)
        self.attempts_uri = attempts_uri

    def execute(self, context: Any) -> str:
        api = dataproc.connect(self.project_id, self.region)
        self.job_id = self.resource = self._earlier_job(api) or self._submit(api, context)
        job = self._await(api, self.job_id)
        if job is None or job.state != "DONE":
            self._fail(api, job)
        return self.job_id

    def on_kill(self) -> None:
        if self.job_id:
            dataproc.connect(self.project_id, self.region).cancel(self.job_id)

    @property
    def _cluster_name(self) -> str:
        return str(self.job["placement"]["cluster_name"])

    def _earlier_job(self, api: Dataproc) -> str | None:
        """The job to take for ours: one that is running, or one of this run that left its metrics."""
        run, _, _ = self.job["reference"]["job_id"].rpartition("-")
        jobs = api.jobs(self._cluster_name)
        running = next((job.job_id for job in jobs if not job.has_ended), None)
        if running is not None:
            self.log.info("waiting for job %s, which an earlier attempt left running", running)
            return running
        done = (job.job_id for job in jobs if job.state == "DONE" and job.job_id.startswith(f"{run}-"))
        return next((job_id for job_id in done if self._has_metrics(job_id)), None)

    def _has_metrics(self, job_id: str) -> bool:
        return store.connect().find(f"{self.attempts_uri}/{job_id}/metrics.json") is not None

    def _submit(self, api: Dataproc, context: Any) -> str:
        job_id = str(self.job["reference"]["job_id"])
        try:
            api.submit(self.job)
        except (NotFound, FailedPrecondition):
            self._expect_cluster(api, f"expected cluster {self._cluster_name} to take job {job_id}")
            raise
        self.log.info("submitted job %s", job_id)
        DataprocJobLink.persist(
            context=context, job_id=job_id, project_id=self.project_id, region=self.region
        )
        return job_id

    def _await(self, api: Dataproc, job_id: str) -> Job | None:
        deadline = time.monotonic() + MOST_JOB_SECONDS
        while (job := api.job(job_id)) is not None and not job.has_ended:
            if time.monotonic() > deadline:
                api.cancel(job_id)
                raise AirflowFailException(
                    f"expected Spark job {job_id} to end within {MOST_JOB_SECONDS} s, found it {job.state}: "
                    f"cancelled. Driver output: {job.driver_output}"
                ) from BatchFault(f"job {job_id} takes longer than its cluster may live")
            time.sleep(POLL_SECONDS)
        return job

    def _fail(self, api: Dataproc, job: Job | None) -> None:
        found = f"{job.state}: {job.details} Driver output: {job.driver_output}" if job else "no such job"
        message = f"expected Spark job {self.job_id} to end as DONE, found {found}"
        self._expect_cluster(api, message)
        failure = self._failure()
        if failure is not None:
            message = f"{message} The job says: {failure.error}"
        if job is None or job.state != "ERROR" or (failure and failure.fault is Fault.SURROUNDINGS):
            raise AirflowException(message)
        raise BatchFault(message, failure.suspects if failure else ())

    def _failure(self) -> Failure | None:
        stored = store.connect().read(f"{self.attempts_uri}/{self.job_id}/failure.json")
        return None if stored is None else parse_failure(stored.text)

    def _expect_cluster(self, api: Dataproc, message: str) -> None:
        cluster = api.cluster(self._cluster_name)
        if cluster is None or not cluster.takes_jobs:
            state = f"in {cluster.state}" if cluster else "gone"
            raise AirflowFailException(
                f"{message}. Cluster {self._cluster_name} is {state}: no try of this task can succeed, "
                "and the next run makes another cluster."
            )


class DeleteClusterOperator(DataprocDeleteClusterOperator):
    """Deletes the cluster that create_cluster returned, and waits until it is gone.

    Args:
        cluster_uuid: its uuid (templated); a cluster that has its name since is left alone.
    """

    template_fields = (*DataprocDeleteClusterOperator.template_fields, "cluster_uuid")

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(deferrable=False, **kwargs)

    def execute(self, context: Any) -> None:
        api = dataproc.connect(self.project_id, self.region)
        for cluster in _looks(api, self.cluster_name):
            if cluster is None or cluster.uuid != self.cluster_uuid:
                return
            if cluster.state != "DELETING":
                api.delete_cluster(cluster)
        raise AirflowException(
            f"expected cluster {self.cluster_name} to be deleted within {MOST_CLUSTER_SECONDS} s, found that "
            "it is not. Look at it in Dataproc; it ends by itself when its time is over."
        )


def _looks(api: Dataproc, name: str) -> Iterator[Cluster | None]:
    """What the cluster is, again and again, for as long as one may wait for it."""
    deadline = time.monotonic() + MOST_CLUSTER_SECONDS
    while time.monotonic() < deadline:
        yield api.cluster(name)
        time.sleep(POLL_SECONDS)
