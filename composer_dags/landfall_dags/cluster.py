"""The cluster that a batch needs. Pure.

What every cluster has in common is in `cluster_template.json`, in the words of Dataproc's ClusterConfig.
Terraform reads it too, for the autoscaling policies and to check what a cluster may cost.
"""

import json
from collections.abc import Iterable
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from landfall_dags.errors import TerminalError
from landfall_dags.identity import SourceFile
from landfall_dags.machine import Machine, parse_machine
from landfall_dags.pipeline import Compute
from landfall_dags.settings import Settings

_TEMPLATE: dict[str, Any] = json.loads(
    Path(__file__).with_name("cluster_template.json").read_text(encoding="utf-8")
)
# What the Spark job imports beyond Spark, as requirements.txt pins it: the nodes read as the tests do. (The
# image's Python is 3.12.)
# The nodes have no public address, and Private Google Access reaches no public index: the subnetwork needs
# Cloud NAT, or the nodes' pip a mirror that it can reach (Artifact Registry is one).
PIP_PACKAGES: tuple[str, ...] = tuple(_TEMPLATE["pip_packages"])
# A cluster outlives a dead orchestrator by no more than its lifecycle_config says. An idle one may be waiting
# for a slot among Airflow's workers; no step of a run may take longer than the cluster can live.
AUTO_DELETE_SECONDS: int = _TEMPLATE["cluster"]["lifecycle_config"]["auto_delete_ttl"]["seconds"]
# CSV under gzip shrinks to a fifth or less; workers are counted for what Spark reads after unpacking.
GZIP_EXPANSION = 5
# The Spark job splits big files so, and packs small ones into tasks of the like.
SPLIT_BYTES = 64 * 2**20
# Opening an object takes about as long as reading this much: 65 ms, at the 65 MB/s that a core reads.
BYTES_PER_OPENING = 4 * 2**20
# The JVMs schedule and sort; the rows are in the Python workers.
HEAP_MB = 1024
# Python with Arrow, and the blocks of one task.
LEAST_MB_PER_CORE = 256
_APPLICATION_MASTER_MB = 1024


@dataclass(frozen=True)
class Shape:
    """How many machines of one type: `primaries` 0 means that the master does the work alone."""

    machine_type: str
    primaries: int
    secondaries: int


@dataclass(frozen=True)
class Work:
    """What a batch asks of its cluster: bytes to read, openings included, by so many tasks at once."""

    size: int
    tasks: int


