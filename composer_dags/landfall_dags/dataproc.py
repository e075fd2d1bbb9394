"""The one module that talks to Dataproc: clusters and jobs, each call repeated while the API is down."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from google.api_core.exceptions import (
    AlreadyExists,
    FailedPrecondition,
    GatewayTimeout,
    InternalServerError,
    NotFound,
    ServiceUnavailable,
    TooManyRequests,
    Unknown,
)
from google.api_core.retry import Retry, if_exception_type
from google.cloud import dataproc_v1

CONNECTION = "google_cloud_default"
# Every call is a read, or finds at its repetition what it did before: a cluster by its name, a job by its id;
# and a deletion names the cluster's uuid.
_TRANSIENT = (TooManyRequests, InternalServerError, ServiceUnavailable, GatewayTimeout, Unknown)
_PATIENCE: dict[str, Any] = {
    "retry": Retry(predicate=if_exception_type(*_TRANSIENT), initial=0.5, maximum=20, timeout=120),
    "timeout": 60,
}
FINAL = ("DONE", "ERROR", "CANCELLED")


@dataclass(frozen=True)
class Cluster:
    """A cluster as Dataproc describes it; `state` is the name of its state."""

    name: str
    uuid: str
    state: str
    detail: str
    labels: Mapping[str, str]
    staging_bucket: str

    @property
    def takes_jobs(self) -> bool:
        return self.state in ("RUNNING", "UPDATING")


@dataclass(frozen=True)
class Job:
    """A job as Dataproc describes it; `state` is the name of its state."""

    job_id: str
    state: str
    details: str
    driver_output: str

    @property
    def has_ended(self) -> bool:
        return self.state in FINAL


class Dataproc:
    """The clusters and jobs of one project and region."""

    def __init__(
        self,
        clusters: dataproc_v1.ClusterControllerClient,
        jobs: dataproc_v1.JobControllerClient,
        project: str,
        region: str,
    ) -> None:
        self._clusters, self._jobs = clusters, jobs
        self._place = {"project_id": project, "region": region}

    def cluster(self, name: str) -> Cluster | None:
        """The cluster of this name, None when there is none."""
        try:
            found = self._clusters.get_cluster(request=self._place | {"cluster_name": name}, **_PATIENCE)
        except NotFound:
            return None
        return _cluster(found)

    def labelled(self, terms: str) -> list[Cluster]:
        """The clusters whose labels match, as `labels.a = x AND labels.b = *`."""
        listed = self._clusters.list_clusters(request=self._place | {"filter": terms}, **_PATIENCE)
        return [_cluster(one) for one in listed]

    def create_cluster(self, name: str, config: Mapping[str, Any], labels: Mapping[str, str]) -> None:
        """Begin to create a cluster; one of that name that is there already is left as it is."""
        cluster = {
            "project_id": self._place["project_id"],
            "cluster_name": name,
            "config": config,
            "labels": labels,
        }
        try:
            self._clusters.create_cluster(request=self._place | {"cluster": cluster}, **_PATIENCE)
        except AlreadyExists:
            return

    def delete_cluster(self, cluster: Cluster) -> None:
        """Begin to delete this very cluster, and none that has its name since.

        It may be gone, on its way, or have another operation to end first: look at it again.
        """
        request = self._place | {"cluster_name": cluster.name, "cluster_uuid": cluster.uuid}
        try:
            self._clusters.delete_cluster(request=request, **_PATIENCE)
        except (NotFound, FailedPrecondition):
            return

    def job(self, job_id: str) -> Job | None:
        """The job of this id, None when there is none."""
        try:
            return _job(self._jobs.get_job(request=self._place | {"job_id": job_id}, **_PATIENCE))
        except NotFound:
            return None

    def jobs(self, cluster_name: str) -> list[Job]:
        """The jobs that were submitted to clusters of this name."""
        listed = self._jobs.list_jobs(request=self._place | {"cluster_name": cluster_name}, **_PATIENCE)
        return [_job(one) for one in listed]

    def submit(self, job: Mapping[str, Any]) -> None:
        """Submit a job whose id is the caller's alone; NotFound, FailedPrecondition: no cluster takes it."""
        try:
            self._jobs.submit_job(request=self._place | {"job": job}, **_PATIENCE)
        except AlreadyExists:
            return

    def cancel(self, job_id: str) -> None:
        """Ask a job to end; one that has ended, or is not known, is left alone."""
        try:
            self._jobs.cancel_job(request=self._place | {"job_id": job_id}, **_PATIENCE)
        except (NotFound, FailedPrecondition):
            return


def _cluster(found: Any) -> Cluster:
    return Cluster(
        name=found.cluster_name,
        uuid=found.cluster_uuid,
        state=found.status.state.name,
        detail=found.status.detail,
        labels=dict(found.labels),
        staging_bucket=found.config.config_bucket,
    )


def _job(found: Any) -> Job:
    return Job(
        job_id=found.reference.job_id,
        state=found.status.state.name,
        details=found.status.details,
        driver_output=found.driver_output_resource_uri,
    )


def connect(project: str, region: str) -> Dataproc:
    """The Dataproc that Airflow's Google connection points at."""
    from airflow.providers.google.cloud.hooks.dataproc import DataprocHook

    hook = DataprocHook(gcp_conn_id=CONNECTION)
    return Dataproc(hook.get_cluster_client(region), hook.get_job_client(region), project, region)
