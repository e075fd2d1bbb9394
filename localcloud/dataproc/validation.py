"""What Dataproc refuses before it does anything. Pure: a request in, the list of its problems out.

Limits are those of the API reference of `google.cloud.dataproc.v1` (cluster name, ids, TTLs, groups, labels).
"""

import re
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from google.cloud.dataproc_v1.types import (
    Cluster,
    ClusterConfig,
    CreateClusterRequest,
    InstanceGroupConfig,
    Job,
    LifecycleConfig,
    SubmitJobRequest,
)

from .names import Scope

Preemptibility = InstanceGroupConfig.Preemptibility

MINIMUM_IDLE = timedelta(minutes=5)
MINIMUM_LIFETIME = timedelta(minutes=10)
MAXIMUM_LIFETIME = timedelta(days=14)

CLUSTER_NAME = re.compile(r"[a-z]([-a-z0-9]{0,49}[a-z0-9])?")
JOB_ID = re.compile(r"[a-zA-Z0-9_-]{1,100}")
REQUEST_ID = re.compile(r"[a-zA-Z0-9_-]{1,40}")
REGION = re.compile(r"[a-z]+(-[a-z]+)+[0-9]+")
LABEL_KEY = re.compile(r"[a-z][-_a-z0-9]{0,62}")
LABEL_VALUE = re.compile(r"[-_a-z0-9]{0,63}")
BUCKET = re.compile(r"[a-z0-9][-_.a-z0-9]{1,220}[a-z0-9]")
MACHINE_TYPE = re.compile(r"(.*/machineTypes/)?[a-z][a-z0-9]*-[a-z0-9-]+")
URI = re.compile(r"(gs://[^/]+/.+|file:///.+)")
POLICY_URI = re.compile(
    r"(https://www\.googleapis\.com/compute/v1/)?projects/(?P<project>[^/]+)/(regions|locations)/(?P<region>[^/]+)"
    r"/autoscalingPolicies/[a-zA-Z0-9][a-zA-Z0-9_-]{1,48}[a-zA-Z0-9]"
)

# Image tracks that create clusters, and the systems that each is built on.
IMAGE_SYSTEMS: Mapping[str, frozenset[str]] = {
    "2.1": frozenset({"debian11", "ubuntu20", "rocky8"}),
    "2.2": frozenset({"debian12", "ubuntu22", "rocky9"}),
    "2.3": frozenset({"debian12", "ubuntu22", "rocky9", "ml-ubuntu22"}),
    "3.0": frozenset({"debian13", "ubuntu24", "rocky9"}),
}
IMAGE_VERSION = re.compile(r"(?P<track>\d+\.\d+)(\.\d+)?(-(?P<system>[a-z0-9-]+))?")

PROPERTY_PREFIX = re.compile(
    "capacity-scheduler|core|dataproc|distcp|flink(-log4j)?|hadoop-(env|log4j)|hbase(-log4j)?|hdfs"
    "|hive(-log4j2)?|hudi|iceberg|mapred(-env)?|pig(-log4j)?|presto(-jvm)?|ranger-hive-audit|solr|spark(-env|-log4j)?|tez"
    "|trino(-jvm)?|yarn(-env)?|zeppelin(-env)?|zookeeper"
)
CLUSTER_LABELS = 32


def scope_problems(scope: Scope) -> list[str]:
    """Problems of the project and region that every request names."""
    problems = []
    if not scope.project:
        problems.append("Project ID is required.")
    if not REGION.fullmatch(scope.region):
        problems.append(f"Region '{scope.region}' is invalid or not supported by this endpoint.")
    return problems


def create_cluster_problems(request: CreateClusterRequest, now: datetime) -> list[str]:
    """Everything that is wrong with a request for a new cluster."""
    scope = Scope(request.project_id, request.region)
    cluster = request.cluster
    return [
        *scope_problems(scope),
        *_request_id_problems(request.request_id),
        *_cluster_name_problems(cluster.cluster_name),
        *_owner_problems("Cluster", cluster.project_id, scope.project),
        *_kind_problems(cluster),
        *_label_problems(cluster.labels),
        *_config_problems(cluster.config, scope, now),
    ]


def submit_job_problems(request: SubmitJobRequest) -> list[str]:
    """Everything that is wrong with a job, whatever its cluster."""
    scope = Scope(request.project_id, request.region)
    job = request.job
    problems = [
        *scope_problems(scope),
        *_request_id_problems(request.request_id),
        *_owner_problems("Job", job.reference.project_id, scope.project),
        *_label_problems(job.labels),
    ]
    if job.reference.job_id and not JOB_ID.fullmatch(job.reference.job_id):
        problems.append(
            f"Invalid job id '{job.reference.job_id}': only letters, numbers, underscores and hyphens "
            "are allowed, 100 at most."
        )
    if not job.placement.cluster_name:
        problems.append("Job placement is required: placement.cluster_name is empty.")
    return problems + _type_problems(job)


