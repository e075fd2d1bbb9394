"""Long-running operations: their messages, and the methods of `google.longrunning.Operations`."""

import uuid
from datetime import datetime

import grpc
from google.cloud.dataproc_v1.types import Cluster, ClusterOperationMetadata, ClusterOperationStatus
from google.longrunning.operations_pb2 import (  # type: ignore[import-untyped]
    GetOperationRequest,
    ListOperationsRequest,
    ListOperationsResponse,
    Operation,
)
from google.protobuf.message import Message

from . import filters
from .errors import ApiError, invalid_argument, not_found
from .names import Scope
from .store import Store

State = ClusterOperationStatus.State


def new_operation(scope: Scope, kind: str, cluster: Cluster, now: datetime) -> Operation:
    """An operation that has begun; kind is CREATE or DELETE."""
    metadata = ClusterOperationMetadata(
        cluster_name=cluster.cluster_name,
        cluster_uuid=cluster.cluster_uuid,
        operation_type=kind,
        description=f"{kind.capitalize()} cluster",
        labels=dict(cluster.labels),
        status=_status(State.RUNNING, now),
        status_history=[_status(State.PENDING, now)],
    )
    operation = Operation(name=scope.operation(str(uuid.uuid4())))
    operation.metadata.Pack(ClusterOperationMetadata.pb(metadata))
    return operation


def complete(operation: Operation, response: Message, now: datetime) -> None:
    """Make the operation done, with its response."""
    _end(operation, now)
    operation.response.Pack(response)


def fail(operation: Operation, code: grpc.StatusCode, message: str, now: datetime) -> None:
    """Make the operation done, with an error."""
    _end(operation, now)
    operation.error.code = code.value[0]
    operation.error.message = message


def metadata_of(operation: Operation) -> ClusterOperationMetadata:
    """The metadata that an operation carries."""
    metadata = ClusterOperationMetadata()
    operation.metadata.Unpack(ClusterOperationMetadata.pb(metadata))
    return metadata


class Operations:
    """The read side of the operations, and their deletion. Cancelling belongs to the clusters."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def get(self, request: GetOperationRequest) -> Operation:
        """The operation; NOT_FOUND if there is none of that name."""
        return find(self._store, request.name)

    def list(self, request: ListOperationsRequest) -> ListOperationsResponse:
        """The operations of `projects/<p>/regions/<r>/operations`, newest first, in pages."""
        scope = _scope_of_list(request.name)
        terms = filters.parse(request.filter, ("status.state", "clusterName"))
        found = [one for one in self._store.operations(scope) if _matches(one, terms)]
        page = filters.page(len(found), request.page_size, request.page_token)
        return ListOperationsResponse(
            operations=found[page.start : page.stop], next_page_token=page.next_token
        )

    def delete(self, name: str) -> None:
        """Forget an operation that is done."""
        with self._store.transaction():
            if not find(self._store, name).done:
                raise ApiError(grpc.StatusCode.FAILED_PRECONDITION, f"Operation {name} is not done.")
            self._store.drop_operation(name)


def find(store: Store, name: str) -> Operation:
    """The operation of that full name; NOT_FOUND if there is none."""
    operation = store.operation(name)
    if operation is None:
        raise not_found(f"Operation {name}")
    return operation


def _status(state: int, now: datetime) -> ClusterOperationStatus:
    return ClusterOperationStatus(state=state, inner_state=State(state).name, state_start_time=now)


def _end(operation: Operation, now: datetime) -> None:
    metadata = metadata_of(operation)
    metadata.status_history.append(metadata.status)
    metadata.status = _status(State.DONE, now)
    operation.metadata.Pack(ClusterOperationMetadata.pb(metadata))
    operation.done = True


def _scope_of_list(name: str) -> Scope:
    match name.split("/"):
        case ["projects", project, "regions", region, "operations"]:
            return Scope(project, region)
    raise invalid_argument(
        [f"Invalid name '{name}': expected projects/<project>/regions/<region>/operations."]
    )


def _matches(operation: Operation, terms: list[filters.Term]) -> bool:
    metadata = metadata_of(operation)
    values = {"clusterName": {metadata.cluster_name}, "status.state": {metadata.status.state.name}}
    if not operation.done:
        values["status.state"].add("ACTIVE")
    found = [
        values[field] if field in values else {metadata.labels.get(field.removeprefix("labels."), "")}
        for field, _ in terms
    ]
    return all(value == "*" or value in known for known, (_, value) in zip(found, terms, strict=True))
