"""A local BigQuery for the marts alone: other tests fill the same tables."""

from collections.abc import Iterator

import pytest

from tests.bigquery.marts.rows import DATASETS
from tests.bigquery.world import Warehouse, start


@pytest.fixture(scope="package")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warehouse]:
    with start(tmp_path_factory.mktemp("marts")) as warehouse:
        yield warehouse


@pytest.fixture
def warehouse(running: Warehouse) -> Iterator[Warehouse]:
    """The local BigQuery, empty again afterwards."""
    yield running
    running.empty(*DATASETS)
