"""What the parts that people look at are started with, and which addresses they are given."""

import json
import sys
from pathlib import Path

import pytest

from localcloud.deployment.links import fill
from localcloud.launcher import process, up
from localcloud.launcher.cloud import PROXIES, SERVERS, Cloud
from localcloud.launcher.home import delete_home, make_home
from localcloud.launcher.links import make_links
from localcloud.launcher.parts import Part, list_parts, name_parts
from localcloud.launcher.place import ROOT, Place
from localcloud.launcher.state import State, write_state


@pytest.fixture
def cloud(tmp_path: Path) -> Cloud:
    servers = (*SERVERS, *PROXIES.values())
    ports = {server: 20000 + index for index, server in enumerate(servers)}
    return Cloud(Place(ROOT, tmp_path / "home"), ports, faults=True)


def find(cloud: Cloud, name: str) -> Part:
    (part,) = (part for part in list_parts(cloud) if part.name == name)
    return part


def test_every_part_that_is_shown_is_started_once(cloud: Cloud) -> None:
    started = [part.name for part in list_parts(cloud)]
    assert sorted(started) == sorted(name_parts(faults=True))


def test_the_control_room_is_not_what_is_made_to_fail(cloud: Cloud) -> None:
    assert find(cloud, "control-room").environment["BIGQUERY_EMULATOR_HOST"] == cloud.url("bigquery")


def test_the_control_room_is_given_lineage_links_and_the_catalogue(cloud: Cloud) -> None:
    environment = find(cloud, "control-room").environment
    assert environment["LANDFALL_LINEAGE_URL"] == cloud.url("lineage")
    assert environment["LANDFALL_CATALOG_DIR"] == str(ROOT / "bigquery")
    assert json.loads(environment["LANDFALL_LINKS"]) == make_links(cloud)
    events = cloud.place.home / "lineage" / "events.ndjson"
    assert str(events) in find(cloud, "lineage").command


@pytest.mark.parametrize(
    ("contracts", "catalogue"),
    [
        (None, ROOT / "bigquery"),
        (Path("/mine/datasets"), Path("/mine")),
        # A folder of another name has none beside it.
        (Path("/mine/contracts"), ROOT / "bigquery"),
    ],
)
def test_the_catalogue_lies_above_datasets(contracts: Path | None, catalogue: Path) -> None:
    assert Place(ROOT, Path("/home"), contracts).catalog == catalogue


def test_a_reset_takes_the_lineage_with_it(cloud: Cloud) -> None:
    make_home(cloud.place)
    cloud.place.lineage_events.write_text("{}\n")
    assert delete_home(cloud.place)
    assert not cloud.place.home.exists()


def test_a_cloud_from_before_these_parts_is_started_again_with_them(cloud: Cloud) -> None:
    """What runs was told no addresses of them."""
    place = cloud.place
    make_home(place)
    old = {name: cloud.ports[name] for name in SERVERS if name not in ("control-room", "lineage")}
    command = (sys.executable, "-c", "import time; time.sleep(300)")
    child = process.start(command, {process.MARK: str(place.home)}, place.home, place.log("storage"))
    running = process.describe(child.pid)
    write_state(place.state, State(ports=old, parts={"storage": running}))
    settled = up._settle(place, faults=False)
    assert settled.ports.keys() == set(SERVERS)
    assert settled.parts == {}
    assert not process.is_alive(running)


@pytest.mark.parametrize(
    ("kind", "values", "leads_to"),
    [
        (
            "run",
            {"dag_id": "ingest_price_quote", "run_id": "price_quote__2026-11-21T14:28:56Z"},
            "{api-server}/dags/ingest_price_quote/runs/price_quote__2026-11-21T14%3A28%3A56Z",
        ),
        (
            "bigquery_job",
            {"job_id": "load-1"},
            "{bigquery}/bigquery/v2/projects/landfall-local/jobs/load-1",
        ),
        (
            "dataproc_job",
            {"job_id": "lf-1"},
            "{storage}/_landfall/text/landfall-local-staging?matchGlob=**/jobs/lf-1/driveroutput.*",
        ),
    ],
)
def test_a_local_link_leads_to_a_part(cloud: Cloud, kind: str, values: dict[str, str], leads_to: str) -> None:
    server, _, rest = leads_to[1:].partition("}")
    assert fill(make_links(cloud)[kind], **values) == cloud.url(server) + rest