def delete_cluster_problems(scope: Scope, name: str, request_id: str) -> list[str]:
    """Everything that is wrong with a request to delete a cluster."""
    problems = scope_problems(scope) + _request_id_problems(request_id)
    return problems if name else [*problems, "Cluster name is required."]


def _cluster_name_problems(name: str) -> Iterator[str]:
    if not CLUSTER_NAME.fullmatch(name):
        yield (
            f"Invalid cluster name '{name}'. It must be a match of regex '{CLUSTER_NAME.pattern}': it starts "
            "with a lowercase letter, has at most 51 lowercase letters, numbers and hyphens, and does not "
            "end with a hyphen."
        )


def _request_id_problems(request_id: str) -> list[str]:
    if request_id and not REQUEST_ID.fullmatch(request_id):
        return [
            f"Invalid request id '{request_id}': only letters, numbers, underscores and hyphens are allowed, "
            "40 at most."
        ]
    return []


def _owner_problems(kind: str, project: str, expected: str) -> Iterator[str]:
    if project and project != expected:
        yield f"{kind} project id '{project}' does not match the request project id '{expected}'."


def _kind_problems(cluster: Cluster) -> Iterator[str]:
    if "virtual_cluster_config" in cluster:
        yield "Only clusters of Compute Engine are supported here: config, not virtual_cluster_config."
    elif "config" not in cluster:
        yield "Exactly one of ClusterConfig or VirtualClusterConfig must be specified."


def _label_problems(labels: Mapping[str, str]) -> Iterator[str]:
    if len(labels) > CLUSTER_LABELS:
        yield f"Too many labels: found {len(labels)}, at most {CLUSTER_LABELS} are allowed."
    for key, value in labels.items():
        if not LABEL_KEY.fullmatch(key):
            yield f"Invalid label key '{key}': expected a match of '{LABEL_KEY.pattern}'."
        if not LABEL_VALUE.fullmatch(value):
            yield f"Invalid value '{value}' of label '{key}': expected a match of '{LABEL_VALUE.pattern}'."


def _config_problems(config: ClusterConfig, scope: Scope, now: datetime) -> Iterator[str]:
    for field in ("config_bucket", "temp_bucket"):
        bucket = getattr(config, field)
        if bucket and not BUCKET.fullmatch(bucket):
            yield f"Invalid {field} '{bucket}': expected the name of a bucket, not a gs:// URI."
    yield from _image_problems(config.software_config.image_version)
    yield from _property_problems(config.software_config.properties)
    yield from _group_problems(config)
    yield from _place_problems(config, scope.region)
    yield from _autoscaling_problems(config, scope)
    yield from lifecycle_problems(config.lifecycle_config, now)


def _image_problems(version: str) -> Iterator[str]:
    if not version:
        return
    found = IMAGE_VERSION.fullmatch(version)
    systems = IMAGE_SYSTEMS.get(found["track"]) if found else None
    if not found or systems is None or (found["system"] and found["system"] not in systems):
        known = ", ".join(
            f"{track}-{system}" for track in IMAGE_SYSTEMS for system in sorted(IMAGE_SYSTEMS[track])
        )
        yield (
            f"Selected software image version '{version}' is unknown or can no longer be used to create new "
            f"clusters. Please select one of: {known}."
        )


def _property_problems(properties: Mapping[str, str]) -> Iterator[str]:
    for key in properties:
        prefix, separator, name = key.partition(":")
        if not (separator and name and PROPERTY_PREFIX.fullmatch(prefix)):
            yield f"Invalid property '{key}': expected '<prefix>:<property>', with a prefix like 'spark'."


def _group_problems(config: ClusterConfig) -> Iterator[str]:
    groups = {
        "master": config.master_config,
        "worker": config.worker_config,
        "secondary worker": config.secondary_worker_config,
    }
    for title, group in groups.items():
        machine = group.machine_type_uri
        if machine and not MACHINE_TYPE.fullmatch(machine):
            yield f"Invalid machine type '{machine}' of the {title} group."
        if group.num_instances < 0:
            yield f"Invalid number of instances in the {title} group: {group.num_instances}."
        if group.preemptibility not in tuple(Preemptibility):
            yield f"Invalid preemptibility {int(group.preemptibility)} of the {title} group."
        elif title != "secondary worker" and group.preemptibility > Preemptibility.NON_PREEMPTIBLE:
            yield (
                f"The {title} group must be NON_PREEMPTIBLE, found {group.preemptibility.name}: preemptible "
                "and Spot machines are allowed only as secondary workers."
            )
    yield from _size_problems(config)


