import ast
import re
import sys
from dataclasses import replace

import pytest
from google.cloud.dataproc_v1.types import ClusterConfig
from hypothesis import given
from hypothesis import strategies as st
from packaging.requirements import Requirement

from landfall_dags.cluster import (
    BYTES_PER_OPENING,
    LEAST_MB_PER_CORE,
    PIP_PACKAGES,
    Shape,
    Work,
    autoscaling_policy,
    choose_shape,
    cluster_config,
    expanded_bytes,
    shape_of,
    work_of,
)
from landfall_dags.errors import TerminalError
from landfall_dags.identity import SourceFile
from landfall_dags.pipeline import Compute
from landfall_dags.settings import Settings
from tests.composer_dags.parts import ROOT

COMPUTE = Compute("e2-standard-4", primary_workers=2, max_secondary_workers=8, bytes_per_worker=1000)
MANY = 10**6  # tasks
FILE = SourceFile("gs://landing/d/a.csv", 1, 100, "AAAAAA==", None, "2025-11-21T01:26:02.123456Z")


@pytest.mark.parametrize(
    ("size", "primaries", "secondaries"),
    [
        (0, 0, 0),
        (1000, 0, 0),
        (1001, 2, 0),
        (2001, 2, 1),
        (5000, 3, 2),
        (17_000, 9, 8),
        (10**12, 9, 8),
    ],
)
def test_the_cluster_grows_with_the_batch(size: int, primaries: int, secondaries: int) -> None:
    assert choose_shape(Work(size, MANY), COMPUTE) == Shape("e2-standard-4", primaries, secondaries)


@pytest.mark.parametrize(
    ("tasks", "primaries", "secondaries"), [(1, 0, 0), (4, 0, 0), (5, 2, 0), (12, 2, 1), (13, 3, 1)]
)
def test_no_worker_is_bought_that_would_find_no_task(tasks: int, primaries: int, secondaries: int) -> None:
    """A worker has four cores, and a core a task."""
    assert choose_shape(Work(10**12, tasks), COMPUTE) == Shape("e2-standard-4", primaries, secondaries)


@given(
    st.integers(0, 10**9),
    st.integers(0, 10**5),
    st.integers(1, 20),
    st.integers(0, 40),
    st.integers(1, 10**6),
)
def test_spot_workers_stay_below_half_and_primaries_are_the_contracts(
    size: int, tasks: int, primary_workers: int, most: int, bytes_per_worker: int
) -> None:
    compute = Compute("e2-standard-4", primary_workers, most, bytes_per_worker)
    shape = choose_shape(Work(size, tasks), compute)
    assert 0 <= shape.secondaries <= most
    if shape.primaries:
        assert shape.primaries >= max(2, primary_workers)
        assert shape.secondaries < shape.primaries
    else:
        assert size <= bytes_per_worker or tasks <= 4


def test_compressed_files_count_for_what_they_hold() -> None:
    assert expanded_bytes([FILE, replace(FILE, uri="gs://landing/d/a.csv.gz")]) == 600


@pytest.mark.parametrize(
    ("size", "suffix", "splits", "tasks"),
    [
        (0, ".csv", True, 1),
        (64 * 2**20, ".csv", True, 1),
        (64 * 2**20 + 1, ".csv", True, 2),
        (2**30, ".csv", True, 16),
        (2**30, ".csv", False, 1),
        (2**30, ".csv.gz", True, 1),
    ],
)
def test_a_big_plain_file_is_many_tasks_and_any_other_one(
    size: int, suffix: str, splits: bool, tasks: int
) -> None:
    assert work_of([replace(FILE, uri=f"gs://landing/d/a{suffix}", size=size)], splits).tasks == tasks


def test_small_files_count_for_their_opening_too() -> None:
    assert work_of([FILE] * 1000, splits=True) == Work(1000 * (100 + BYTES_PER_OPENING), 1000)


