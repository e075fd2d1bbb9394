"""The gRPC edge: Google's services, methods and message types, mapped to the calls behind them."""

import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import grpc
from google.cloud.dataproc_v1 import types
from google.longrunning import operations_pb2  # type: ignore[import-untyped]
from google.protobuf.empty_pb2 import Empty

from localcloud.faults.reader import Faults

from .call_faults import suffer
from .clusters import Clusters
from .errors import ApiError, permission_denied, unimplemented
from .jobs import Jobs
from .operations import Operations
from .timekeeper import Timekeeper

_THREADS = 16
_log = logging.getLogger(__name__)


class Method(NamedTuple):
    """A method: how its request is read, what answers it, how the answer is written."""

    parse: Callable[[bytes], Any]
    answer: Callable[[Any], Any]
    write: Callable[[Any], bytes]


class Served(NamedTuple):
    """What every call meets: the port and the project that are served, and the rules of faults."""

    port: int
    project: str
    faults: Faults


def make_server(
    served: Served, clusters: Clusters, jobs: Jobs, operations: Operations, timekeeper: Timekeeper
) -> grpc.Server:
    """A server of the three services, bound to loopback but not started."""
    prefix = "google.cloud.dataproc.v1"
    services = {
        f"{prefix}.ClusterController": _cluster_methods(clusters, timekeeper),
        f"{prefix}.JobController": _job_methods(jobs),
        "google.longrunning.Operations": _operation_methods(operations, clusters),
    }
    # Without SO_REUSEPORT a port that another process serves is an error, not a share of its calls.
    server = grpc.server(ThreadPoolExecutor(_THREADS), options=[("grpc.so_reuseport", 0)])
    server.add_generic_rpc_handlers(
        [
            grpc.method_handlers_generic_handler(
                service,
                {name: _handler(f"{service}/{name}", method, served) for name, method in methods.items()},
            )
            for service, methods in services.items()
        ]
    )
    server.add_insecure_port(f"127.0.0.1:{served.port}")
    return server


def _cluster_methods(clusters: Clusters, timekeeper: Timekeeper) -> dict[str, Method]:
    def awake(call: Callable[[Any], Any]) -> Callable[[Any], Any]:
        def answer(request: Any) -> Any:
            operation = call(request)
            timekeeper.wake()
            return operation

        return answer

    write = operations_pb2.Operation.SerializeToString
    return {
        "CreateCluster": Method(types.CreateClusterRequest.deserialize, awake(clusters.create), write),
        "DeleteCluster": Method(types.DeleteClusterRequest.deserialize, awake(clusters.delete), write),
        "GetCluster": Method(types.GetClusterRequest.deserialize, clusters.get, types.Cluster.serialize),
        "ListClusters": Method(
            types.ListClustersRequest.deserialize, clusters.list, types.ListClustersResponse.serialize
        ),
        **{
            name: _lacking(name)
            for name in ("UpdateCluster", "StartCluster", "StopCluster", "DiagnoseCluster")
        },
    }


def _job_methods(jobs: Jobs) -> dict[str, Method]:
    write = types.Job.serialize
    return {
        "SubmitJob": Method(types.SubmitJobRequest.deserialize, jobs.submit, write),
        "GetJob": Method(types.GetJobRequest.deserialize, jobs.get, write),
        "CancelJob": Method(types.CancelJobRequest.deserialize, jobs.cancel, write),
        "DeleteJob": Method(types.DeleteJobRequest.deserialize, jobs.delete, _empty),
        "ListJobs": Method(types.ListJobsRequest.deserialize, jobs.list, types.ListJobsResponse.serialize),
        **{name: _lacking(name) for name in ("SubmitJobAsOperation", "UpdateJob")},
    }


def _operation_methods(operations: Operations, clusters: Clusters) -> dict[str, Method]:
    messages = operations_pb2
    return {
        "GetOperation": Method(
            messages.GetOperationRequest.FromString, operations.get, messages.Operation.SerializeToString
        ),
        "ListOperations": Method(
            messages.ListOperationsRequest.FromString,
            operations.list,
            messages.ListOperationsResponse.SerializeToString,
        ),
        "CancelOperation": Method(
            messages.CancelOperationRequest.FromString,
            lambda request: clusters.cancel_operation(request.name),
            _empty,
        ),
        "DeleteOperation": Method(
            messages.DeleteOperationRequest.FromString,
            lambda request: operations.delete(request.name),
            _empty,
        ),
        "WaitOperation": _lacking("WaitOperation"),
    }


def _handler(path: str, method: Method, served: Served) -> grpc.RpcMethodHandler:
    def handle(request: Any, context: grpc.ServicerContext) -> Any:
        try:
            if getattr(request, "project_id", served.project) not in ("", served.project):
                raise permission_denied()
            return suffer(served.faults, path, context.peer(), served.port, lambda: method.answer(request))
        except ApiError as error:
            _log.info("%s: %s", path, error)
            context.abort(error.code, error.message)

    return grpc.unary_unary_rpc_method_handler(handle, method.parse, method.write)


def _lacking(name: str) -> Method:
    def answer(_: bytes) -> None:
        raise unimplemented(name)

    return Method(bytes, answer, _empty)


def _empty(_: object) -> bytes:
    return Empty().SerializeToString()
