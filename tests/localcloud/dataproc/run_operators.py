"""Run by test_operators.py in a process of its own: creates a cluster, runs a job, deletes the cluster."""

import asyncio
import warnings
from unittest.mock import MagicMock

from airflow.providers.google.cloud.hooks.dataproc import DataprocAsyncHook
from airflow.providers.google.cloud.operators.dataproc import (
    DataprocCreateClusterOperator,
    DataprocDeleteClusterOperator,
    DataprocSubmitJobOperator,
)

SCOPE = {"project_id": "test-project", "region": "us-central1"}
CLUSTER = {
    "config_bucket": "test-staging",
    "master_config": {"num_instances": 1, "machine_type_uri": "e2-standard-4"},
    "worker_config": {"num_instances": 2, "machine_type_uri": "e2-standard-4"},
    "secondary_worker_config": {"num_instances": 2, "preemptibility": "SPOT"},
    "software_config": {
        "image_version": "3.0-debian13",
        "properties": {
            "dataproc:efm.spark.shuffle": "primary-worker",
            "spark:spark.sql.ansi.enabled": "true",
            "spark:spark.sql.shuffle.partitions": "7",
        },
    },
    "lifecycle_config": {"idle_delete_ttl": {"seconds": 600}, "auto_delete_ttl": {"seconds": 3600}},
}
FOLDER = "gs://test-data/operators"
JOB = {
    "placement": {"cluster_name": "operators"},
    "pyspark_job": {
        "main_python_file_uri": f"{FOLDER}/main.py",
        "python_file_uris": [f"{FOLDER}/package.zip"],
        "file_uris": [f"{FOLDER}/note.txt"],
        "args": [f"{FOLDER}/in", f"{FOLDER}/out"],
        "properties": {"spark.sql.shuffle.partitions": "3", "spark.executor.instances": "4"},
    },
}


async def state_of_cluster() -> str:
    """The state that the asynchronous hook of the deferrable operators sees."""
    cluster = await DataprocAsyncHook().get_cluster(cluster_name="operators", **SCOPE)
    return str(cluster.status.state.name)


def main() -> None:
    """The three operators, one after the other."""
    warnings.simplefilter("ignore")
    context = MagicMock()
    create = DataprocCreateClusterOperator(
        task_id="create", cluster_name="operators", cluster_config=CLUSTER, labels={"kind": "test"}, **SCOPE
    )
    print("CLUSTER", create.execute(context)["cluster_name"])
    print("AGAIN", create.execute(context)["cluster_name"])
    print("ASYNC", asyncio.run(state_of_cluster()))
    print("JOB", DataprocSubmitJobOperator(task_id="submit", job=JOB, **SCOPE).execute(context))
    delete = DataprocDeleteClusterOperator(task_id="delete", cluster_name="operators", **SCOPE)
    delete.execute(context)
    delete.execute(context)


if __name__ == "__main__":
    main()
