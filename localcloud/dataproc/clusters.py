"""The life of clusters: CREATING, RUNNING, DELETING, gone; each change by a long-running operation."""

import uuid
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import grpc
from google.cloud.dataproc_v1.types import (
    Cluster,
    ClusterStatus,
    CreateClusterRequest,
    DeleteClusterRequest,
    GetClusterRequest,
    InstanceGroupConfig,
    ListClustersRequest,
    ListClustersResponse,
)
from google.longrunning.operations_pb2 import Operation  # type: ignore[import-untyped]
from google.protobuf.empty_pb2 import Empty

from localcloud.faults.reader import Faults

from . import filters, operations, validation
from .call_faults import choose_for
from .errors import already_exists, failed_precondition, invalid_argument, not_found
from .lifecycle import deletion_time
from .names import Scope, instance_names
from .store import PendingOperation, Store

State = ClusterStatus.State
SERVICE = "ClusterController"
DEFAULT_IMAGE = "3.0-debian13"
DEFAULT_WORKERS = 2
TIME_BETWEEN_TTL_CHECKS = timedelta(seconds=30)


class Clusters:
    """The clusters of the store. `advance` makes happen what is due; the rest answers the API."""

    def __init__(
        self,
        store: Store,
        buckets: Path,
        change_time: timedelta,
        clock: Callable[[], datetime],
        end_jobs: Callable[[str, str], None],
        faults: Faults,
    ) -> None:
        self._store = store
        self._buckets = buckets
        self._change_time = change_time
        self._clock = clock
        self._end_jobs = end_jobs
        self._faults = faults
        # Operations that will fail, by a rule of faults.
        self._failing: set[str] = set()

    def create(self, request: CreateClusterRequest) -> Operation:
        """Begin to create a cluster; the operation that is returned is not done."""
        scope = Scope(request.project_id, request.region)
        now = self._clock()
        if problems := validation.create_cluster_problems(request, now):
            raise invalid_argument(problems)
        with self._store.transaction():
            if (first := self._first("CreateCluster", scope, request.request_id)) is not None:
                return first
            name = request.cluster.cluster_name
            if self._store.cluster(scope, name) is not None:
                raise already_exists("create cluster", scope.cluster(name))
            cluster = _completed(request.cluster, scope, now)
            self._claim_buckets(request.cluster, cluster)
            self._store.put_cluster(scope, cluster)
            slow = self._slowness("CreateCluster", "slow_create", name)
            operation = self._begin("CREATE", "CreateCluster", scope, cluster, request.request_id, slow)
            if choose_for(self._faults, SERVICE, "CreateCluster", name, "cluster_error"):
                self._failing.add(operation.name)
            return operation

    def get(self, request: GetClusterRequest) -> Cluster:
        """The cluster; NOT_FOUND if there is none of that name."""
        return self._find(Scope(request.project_id, request.region), request.cluster_name)

    def list(self, request: ListClustersRequest) -> ListClustersResponse:
        """The clusters that match the filter, newest first, in pages."""
        scope = Scope(request.project_id, request.region)
        terms = filters.parse(request.filter, ("status.state", "clusterName"))
        found = [one for one in self._store.clusters(scope) if filters.cluster_matches(one, terms)]
        page = filters.page(len(found), request.page_size, request.page_token)
        return ListClustersResponse(clusters=found[page.start : page.stop], next_page_token=page.next_token)

    def delete(self, request: DeleteClusterRequest) -> Operation:
        """Begin to delete a cluster; its jobs end at once."""
        scope = Scope(request.project_id, request.region)
        name = request.cluster_name
        if problems := validation.delete_cluster_problems(scope, name, request.request_id):
            raise invalid_argument(problems)
        with self._store.transaction():
            if (first := self._first("DeleteCluster", scope, request.request_id)) is not None:
                return first
            cluster = self._find(scope, name)
            if request.cluster_uuid and request.cluster_uuid != cluster.cluster_uuid:
                raise not_found(f"{scope.cluster(name)} with UUID {request.cluster_uuid}")
            if cluster.status.state == State.DELETING:
                raise failed_precondition(
                    f"Cannot delete cluster '{name}' when it has other pending delete operations."
                )
            slow = self._slowness("DeleteCluster", "slow_delete", name)
            return self._begin_deletion(scope, cluster, request.request_id, slow)

    def cancel_operation(self, name: str) -> None:
        """Stop a creation: its operation fails as CANCELLED, its cluster is in ERROR. A deletion goes on."""
        with self._store.transaction():
            operation = operations.find(self._store, name)
            metadata = operations.metadata_of(operation)
            pending = next((one for one in self._store.pending_operations() if one.name == name), None)
            if pending is None or metadata.operation_type != "CREATE":
                return
            cluster = self._find(pending.scope, metadata.cluster_name)
            enter(cluster, State.ERROR, self._clock(), "The creation of the cluster was cancelled.")
            self._store.put_cluster(pending.scope, cluster)
            self._fail(pending, operation, grpc.StatusCode.CANCELLED, "The operation was cancelled.")

    def advance(self) -> datetime:
        """Finish the operations that are due, delete clusters past their TTL; returns when to come again."""
        with self._store.transaction():
            now = self._clock()
            for pending in self._store.pending_operations():
                if pending.due <= now.timestamp():
                    self._finish(pending, now)
            for cluster in self._store.clusters():
                if cluster.status.state in (State.RUNNING, State.ERROR):
                    self._delete_if_expired(cluster, now)
            moments = [pending.due for pending in self._store.pending_operations()]
            return min([*map(_from_epoch(now), moments), now + TIME_BETWEEN_TTL_CHECKS])

    def _delete_if_expired(self, cluster: Cluster, now: datetime) -> None:
        scope = self._store.scope_of_cluster(cluster.cluster_uuid)
        moment = deletion_time(cluster.config.lifecycle_config, _created(cluster), self._idle_since(cluster))
        if moment is not None and moment <= now:
            self._begin_deletion(scope, cluster, request_id="")

    def _slowness(self, method: str, action: str, name: str) -> timedelta:
        rule = choose_for(self._faults, SERVICE, method, name, action)
        return timedelta(seconds=rule.seconds if rule else 0)

    def _idle_since(self, cluster: Cluster) -> datetime | None:
        jobs = [job for _, job in self._store.jobs_of_cluster(cluster.cluster_uuid)]
        if any(job.status.state not in filters.FINAL_JOB_STATES for job in jobs):
            return None
        moments: list[Any] = [cluster.status.state_start_time, *(job.status.state_start_time for job in jobs)]
        latest: datetime = max(moments)
        return latest

    def _find(self, scope: Scope, name: str) -> Cluster:
        cluster = self._store.cluster(scope, name)
        if cluster is None:
            raise not_found(scope.cluster(name))
        return cluster

    def _first(self, method: str, scope: Scope, request_id: str) -> Operation | None:
        target = self._store.target_of_request(method, scope, request_id) if request_id else None
        return operations.find(self._store, target) if target else None

    def _begin(
        self,
        kind: str,
        method: str,
        scope: Scope,
        cluster: Cluster,
        request_id: str,
        slow: timedelta,
    ) -> Operation:
        now = self._clock()
        operation = operations.new_operation(scope, kind, cluster, now)
        due = (now + self._change_time + slow).timestamp()
        self._store.put_operation(scope, operation, cluster.cluster_uuid, due)
        self._store.remember_request(method, scope, request_id, operation.name)
        return operation

    def _begin_deletion(
        self, scope: Scope, cluster: Cluster, request_id: str, slow: timedelta = timedelta(0)
    ) -> Operation:
        for pending in self._store.pending_operations():
            if pending.cluster_uuid == cluster.cluster_uuid:
                operation = operations.find(self._store, pending.name)
                words = f"Cluster '{cluster.cluster_name}' was deleted meanwhile."
                self._fail(pending, operation, grpc.StatusCode.CANCELLED, words)
        enter(cluster, State.DELETING, self._clock())
        self._store.put_cluster(scope, cluster)
        words = f"Cluster '{cluster.cluster_name}' was deleted while the job was active."
        self._end_jobs(cluster.cluster_uuid, words)
        return self._begin("DELETE", "DeleteCluster", scope, cluster, request_id, slow)

    def _fail(
        self, pending: PendingOperation, operation: Operation, code: grpc.StatusCode, message: str
    ) -> None:
        self._failing.discard(pending.name)
        operations.fail(operation, code, message, self._clock())
        self._store.put_operation(pending.scope, operation, pending.cluster_uuid, due=None)

    def _finish(self, pending: PendingOperation, now: datetime) -> None:
        operation = operations.find(self._store, pending.name)
        metadata = operations.metadata_of(operation)
        if metadata.operation_type == "CREATE":
            cluster = self._find(pending.scope, metadata.cluster_name)
            failure = _no_workers(cluster) if pending.name in self._failing else ""
            enter(cluster, State.ERROR if failure else State.RUNNING, now, failure)
            self._store.put_cluster(pending.scope, cluster)
            if failure:
                self._fail(pending, operation, grpc.StatusCode.INTERNAL, failure)
                return
            operations.complete(operation, Cluster.pb(cluster), now)
        else:
            self._store.drop_cluster(pending.cluster_uuid)
            operations.complete(operation, Empty(), now)
        self._store.put_operation(pending.scope, operation, pending.cluster_uuid, due=None)

    def _claim_buckets(self, asked: Cluster, cluster: Cluster) -> None:
        for field in ("config_bucket", "temp_bucket"):
            folder = self._buckets / getattr(cluster.config, field)
            if not getattr(asked.config, field):
                folder.mkdir(parents=True, exist_ok=True)
            elif not folder.is_dir():
                raise invalid_argument([f"Google Cloud Storage bucket does not exist '{folder.name}'."])


