"""One pair of emulators for all pages; each test begins with an empty ledger, landing and journal."""

from collections.abc import Iterator

import pytest
from flask.testing import FlaskClient

from room import lineage, pending
from tests.functions.control_room.addresses import furnish
from tests.functions.control_room.world import World, start_world


@pytest.fixture(scope="session")
def running_world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """The emulators, with the warehouse provisioned and nothing in it."""
    with start_world(tmp_path_factory.mktemp("room")) as world:
        yield world


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages that wait for the emulators: on a busy machine these take longer than Google may."""
    for module in (lineage, pending):
        monkeypatch.setattr(module, "_TIMEOUT", 60.0)


@pytest.fixture
def world(running_world: World) -> World:
    """An empty world and a control room that has been asked nothing."""
    running_world.empty()
    running_world.open()
    return running_world


@pytest.fixture
def client(world: World) -> FlaskClient:
    """A browser that wants English."""
    return world.client()


@pytest.fixture(scope="module")
def furnished(running_world: World) -> World:
    """A world with what the addresses of `addresses.py` name, and a control room that keeps its answers."""
    running_world.empty()
    furnish(running_world)
    running_world.open()
    return running_world