def _size_problems(config: ClusterConfig) -> Iterator[str]:
    masters, workers = config.master_config.num_instances, config.worker_config.num_instances
    secondaries = config.secondary_worker_config.num_instances
    if masters not in (0, 1, 3):
        yield f"Invalid number of masters: found {masters}, expected 1, or 3 for high availability."
    if workers == 1:
        yield "Invalid number of primary workers: found 1, a standard cluster has at least 2."
    if workers == 0 and secondaries > 0 and ("worker_config" in config or is_single_node(config)):
        yield f"A single-node cluster has no secondary workers, found {secondaries}."


def _place_problems(config: ClusterConfig, region: str) -> Iterator[str]:
    place = config.gce_cluster_config
    zone = place.zone_uri.rpartition("/")[2]
    if zone and not zone.startswith(f"{region}-"):
        yield f"Zone '{zone}' is not in region '{region}'."
    found = re.search(r"regions/([^/]+)/subnetworks/", place.subnetwork_uri)
    if found and found[1] != region:
        yield f"Subnetwork '{place.subnetwork_uri}' is not in region '{region}'."
    if place.subnetwork_uri and place.network_uri:
        yield "Only one of networkUri and subnetworkUri may be specified."


def _autoscaling_problems(config: ClusterConfig, scope: Scope) -> Iterator[str]:
    uri = config.autoscaling_config.policy_uri
    if not uri:
        return
    found = POLICY_URI.fullmatch(uri)
    if not found:
        yield (
            f"Invalid autoscaling policy '{uri}': expected projects/<project>/regions/<region>/"
            "autoscalingPolicies/<id>."
        )
    elif Scope(found["project"], found["region"]) != scope:
        yield (
            f"Autoscaling policy '{uri}' must be in the cluster's own project '{scope.project}' and region "
            f"'{scope.region}'."
        )
    if is_single_node(config):
        yield "A single-node cluster cannot have an autoscaling policy."


def lifecycle_problems(config: LifecycleConfig, now: datetime) -> Iterator[str]:
    """Problems of the TTLs: idle at least 5 minutes, whole life at least 10 minutes, both at most 14 days."""
    fields: Any = config
    for field in ("idle_stop_ttl", "auto_stop_ttl", "auto_stop_time"):
        if field in config:
            yield f"lifecycle_config.{field} is not supported here: only deletion is."
    if "idle_delete_ttl" in config and not MINIMUM_IDLE <= fields.idle_delete_ttl <= MAXIMUM_LIFETIME:
        yield _duration_problem("idle_delete_ttl", fields.idle_delete_ttl, "5 minutes")
    if "auto_delete_ttl" in config and not MINIMUM_LIFETIME <= fields.auto_delete_ttl <= MAXIMUM_LIFETIME:
        yield _duration_problem("auto_delete_ttl", fields.auto_delete_ttl, "10 minutes")
    if "auto_delete_time" in config:
        ahead = fields.auto_delete_time - now
        if not MINIMUM_LIFETIME <= ahead <= MAXIMUM_LIFETIME:
            yield _duration_problem("auto_delete_time", ahead, "10 minutes from now")


def _duration_problem(field: str, found: timedelta, minimum: str) -> str:
    seconds = found.total_seconds()
    limits = f"at least {minimum} and at most 14 days"
    return f"Invalid lifecycle_config.{field}: found {seconds:.0f}s, expected {limits}."


def is_single_node(config: ClusterConfig) -> bool:
    """Whether the properties ask for a cluster whose master is its only machine."""
    allowed = config.software_config.properties.get("dataproc:dataproc.allow.zero.workers", "false")
    return allowed.lower() == "true"


def _type_problems(job: Job) -> list[str]:
    kind = Job.pb(job).WhichOneof("type_job")
    if kind is None:
        return ["Job type is required: none of the fields of type_job is set."]
    if kind != "pyspark_job":
        return []
    main = job.pyspark_job.main_python_file_uri
    if not main:
        return ["Main python file is required: pyspark_job.main_python_file_uri is empty."]
    problems = []
    if not main.endswith(".py"):
        problems.append(f"Main python file must be a .py file, found '{main}'.")
    uris = [
        main,
        *job.pyspark_job.python_file_uris,
        *job.pyspark_job.jar_file_uris,
        *job.pyspark_job.file_uris,
        *job.pyspark_job.archive_uris,
    ]
    problems += [
        f"Invalid URI '{uri}': expected gs://<bucket>/<object> or file:///<path>."
        for uri in uris
        if not URI.fullmatch(uri)
    ]
    return problems