@pytest.mark.parametrize(
    "shape", [Shape("e2-standard-4", 0, 0), Shape("n2-standard-8", 2, 0), Shape("e2-highmem-4", 5, 4)]
)
def test_a_config_is_one_that_dataproc_understands(shape: Shape, settings: Settings) -> None:
    config = cluster_config(shape, settings)
    understood = ClusterConfig(config)  # refuses unknown fields and wrong types
    assert shape_of(config) == shape
    assert understood.master_config.num_instances == 1
    assert understood.worker_config.num_instances == shape.primaries
    assert understood.secondary_worker_config.num_instances == shape.secondaries
    assert understood.software_config.image_version == "3.0-debian13"
    assert understood.gce_cluster_config.internal_ip_only
    assert understood.gce_cluster_config.service_account == settings.dataproc_service_account
    assert understood.gce_cluster_config.subnetwork_uri == settings.dataproc_subnetwork
    assert understood.config_bucket == understood.temp_bucket == "staging"
    assert config["lifecycle_config"]["idle_delete_ttl"]["seconds"] >= 300
    assert config["lifecycle_config"]["auto_delete_ttl"]["seconds"] >= 600


def properties(shape: Shape, settings: Settings) -> dict[str, str]:
    found: dict[str, str] = cluster_config(shape, settings)["software_config"]["properties"]
    return found


def test_spot_workers_hold_no_shuffle(settings: Settings) -> None:
    config = cluster_config(Shape("e2-standard-4", 3, 2), settings)
    assert config["secondary_worker_config"]["preemptibility"] == "SPOT"
    assert config["software_config"]["properties"]["dataproc:efm.spark.shuffle"] == "primary-worker"
    assert "dataproc:efm.spark.shuffle" not in properties(Shape("e2-standard-4", 3, 0), settings)


@pytest.mark.parametrize(
    ("primaries", "secondaries", "policy"),
    [
        (0, 0, None),
        (2, 0, None),
        (2, 1, "landfall-2-primaries"),
        (3, 1, "landfall-3-primaries"),
        (17, 16, "landfall-17-primaries"),
        # Held down by the contract: the policy would allow two more.
        (5, 2, None),
        # No policy for so many.
        (18, 17, None),
    ],
)
def test_a_policy_is_named_only_where_there_is_one(
    primaries: int, secondaries: int, policy: str | None, settings: Settings
) -> None:
    config = cluster_config(Shape("e2-standard-4", primaries, secondaries), settings)
    uri = f"projects/{settings.project}/regions/{settings.region}/autoscalingPolicies/{policy}"
    assert config.get("autoscaling_config") == (None if policy is None else {"policy_uri": uri})
    assert ClusterConfig(config).autoscaling_config.policy_uri == ("" if policy is None else uri)


@given(st.integers(0, 10**9), st.integers(1, 30), st.integers(0, 40), st.integers(1, 10**6))
def test_no_policy_allows_more_spot_workers_than_the_contract(
    size: int, primary_workers: int, most: int, bytes_per_worker: int
) -> None:
    """A policy allows one Spot worker fewer than primaries: tests/terraform/test_cluster.py."""
    compute = Compute("e2-standard-4", primary_workers, most, bytes_per_worker)
    shape = choose_shape(Work(size, MANY), compute)
    if autoscaling_policy(shape) is not None:
        assert shape.secondaries <= shape.primaries - 1 <= most


def test_a_config_is_nobody_elses(settings: Settings) -> None:
    """What is done to one config shows in no other: all begin as one template."""
    one = cluster_config(Shape("e2-standard-4", 3, 2), settings)
    one["gce_cluster_config"]["internal_ip_only"] = False
    one["software_config"]["properties"]["spark:spark.ui.enabled"] = "false"
    one["worker_config"]["disk_config"]["boot_disk_size_gb"] = 10
    other = cluster_config(Shape("e2-standard-4", 3, 2), settings)
    assert other["gce_cluster_config"]["internal_ip_only"]
    assert "spark:spark.ui.enabled" not in other["software_config"]["properties"]
    assert other["master_config"]["disk_config"]["boot_disk_size_gb"] == 100


def test_a_single_node_says_that_it_is_one(settings: Settings) -> None:
    config = cluster_config(Shape("e2-standard-4", 0, 0), settings)
    assert config["software_config"]["properties"]["dataproc:dataproc.allow.zero.workers"] == "true"
    assert "worker_config" not in config


