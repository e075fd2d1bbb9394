"""Every refusal of a request, as a client sees it."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from google.api_core import exceptions

CLUSTERS = {
    "capital in the name": ({"cluster_name": "Lf-1"}, "Invalid cluster name 'Lf-1'"),
    "name too long": ({"cluster_name": "a" * 52}, "at most 51"),
    "hyphen at the end": ({"cluster_name": "lf-"}, "Invalid cluster name"),
    "no name": ({"cluster_name": ""}, "Invalid cluster name ''"),
    "other project": (
        {"project_id": "other"},
        "'other' does not match the request project id 'test-project'",
    ),
    "no config": ({"config": None}, "Exactly one of ClusterConfig or VirtualClusterConfig"),
    "label key": ({"labels": {"Key": "v"}}, "Invalid label key 'Key'"),
    "label value": ({"labels": {"key": "V!"}}, "Invalid value 'V!' of label 'key'"),
    "many labels": ({"labels": {f"k{n}": "" for n in range(33)}}, "Too many labels: found 33"),
}
CONFIGS = {
    "unknown image": ({"software_config": {"image_version": "9.9-debian99"}}, "image version '9.9-debian99'"),
    "wrong system": ({"software_config": {"image_version": "3.0-debian10"}}, "3.0-debian13"),
    "no prefix": ({"software_config": {"properties": {"spark.x": "1"}}}, "Invalid property 'spark.x'"),
    "idle under 5 minutes": ({"lifecycle_config": {"idle_delete_ttl": {"seconds": 299}}}, "found 299s"),
    "life under 10 minutes": ({"lifecycle_config": {"auto_delete_ttl": {"seconds": 599}}}, "found 599s"),
    "idle over 14 days": ({"lifecycle_config": {"idle_delete_ttl": {"seconds": 1209601}}}, "14 days"),
    "end in the past": (
        {"lifecycle_config": {"auto_delete_time": datetime.now(UTC) - timedelta(hours=1)}},
        "auto_delete_time",
    ),
    "Spot primary": ({"worker_config": {"preemptibility": "SPOT"}}, "worker group must be NON_PREEMPTIBLE"),
    "preemptible master": ({"master_config": {"preemptibility": "PREEMPTIBLE"}}, "master group must be"),
    "unknown preemptibility": (
        {"secondary_worker_config": {"preemptibility": 9}},
        "Invalid preemptibility 9",
    ),
    "two masters": ({"master_config": {"num_instances": 2}}, "found 2, expected 1, or 3"),
    "one worker": ({"worker_config": {"num_instances": 1}}, "at least 2"),
    "secondaries of a single node": (
        {
            "secondary_worker_config": {"num_instances": 1},
            "software_config": {"properties": {"dataproc:dataproc.allow.zero.workers": "true"}},
        },
        "no secondary workers",
    ),
    "negative count": ({"secondary_worker_config": {"num_instances": -1}}, "Invalid number of instances"),
    "machine type": ({"master_config": {"machine_type_uri": "E2 big"}}, "Invalid machine type 'E2 big'"),
    "zone elsewhere": ({"gce_cluster_config": {"zone_uri": "europe-west1-b"}}, "not in region 'us-central1'"),
    "subnetwork elsewhere": (
        {"gce_cluster_config": {"subnetwork_uri": "projects/p/regions/europe-west1/subnetworks/s"}},
        "not in region",
    ),
    "autoscaling policy by its id alone": (
        {"autoscaling_config": {"policy_uri": "landfall-2-primaries"}},
        "Invalid autoscaling policy 'landfall-2-primaries'",
    ),
    "autoscaling policy with a short id": (
        {"autoscaling_config": {"policy_uri": "projects/p/regions/us-central1/autoscalingPolicies/ab"}},
        "Invalid autoscaling policy",
    ),
    "autoscaling policy of another project": (
        {"autoscaling_config": {"policy_uri": "projects/p/regions/us-central1/autoscalingPolicies/abc"}},
        "must be in the cluster's own project 'test-project'",
    ),
    "autoscaling policy elsewhere": (
        {
            "autoscaling_config": {
                "policy_uri": "projects/test-project/regions/europe-west1/autoscalingPolicies/abc"
            }
        },
        "and region 'us-central1'",
    ),
    "autoscaling of a single node": (
        {
            "autoscaling_config": {
                "policy_uri": "projects/test-project/regions/us-central1/autoscalingPolicies/abc"
            },
            "software_config": {"properties": {"dataproc:dataproc.allow.zero.workers": "true"}},
        },
        "A single-node cluster cannot have an autoscaling policy",
    ),
    "uri for a bucket": ({"config_bucket": "gs://bucket"}, "expected the name of a bucket"),
    "bucket that is not there": ({"config_bucket": "nowhere"}, "bucket does not exist 'nowhere'"),
}
PYSPARK = {
    "no main file": ({"main_python_file_uri": ""}, "Main python file is required"),
    "main file is no .py": ({"main_python_file_uri": "gs://b/main.sh"}, "must be a .py file"),
    "main file without bucket": ({"main_python_file_uri": "main.py"}, "expected gs://<bucket>/<object>"),
    "python file elsewhere": ({"python_file_uris": ["hdfs:///a.zip"]}, "Invalid URI 'hdfs:///a.zip'"),
}
JOBS = {
    "job id": ({"reference": {"job_id": "a b"}}, "Invalid job id 'a b'"),
    "job id too long": ({"reference": {"job_id": "a" * 101}}, "100 at most"),
    "other project": ({"reference": {"project_id": "other"}}, "does not match the request project id"),
    "no placement": ({"placement": {}}, "placement.cluster_name is empty"),
    "no type": ({"pyspark_job": None}, "Job type is required"),
}


def refused(call: Any, request: dict[str, Any]) -> str:
    """The message of INVALID_ARGUMENT."""
    with pytest.raises(exceptions.InvalidArgument) as caught:
        call(request=request)
    return str(caught.value)


@pytest.mark.parametrize(("change", "message"), CLUSTERS.values(), ids=CLUSTERS)
def test_cluster(dataproc: Any, change: dict[str, Any], message: str) -> None:
    cluster = {"cluster_name": "refused", "config": {}, **change}
    found = refused(dataproc.clusters.create_cluster, {**dataproc.scope, "cluster": cluster})
    assert message in found


@pytest.mark.parametrize(("config", "message"), CONFIGS.values(), ids=CONFIGS)
def test_cluster_config(dataproc: Any, config: dict[str, Any], message: str) -> None:
    cluster = {"cluster_name": "refused", "config": config}
    found = refused(dataproc.clusters.create_cluster, {**dataproc.scope, "cluster": cluster})
    assert message in found
    with pytest.raises(exceptions.NotFound):
        dataproc.get_cluster("refused")


@pytest.mark.parametrize(("change", "message"), JOBS.values(), ids=JOBS)
def test_job(dataproc: Any, cluster: str, change: dict[str, Any], message: str) -> None:
    main = {"main_python_file_uri": "gs://b/m.py"}
    job = {"placement": {"cluster_name": cluster}, "pyspark_job": main, **change}
    assert message in refused(dataproc.jobs.submit_job, {**dataproc.scope, "job": job})


@pytest.mark.parametrize(("change", "message"), PYSPARK.values(), ids=PYSPARK)
def test_pyspark_job(dataproc: Any, cluster: str, change: dict[str, Any], message: str) -> None:
    main = {"main_python_file_uri": "gs://b/m.py", **change}
    job = {"placement": {"cluster_name": cluster}, "pyspark_job": main}
    assert message in refused(dataproc.jobs.submit_job, {**dataproc.scope, "job": job})


def test_request_id_and_region(dataproc: Any) -> None:
    request = {**dataproc.scope, "cluster": {"cluster_name": "c", "config": {}}}
    create = dataproc.clusters.create_cluster
    assert "40 at most" in refused(create, {**request, "request_id": "a" * 41})
    assert "Region 'nowhere'" in refused(create, {**request, "region": "nowhere"})


def test_several_problems_are_told_together(dataproc: Any) -> None:
    config = {"worker_config": {"num_instances": 1}, "software_config": {"image_version": "0.1"}}
    cluster = {"cluster_name": "No", "config": config}
    found = refused(dataproc.clusters.create_cluster, {**dataproc.scope, "cluster": cluster})
    assert "Multiple validation errors:" in found
    assert found.count("\n - ") == 3


def test_shapes_that_dataproc_accepts(dataproc: Any) -> None:
    name = "a" + "-1" * 25
    shape = {
        "software_config": {
            "image_version": "3.0-debian13",
            "properties": {
                "dataproc:efm.spark.shuffle": "primary-worker",
                "spark:spark.sql.ansi.enabled": "true",
            },
        },
        "master_config": {"num_instances": 1, "machine_type_uri": "e2-standard-4"},
        "worker_config": {
            "num_instances": 2,
            "machine_type_uri": "zones/us-central1-a/machineTypes/e2-standard-4",
        },
        "secondary_worker_config": {"num_instances": 8, "preemptibility": "SPOT"},
        "autoscaling_config": {
            "policy_uri": "projects/test-project/regions/us-central1/autoscalingPolicies/landfall-9-primaries"
        },
        "lifecycle_config": {"idle_delete_ttl": {"seconds": 300}, "auto_delete_ttl": {"seconds": 600}},
    }
    assert len(name) == 51
    assert dataproc.create(name, **shape).result(timeout=30).cluster_name == name
