from dataclasses import replace

import pytest
from google.cloud.dataproc_v1.types import ClusterConfig
from hypothesis import given
from hypothesis import strategies as st

from landfall_dags.cluster import Shape, choose_shape, cluster_config, expanded_bytes, shape_of
from landfall_dags.identity import SourceFile
from landfall_dags.pipeline import Compute
from landfall_dags.settings import Settings

COMPUTE = Compute("e2-standard-4", primary_workers=2, max_secondary_workers=8, bytes_per_worker=1000)
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
    assert choose_shape(size, COMPUTE) == Shape("e2-standard-4", primaries, secondaries)


@given(st.integers(0, 10**9), st.integers(1, 20), st.integers(0, 40), st.integers(1, 10**6))
def test_spot_workers_stay_below_half_and_primaries_are_the_contracts(
    size: int, primary_workers: int, most: int, bytes_per_worker: int
) -> None:
    shape = choose_shape(size, Compute("e2-standard-4", primary_workers, most, bytes_per_worker))
    assert 0 <= shape.secondaries <= most
    if shape.primaries:
        assert shape.primaries >= max(2, primary_workers)
        assert shape.secondaries < shape.primaries
    else:
        assert size <= bytes_per_worker


def test_compressed_files_count_for_what_they_hold() -> None:
    assert expanded_bytes([FILE, replace(FILE, uri="gs://landing/d/a.csv.gz")]) == 600


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


def test_spot_workers_hold_no_shuffle(settings: Settings) -> None:
    config = cluster_config(Shape("e2-standard-4", 3, 2), settings)
    assert config["secondary_worker_config"]["preemptibility"] == "SPOT"
    assert config["software_config"]["properties"] == {"dataproc:efm.spark.shuffle": "primary-worker"}


def test_a_single_node_says_that_it_is_one(settings: Settings) -> None:
    config = cluster_config(Shape("e2-standard-4", 0, 0), settings)
    assert config["software_config"]["properties"] == {"dataproc:dataproc.allow.zero.workers": "true"}
    assert "worker_config" not in config