def test_the_nodes_install_what_the_tests_ran_with(settings: Settings) -> None:
    """The image's Python is 3.12; requirements.txt pins the same library for several versions of Python."""
    node = {"python_version": "3.12", "python_full_version": "3.12.0", "sys_platform": "linux"}
    lines = (ROOT / "requirements.txt").read_text().splitlines()
    pins = [Requirement(line.removesuffix("\\").strip()) for line in lines if re.match(r"[a-z0-9]", line)]
    locked = {f"{pin.name}{pin.specifier}" for pin in pins if pin.marker is None or pin.marker.evaluate(node)}
    assert set(PIP_PACKAGES) <= locked
    packages = properties(Shape("e2-standard-4", 0, 0), settings)["dataproc:pip.packages"]
    assert packages.split(",") == list(PIP_PACKAGES)


def test_an_executor_has_a_workers_cores_and_its_memory_is_mostly_pythons(settings: Settings) -> None:
    """16 GB: YARN has about 12.3 of them, of which a GB may be the application master's."""
    found = properties(Shape("e2-standard-4", 3, 2), settings)
    spark = {
        name.removeprefix("spark:spark."): value for name, value in found.items() if name.startswith("spark:")
    }
    assert spark == {
        "driver.memory": "1024m",
        "dynamicAllocation.enabled": "false",
        "executor.cores": "4",
        "executor.instances": "5",
        "executor.memory": "1024m",
        "executor.memoryOverhead": "9472m",
    }
    assert properties(Shape("e2-standard-4", 0, 0), settings)["spark:spark.executor.instances"] == "1"


def test_the_nodes_install_all_that_the_job_imports_beyond_spark() -> None:
    sources = (ROOT / "spark_jobs").rglob("*.py")
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in sources]
    nodes = [node for tree in trees for node in ast.walk(tree)]
    plain = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    named = {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)}
    modules = {name.partition(".")[0] for name in plain | named}
    beyond = modules - set(sys.stdlib_module_names) - {"landfall_spark", "pyspark", "py4j"}
    installed = {package.partition("==")[0] for package in PIP_PACKAGES}
    assert {"google-auth" if name == "google" else name for name in beyond} == installed


@pytest.mark.parametrize("kind", ["e2-standard-2", "n1-highcpu-8", "n1-standard-64", "e2-highmem-16"])
@pytest.mark.parametrize("primaries", [0, 3])
def test_executor_and_application_master_fit_into_what_yarn_hands_out(
    kind: str, primaries: int, settings: Settings
) -> None:
    gigabytes = {"e2-standard-2": 8, "n1-highcpu-8": 7.2, "n1-standard-64": 240, "e2-highmem-16": 128}[kind]
    found = properties(Shape(kind, primaries, 0), settings)
    heap, overhead = (
        int(found[f"spark:spark.executor.{name}"].removesuffix("m")) for name in ("memory", "memoryOverhead")
    )
    cores = int(found["spark:spark.executor.cores"])
    assert heap + overhead + 1024 <= 0.8 * gigabytes * 1024
    assert overhead >= LEAST_MB_PER_CORE * cores
    assert cores == int(kind.rpartition("-")[2])


@pytest.mark.parametrize("machine_type", ["e2-highcpu-2", "e2-highcpu-4"])
def test_a_machine_too_small_for_python_is_refused_before_it_is_bought(
    machine_type: str, settings: Settings
) -> None:
    with pytest.raises(TerminalError, match=f"compute.machineType .* found {machine_type} with") as raised:
        cluster_config(Shape(machine_type, 2, 0), settings)
    assert "Name a type with more memory" in str(raised.value)


@pytest.mark.parametrize("machine_type", ["custom", "e2-medium", "n2-custom-4-8192", "m1-ultramem-40"])
def test_a_machine_that_is_not_known_keeps_dataprocs_executors_and_gets_the_packages(
    machine_type: str, settings: Settings
) -> None:
    found = properties(Shape(machine_type, 2, 0), settings)
    assert found["dataproc:pip.packages"] == ",".join(PIP_PACKAGES)
    assert not any(name.startswith("spark:") for name in found)


def test_a_machine_whose_cores_are_not_known_counts_as_one_core() -> None:
    compute = replace(COMPUTE, machine_type="custom")
    assert choose_shape(Work(10**12, 1), compute) == Shape("custom", 0, 0)
    assert choose_shape(Work(10**12, 3), compute) == Shape("custom", 2, 1)
