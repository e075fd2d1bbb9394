"""A local Cloud Storage and BigQuery for the commands that read what the pipeline wrote."""

from collections.abc import Iterator

import pytest

from tests.bigquery.world import Warehouse, start
from tests.localcloud.command.pipeline_world import BUCKETS, Standing, World
from tests.localcloud.storage.conftest import StorageProcess


@pytest.fixture(scope="session")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warehouse]:
    with start(tmp_path_factory.mktemp("warehouse")) as running:
        yield running


@pytest.fixture(scope="session")
def storage_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StorageProcess]:
    process = StorageProcess(tmp_path_factory.mktemp("storage")).start()
    for bucket in BUCKETS.values():
        process.client().create_bucket(bucket)
    yield process
    process.stop()


@pytest.fixture
def world(warehouse: Warehouse, storage_process: StorageProcess) -> World:
    """A deployment in which nothing has happened yet."""
    return make_world(warehouse, storage_process)


def make_world(warehouse: Warehouse, storage_process: StorageProcess) -> World:
    """The same, of which there can be only one at a time."""
    client = storage_process.client()
    for bucket in BUCKETS.values():
        for blob in client.list_blobs(bucket):
            blob.delete()
    warehouse.empty()
    return World(Standing(client, warehouse), warehouse)