def work_of(files: Iterable[SourceFile], splits: bool) -> Work:
    """The work in these files; `splits` says whether a big plain file can be read in parts."""
    batch = tuple(files)
    whole = (file.uri.endswith(".gz") or not splits for file in batch)
    tasks = (
        1 if is_whole else max(-(-file.size // SPLIT_BYTES), 1)
        for file, is_whole in zip(batch, whole, strict=True)
    )
    return Work(expanded_bytes(batch) + BYTES_PER_OPENING * len(batch), sum(tasks))


def expanded_bytes(files: Iterable[SourceFile]) -> int:
    """About how many bytes of CSV the files hold, unpacked."""
    return sum(file.size * (GZIP_EXPANSION if file.uri.endswith(".gz") else 1) for file in files)


def choose_shape(work: Work, compute: Compute) -> Shape:
    """The machines for this work: one for each `bytes_per_worker` of it, but none that would find no task.

    What one worker can do runs on a single node: two primaries and a master would treble the price and the
    start-up to idle. Beyond it, Spot secondaries make up just under half of all workers (Dataproc's advice:
    more of them, and losing a zone's Spot capacity stalls the job), primaries the rest, never fewer than the
    contract's.
    """
    machine = parse_machine(compute.machine_type)
    cores = machine.vcpus if machine else 1
    wanted = min(-(-work.size // compute.bytes_per_worker), -(-work.tasks // cores))
    if wanted <= 1:
        return Shape(compute.machine_type, 0, 0)
    least = max(compute.primary_workers, 2)
    wanted = min(max(wanted, least), max(least, 2 * compute.max_secondary_workers + 1))
    secondaries = min(compute.max_secondary_workers, (wanted - 1) // 2, wanted - least)
    return Shape(compute.machine_type, wanted - secondaries, secondaries)


def cluster_config(shape: Shape, settings: Settings) -> dict[str, Any]:
    """The shape as Dataproc's ClusterConfig: private, with an account of its own, bounded in time.

    Raises TerminalError for a machine without the memory that the job needs.
    """
    config: dict[str, Any] = deepcopy(_TEMPLATE["cluster"])
    config["config_bucket"] = config["temp_bucket"] = settings.staging_bucket
    config["gce_cluster_config"] |= {
        "subnetwork_uri": settings.dataproc_subnetwork,
        "service_account": settings.dataproc_service_account,
    }
    config["software_config"]["properties"] |= _properties(shape)
    config["master_config"] = _machines(1, shape.machine_type)
    if shape.primaries:
        config["worker_config"] = _machines(shape.primaries, shape.machine_type)
    if shape.secondaries:
        secondaries = _machines(shape.secondaries, shape.machine_type)
        config["secondary_worker_config"] = secondaries | _TEMPLATE["secondary_machine"]
    if (policy_id := autoscaling_policy(shape)) is not None:
        place = f"projects/{settings.project}/regions/{settings.region}"
        config["autoscaling_config"] = {"policy_uri": f"{place}/autoscalingPolicies/{policy_id}"}
    return config


def autoscaling_policy(shape: Shape) -> str | None:
    """The id of the policy for a cluster of this shape, or None where there is none.

    A cluster that names one which does not exist is not made. There is one for each number of primaries in a
    range, for only Spot workers may come and go where primaries keep the shuffle; it allows one Spot worker
    fewer than primaries. A shape that has fewer by more than one was held down by its contract, of which a
    policy knows nothing.
    """
    known = _TEMPLATE["autoscaling"]
    if not known["least_primaries"] <= shape.primaries <= known["most_primaries"]:
        return None
    if not max(shape.primaries - 2, 1) <= shape.secondaries < shape.primaries:
        return None
    return str(known["policy_id"]).format(primaries=shape.primaries)


def shape_of(config: dict[str, Any]) -> Shape:
    """The shape that a cluster_config was made from."""
    machines = {
        role: config.get(f"{role}_config", {}).get("num_instances", 0)
        for role in ("worker", "secondary_worker")
    }
    return Shape(
        config["master_config"]["machine_type_uri"], machines["worker"], machines["secondary_worker"]
    )


def _machines(count: int, machine_type: str) -> dict[str, Any]:
    return {"num_instances": count, "machine_type_uri": machine_type, **deepcopy(_TEMPLATE["machine"])}


def _properties(shape: Shape) -> dict[str, str]:
    properties = {"dataproc:pip.packages": ",".join(PIP_PACKAGES)}
    if not shape.primaries:
        properties |= _TEMPLATE["properties_of_a_single_node"]
    if shape.secondaries:
        # Shuffle lies on the primaries, so that a Spot worker taken away costs its running tasks only.
        properties |= _TEMPLATE["properties_with_secondaries"]
    machine = parse_machine(shape.machine_type)
    if machine is not None and (memory_mb := machine.least_memory_mb) is not None:
        workers = max(shape.primaries + shape.secondaries, 1)
        properties |= _executors(machine, memory_mb, workers)
    return properties


def _executors(machine: Machine, memory_mb: int, workers: int) -> dict[str, str]:
    """One executor a worker, with all of its cores; what its heap leaves is its Python workers'.

    YARN counts memory alone, by the template: an executor with all cores of a single node shares it with the
    application master.
    YARN hands out about 80 % of a node's memory. Three quarters, less the application master that one of the
    nodes holds besides, fit on each; asking for more would wait for ever. Raises TerminalError for a machine
    that leaves a Python worker too little.
    """
    overhead_mb = memory_mb * 3 // 4 - _APPLICATION_MASTER_MB - HEAP_MB
    if overhead_mb < LEAST_MB_PER_CORE * machine.vcpus:
        raise TerminalError(
            f"expected compute.machineType to leave each core {LEAST_MB_PER_CORE} MiB for Python, found "
            f"{machine.family}-{machine.kind}-{machine.vcpus} with {overhead_mb} MiB for all of them. "
            "Name a type with more memory in the contract, render it, and clear claim_batch."
        )
    return {
        "spark:spark.driver.memory": f"{HEAP_MB}m",
        # Dynamic allocation begins with one executor and adds more as tasks wait: the job is too short.
        "spark:spark.dynamicAllocation.enabled": "false",
        "spark:spark.executor.cores": str(machine.vcpus),
        "spark:spark.executor.instances": str(workers),
        "spark:spark.executor.memory": f"{HEAP_MB}m",
        "spark:spark.executor.memoryOverhead": f"{overhead_mb}m",
    }
