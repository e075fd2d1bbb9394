"""The whole local cloud, once a module."""

from collections.abc import Iterator

import pytest

from tests.e2e.local_cloud import Cloud


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """A fresh local cloud, up; stopped after the module, leaving no process behind."""
    cloud = Cloud(tmp_path_factory.mktemp("cloud"))
    try:
        cloud.run("up")
        yield cloud
    finally:
        cloud.run("down", exit_code=None)
    assert cloud.processes() == []
