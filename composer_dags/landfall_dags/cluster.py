"""The cluster that a batch needs. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from landfall_dags.identity import SourceFile
from landfall_dags.pipeline import Compute
from landfall_dags.settings import Settings

IMAGE = "3.0-debian13"
# A cluster outlives a dead orchestrator by no more than this. An idle one may be waiting for a slot among
# Airflow's workers; no step of a run may take longer than the cluster can live.
IDLE_DELETE_SECONDS = 1800
AUTO_DELETE_SECONDS = 4 * 3600
# CSV under gzip shrinks to a fifth or less; workers are counted for what Spark reads after unpacking.
GZIP_EXPANSION = 5


@dataclass(frozen=True)
class Shape:
    """How many machines of one type: `primaries` 0 means that the master does the work alone."""

    machine_type: str
    primaries: int
    secondaries: int


def expanded_bytes(files: Iterable[SourceFile]) -> int:
    """About how many bytes of CSV the files hold, unpacked."""
    return sum(file.size * (GZIP_EXPANSION if file.uri.endswith(".gz") else 1) for file in files)


def choose_shape(size: int, compute: Compute) -> Shape:
    """The machines for `size` bytes of CSV.

    What one worker can do runs on a single node: two primaries and a master would treble the price and the
    start-up to idle. Beyond it, Spot secondaries make up just under half of all workers (Dataproc's advice:
    more of them, and losing a zone's Spot capacity stalls the job), primaries the rest, never fewer than the
    contract's.
    """
    wanted = -(-size // compute.bytes_per_worker)
    if wanted <= 1:
        return Shape(compute.machine_type, 0, 0)
    least = max(compute.primary_workers, 2)
    wanted = min(max(wanted, least), max(least, 2 * compute.max_secondary_workers + 1))
    secondaries = min(compute.max_secondary_workers, (wanted - 1) // 2, wanted - least)
    return Shape(compute.machine_type, wanted - secondaries, secondaries)


def cluster_config(shape: Shape, settings: Settings) -> dict[str, Any]:
    """The shape as Dataproc's ClusterConfig: private, with an account of its own, bounded in time."""
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
    if not shape.primaries:
        return {"dataproc:dataproc.allow.zero.workers": "true"}
    if shape.secondaries:
        # Shuffle lies on the primaries, so that a Spot worker taken away costs its running tasks only.
        return {"dataproc:efm.spark.shuffle": "primary-worker"}
    return {}
