"""The life of a cluster, through google-cloud-dataproc."""

import uuid
from typing import Any

import pytest
from google.api_core import exceptions
from google.cloud.dataproc_v1.types import ClusterOperationMetadata, ClusterStatus

State = ClusterStatus.State


def test_cluster_is_created_by_an_operation_that_is_not_done_at_first(dataproc: Any) -> None:
    dataproc.set_fault("slow_create", "CreateCluster/life$", seconds=3)
    operation = dataproc.create(
        "life", secondary_worker_config={"num_instances": 2, "preemptibility": "SPOT"}
    )
    assert not operation.operation.done
    assert dataproc.get_cluster("life").status.state == State.CREATING
    made = operation.result(timeout=30)
    assert made.status.state == State.RUNNING
    assert [status.state for status in made.status_history] == [State.CREATING]
    assert uuid.UUID(made.cluster_uuid)
    assert made.config.secondary_worker_config.is_preemptible
    assert list(made.config.secondary_worker_config.instance_names) == ["life-sw-0", "life-sw-1"]
    assert list(made.config.worker_config.instance_names) == ["life-w-0", "life-w-1"]
    assert made == dataproc.get_cluster("life")
    assert operation.metadata.operation_type == "CREATE"
    assert operation.metadata.cluster_uuid == made.cluster_uuid
    assert operation.metadata.status.state.name == "DONE"


def test_deleted_cluster_is_gone_and_its_name_is_free(dataproc: Any) -> None:
    first = dataproc.create("again").result(timeout=30)
    dataproc.set_fault("slow_delete", "DeleteCluster/again$", seconds=3)
    deletion = dataproc.delete("again")
    assert not deletion.operation.done
    assert dataproc.get_cluster("again").status.state == State.DELETING
    with pytest.raises(exceptions.FailedPrecondition, match="other pending delete operations"):
        dataproc.delete("again")
    with pytest.raises(exceptions.AlreadyExists):
        dataproc.create("again")
    deletion.result(timeout=30)
    with pytest.raises(
        exceptions.NotFound, match=r"Not found: Cluster projects/test-project/.*/clusters/again"
    ):
        dataproc.get_cluster("again")
    with pytest.raises(exceptions.NotFound):
        dataproc.delete("again")
    assert dataproc.create("again").result(timeout=30).cluster_uuid != first.cluster_uuid


def test_name_of_a_cluster_is_taken_once(dataproc: Any, cluster: str) -> None:
    with pytest.raises(
        exceptions.AlreadyExists, match="Already exists: Failed to create cluster: Cluster proj"
    ):
        dataproc.create(cluster)


def test_same_request_id_gives_the_first_operation(dataproc: Any) -> None:
    first = dataproc.create("request", request_id="create-1")
    assert dataproc.create("request", request_id="create-1").operation.name == first.operation.name
    first.result(timeout=30)
    assert dataproc.create("request", request_id="create-1").result(timeout=30).cluster_name == "request"
    gone = dataproc.delete("request", request_id="delete-1")
    assert dataproc.delete("request", request_id="delete-1").operation.name == gone.operation.name
    gone.result(timeout=30)
    assert dataproc.delete("request", request_id="delete-1").operation.done


def test_uuid_of_another_cluster_deletes_nothing(dataproc: Any, cluster: str) -> None:
    with pytest.raises(exceptions.NotFound):
        dataproc.delete(cluster, cluster_uuid=str(uuid.uuid4()))
    assert dataproc.get_cluster(cluster).status.state == State.RUNNING


def test_deletion_during_creation_fails_the_creation(dataproc: Any) -> None:
    dataproc.set_fault("slow_create", "CreateCluster/short$", seconds=60)
    creation = dataproc.create("short")
    dataproc.delete("short").result(timeout=30)
    with pytest.raises(exceptions.GoogleAPICallError, match="deleted meanwhile"):
        creation.result(timeout=30)


def test_cancelled_creation_leaves_a_cluster_in_error(dataproc: Any) -> None:
    dataproc.set_fault("slow_create", "CreateCluster/cancelled$", seconds=60)
    creation = dataproc.create("cancelled")
    dataproc.clusters.cancel_operation({"name": creation.operation.name})
    with pytest.raises(exceptions.GoogleAPICallError, match="cancelled"):
        creation.result(timeout=30)
    assert dataproc.get_cluster("cancelled").status.state == State.ERROR
    dataproc.delete("cancelled").result(timeout=30)


def test_list_filters_and_pages(dataproc: Any) -> None:
    for number in range(3):
        request = {
            **dataproc.scope,
            "cluster": {"cluster_name": f"list-{number}", "labels": {"kind": "list"}, "config": {}},
        }
        dataproc.clusters.create_cluster(request=request).result(timeout=30)
    asked = {**dataproc.scope, "filter": "labels.kind = list AND status.state = ACTIVE", "page_size": 2}
    pages = list(dataproc.clusters.list_clusters(request=asked).pages)
    assert [[one.cluster_name for one in page.clusters] for page in pages] == [
        ["list-2", "list-1"],
        ["list-0"],
    ]
    one = list(dataproc.clusters.list_clusters(request={**dataproc.scope, "filter": "clusterName = list-1"}))
    assert [found.cluster_name for found in one] == ["list-1"]
    none = dataproc.clusters.list_clusters(
        request={**dataproc.scope, "filter": "labels.kind=list status.state=ERROR"}
    )
    assert not list(none)
    with pytest.raises(exceptions.InvalidArgument, match="Invalid filter"):
        dataproc.clusters.list_clusters(request={**dataproc.scope, "filter": "machine = big"})


def test_operations_are_listed_and_deleted(dataproc: Any) -> None:
    dataproc.set_fault("slow_create", "CreateCluster/operations$", seconds=60)
    operation = dataproc.create("operations").operation
    with pytest.raises(exceptions.FailedPrecondition):
        dataproc.clusters.delete_operation({"name": operation.name})
    dataproc.delete("operations").result(timeout=30)
    name = operation.name.rpartition("/")[0]
    asked = {"name": name, "filter": "clusterName = operations"}
    found = dataproc.clusters.list_operations(asked).operations
    metadata = [ClusterOperationMetadata.deserialize(one.metadata.value) for one in found]
    assert [(one.operation_type, one.status.state.name) for one in metadata] == [
        ("DELETE", "DONE"),
        ("CREATE", "DONE"),
    ]
    dataproc.clusters.delete_operation({"name": operation.name})
    with pytest.raises(exceptions.NotFound):
        dataproc.clusters.get_operation({"name": operation.name})


@pytest.mark.parametrize("method", ["start_cluster", "stop_cluster", "diagnose_cluster"])
def test_what_is_lacking_says_so(dataproc: Any, cluster: str, method: str) -> None:
    with pytest.raises(exceptions.MethodNotImplemented, match=r"README\.md"):
        getattr(dataproc.clusters, method)(request={**dataproc.scope, "cluster_name": cluster})


def test_another_project_is_refused(dataproc: Any) -> None:
    with pytest.raises(exceptions.PermissionDenied):
        dataproc.clusters.get_cluster(project_id="other", region="us-central1", cluster_name="any")
