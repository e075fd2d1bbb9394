"""The cluster that a batch needs. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from landfall_dags.errors import TerminalError
from landfall_dags.identity import SourceFile
from landfall_dags.machine import Machine, parse_machine
from landfall_dags.pipeline import Compute
from landfall_dags.settings import Settings

IMAGE = "3.0-debian13"  # Python 3.12
# What the Spark job imports beyond Spark, as requirements.txt pins it: the nodes read as the tests do.
# The nodes have no public address, and Private Google Access reaches no public index: the subnetwork needs
# Cloud NAT, or the nodes' pip a mirror that it can reach (Artifact Registry is one).
PIP_PACKAGES = ("google-auth==2.62.2", "numpy==2.5.5", "pyarrow==26.0.1", "requests==2.34.2")
# A cluster outlives a dead orchestrator by no more than this. An idle one may be waiting for a slot among
# Airflow's workers; no step of a run may take longer than the cluster can live.
IDLE_DELETE_SECONDS = 1800
AUTO_DELETE_SECONDS = 4 * 3600
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
_BY_MEMORY = "org.apache.hadoop.yarn.util.resource.DefaultResourceCalculator"


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
    config: dict[str, Any] = {
        "config_bucket": settings.staging_bucket,
        "temp_bucket": settings.staging_bucket,
        "gce_cluster_config": {
            "subnetwork_uri": settings.dataproc_subnetwork,
            "internal_ip_only": True,
            "service_account": settings.dataproc_service_account,
            "service_account_scopes": ["https://www.googleapis.com/auth/cloud-platform"],
            "shielded_instance_config": {
                "enable_secure_boot": True,
                "enable_vtpm": True,
                "enable_integrity_monitoring": True,
            },
        },
        "master_config": _machines(1, shape.machine_type),
        "software_config": {"image_version": IMAGE, "properties": _properties(shape)},
        "lifecycle_config": {
            "idle_delete_ttl": {"seconds": IDLE_DELETE_SECONDS},
            "auto_delete_ttl": {"seconds": AUTO_DELETE_SECONDS},
        },
    }
    if shape.primaries:
        config["worker_config"] = _machines(shape.primaries, shape.machine_type)
    if shape.secondaries:
        config["secondary_worker_config"] = _machines(shape.secondaries, shape.machine_type) | {
            "preemptibility": "SPOT"
        }
    return config


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
    return {
        "num_instances": count,
        "machine_type_uri": machine_type,
        "disk_config": {"boot_disk_type": "pd-balanced", "boot_disk_size_gb": 100},
    }


def _properties(shape: Shape) -> dict[str, str]:
    properties = {
        "dataproc:pip.packages": ",".join(PIP_PACKAGES),
        # By memory alone: an executor with all cores of a single node shares it with the application master.
        "capacity-scheduler:yarn.scheduler.capacity.resource-calculator": _BY_MEMORY,
    }
    if not shape.primaries:
        properties["dataproc:dataproc.allow.zero.workers"] = "true"
    if shape.secondaries:
        # Shuffle lies on the primaries, so that a Spot worker taken away costs its running tasks only.
        properties["dataproc:efm.spark.shuffle"] = "primary-worker"
    machine = parse_machine(shape.machine_type)
    if machine is not None and (memory_mb := machine.least_memory_mb) is not None:
        workers = max(shape.primaries + shape.secondaries, 1)
        properties |= _executors(machine, memory_mb, workers)
    return properties


def _executors(machine: Machine, memory_mb: int, workers: int) -> dict[str, str]:
    """One executor a worker, with all of its cores; what its heap leaves is its Python workers'.

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