def _completed(asked: Cluster, scope: Scope, now: datetime) -> Cluster:
    """The cluster with what Dataproc adds: identity, labels, status and defaults of its config."""
    cluster = Cluster(asked)
    cluster.project_id = scope.project
    cluster.cluster_uuid = str(uuid.uuid4())
    cluster.status = ClusterStatus(state=State.CREATING, state_start_time=now)
    cluster.status_history = []
    cluster.labels["goog-dataproc-cluster-name"] = cluster.cluster_name
    cluster.labels["goog-dataproc-cluster-uuid"] = cluster.cluster_uuid
    cluster.labels["goog-dataproc-location"] = scope.region
    config = cluster.config
    config.config_bucket = config.config_bucket or f"dataproc-staging-{scope.region}-{scope.project}"
    config.temp_bucket = config.temp_bucket or f"dataproc-temp-{scope.region}-{scope.project}"
    config.software_config.image_version = config.software_config.image_version or DEFAULT_IMAGE
    _complete_groups(cluster)
    return cluster


def _complete_groups(cluster: Cluster) -> None:
    config = cluster.config
    kinds = InstanceGroupConfig.Preemptibility
    config.master_config.num_instances = config.master_config.num_instances or 1
    if not validation.is_single_node(config):
        config.worker_config.num_instances = config.worker_config.num_instances or DEFAULT_WORKERS
    for role, group in (("m", config.master_config), ("w", config.worker_config)):
        group.preemptibility = kinds(kinds.NON_PREEMPTIBLE)
        group.instance_names = instance_names(cluster.cluster_name, role, group.num_instances)
    if "secondary_worker_config" in config:
        group = config.secondary_worker_config
        group.preemptibility = kinds(group.preemptibility or kinds.PREEMPTIBLE)
        group.is_preemptible = group.preemptibility != kinds.NON_PREEMPTIBLE
        group.instance_names = instance_names(cluster.cluster_name, "sw", group.num_instances)


def _no_workers(cluster: Cluster) -> str:
    """What Dataproc says of a creation that failed since the workers did not come."""
    name = cluster.cluster_name
    lines = ["Cannot start master: Insufficient number of DataNodes reporting"]
    lines += [
        f"Worker {worker} unable to register with master: {name}-m. This could be because it is offline, or "
        "network is misconfigured."
        for worker in cluster.config.worker_config.instance_names
    ]
    return "\n".join(["Multiple Errors:", *(f" - {line}" for line in lines)])


def enter(cluster: Cluster, state: int, now: datetime, detail: str = "") -> None:
    """Change the cluster's state, and keep the one before in its history."""
    cluster.status_history.append(cluster.status)
    cluster.status = ClusterStatus(state=state, detail=detail, state_start_time=now)


def _created(cluster: Cluster) -> datetime:
    first: Any = (*cluster.status_history, cluster.status)[0].state_start_time
    moment: datetime = first
    return moment


def _from_epoch(now: datetime) -> Callable[[float], datetime]:
    return lambda seconds: datetime.fromtimestamp(seconds, now.tzinfo)
