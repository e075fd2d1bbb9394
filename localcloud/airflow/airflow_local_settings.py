"""Airflow's start-up hook for one machine: Dataproc's hooks speak to the local part, and tasks start fast.

Airflow imports this file from `$AIRFLOW_HOME/config` in each of its processes. The DAGs and the Google
provider stay as they are: only the clients that `DataprocHook` makes get another channel, to
`DATAPROC_EMULATOR_HOST` (`host:port`).

The scheduler and the DAG processor fork: what they have imported, their children need not import again. So
the imports below, which landfall's DAG files make too, save a second or two in every task. No channel is
made here: gRPC does not survive a fork.
"""

import functools
import importlib
import logging
import os
import sys
from typing import Any

# Nothing here is to become a setting of Airflow's.
__all__: list[str] = []

# Commands that never run a DAG's code: without the provider they start sooner.
_WITHOUT_DAGS = frozenset({"api-server", "config", "db", "info", "version"})
# Commands that fork the processes that run a DAG's code.
_FORKING = frozenset({"dag-processor", "scheduler"})
_IMPORTED_BY_DAGS = (
    "airflow.providers.google.cloud.hooks.bigquery",
    "airflow.providers.google.cloud.hooks.gcs",
    "airflow.providers.google.cloud.operators.bigquery",
    "airflow.providers.google.cloud.operators.dataproc",
    "airflow.providers.standard.decorators.python",
    "airflow.providers.standard.operators.trigger_dagrun",
    "airflow.sdk.execution_time.task_runner",
    "google.cloud.bigquery",
    "google.cloud.storage",
)


def _redirect() -> None:
    import grpc
    from airflow.providers.google.cloud.hooks.dataproc import DataprocAsyncHook, DataprocHook
    from google.cloud import dataproc_v1
    from google.cloud.dataproc_v1.services.cluster_controller import transports as cluster_transports
    from google.cloud.dataproc_v1.services.job_controller import transports as job_transports

    options = [("grpc.enable_http_proxy", 0)]

    @functools.cache
    def channel() -> grpc.Channel:
        return grpc.insecure_channel(os.environ["DATAPROC_EMULATOR_HOST"], options=options)

    def cluster_client(*_: Any, **__: Any) -> dataproc_v1.ClusterControllerClient:
        transport = cluster_transports.ClusterControllerGrpcTransport(channel=channel())
        return dataproc_v1.ClusterControllerClient(transport=transport)

    def job_client(*_: Any, **__: Any) -> dataproc_v1.JobControllerClient:
        transport = job_transports.JobControllerGrpcTransport(channel=channel())
        return dataproc_v1.JobControllerClient(transport=transport)

    def operations_client(*_: Any, **__: Any) -> Any:
        return cluster_client().transport.operations_client

    # An asynchronous channel belongs to the event loop in which it is made.
    def async_channel() -> grpc.aio.Channel:
        return grpc.aio.insecure_channel(os.environ["DATAPROC_EMULATOR_HOST"], options=options)

    async def async_cluster_client(*_: Any, **__: Any) -> dataproc_v1.ClusterControllerAsyncClient:
        transport = cluster_transports.ClusterControllerGrpcAsyncIOTransport(channel=async_channel())
        return dataproc_v1.ClusterControllerAsyncClient(transport=transport)

    async def async_job_client(*_: Any, **__: Any) -> dataproc_v1.JobControllerAsyncClient:
        transport = job_transports.JobControllerGrpcAsyncIOTransport(channel=async_channel())
        return dataproc_v1.JobControllerAsyncClient(transport=transport)

    for hook, getters in (
        (
            DataprocHook,
            {
                "get_cluster_client": cluster_client,
                "get_job_client": job_client,
                "get_operations_client": operations_client,
            },
        ),
        (DataprocAsyncHook, {"get_cluster_client": async_cluster_client, "get_job_client": async_job_client}),
    ):
        for name, getter in getters.items():
            setattr(hook, name, getter)


# Each task would say four times that OpenLineage says nothing of it. A level would be lost when the task's
# process sets up its log; a filter stays.
for _name in ("plugins.listener", "utils.emission_policy"):
    logging.getLogger(f"airflow.providers.openlineage.{_name}").addFilter(
        lambda record: record.levelno > logging.INFO
    )

_command = sys.argv[1] if len(sys.argv) > 1 else ""
if _command not in _WITHOUT_DAGS:
    _redirect()
if _command in _FORKING:
    for _module in _IMPORTED_BY_DAGS:
        importlib.import_module(_module)
