"""Links of an installation: templates and what is filled in."""

from pathlib import Path

import pytest

from localcloud.deployment.environment import Environment
from localcloud.deployment.links import fill
from localcloud.deployment.local import LocalDeployment
from localcloud.launcher.cloud import SERVERS, Cloud
from localcloud.launcher.links import make_links
from localcloud.launcher.place import ROOT, Place
from localcloud.launcher.state import State, write_state
from tests.localcloud.deployment.local_outputs import LINKS, local_outputs, write_outputs

HOSTILE = 'a/b?c=1&d#e"><script>{job_id}%2F é'


@pytest.mark.parametrize(
    ("template", "values", "address"),
    [
        ("https://h/{job_id}?p=1", {"job_id": "j-1"}, "https://h/j-1?p=1"),
        (
            "https://h/{job_id}",
            {"job_id": HOSTILE},
            "https://h/a%2Fb%3Fc%3D1%26d%23e%22%3E%3Cscript%3E%7Bjob_id%7D%252F%20%C3%A9",
        ),
        # An object's folders stay folders.
        (
            "https://h/{bucket}/{name}",
            {"bucket": "a/b", "name": "x/y z#1.csv"},
            "https://h/a%2Fb/x/y%20z%231.csv",
        ),
        (
            "https://h/!1s{job_id}!2s{job_id}",
            {"job_id": "{name}", "name": "n"},
            "https://h/!1s%7Bname%7D!2s%7Bname%7D",
        ),
    ],
)
def test_values_are_encoded_and_nothing_in_them_is_a_placeholder(
    template: str, values: dict[str, str], address: str
) -> None:
    assert fill(template, **values) == address


def test_a_value_that_is_missing_is_an_error_and_no_half_a_link() -> None:
    with pytest.raises(KeyError):
        fill("https://h/{dag_id}/{run_id}", dag_id="d")


def test_a_local_cloud_links_to_its_parts_once_it_has_addresses(tmp_path: Path) -> None:
    place = Place(ROOT, tmp_path)
    assert (LocalDeployment(place).links, LocalDeployment(place).control_room) == ({}, None)
    ports = {server: 20000 + index for index, server in enumerate(SERVERS)}
    write_state(place.state, State(ports=ports))
    cloud = Cloud(place, ports)
    assert LocalDeployment(place).links == make_links(cloud)
    assert LocalDeployment(place).control_room == cloud.url("control-room")


def test_a_local_cloud_from_before_the_control_room_has_none(tmp_path: Path) -> None:
    place = Place(ROOT, tmp_path)
    ports = {
        name: 20000 + index for index, name in enumerate(SERVERS) if name not in ("control-room", "lineage")
    }
    write_state(place.state, State(ports=ports))
    assert LocalDeployment(place).control_room is None
    assert LocalDeployment(place).links.keys() == {"run", "bigquery_job", "dataproc_job"}


def test_an_environment_links_to_where_its_outputs_say(tmp_path: Path) -> None:
    write_outputs(tmp_path, local_outputs("https://airflow.example.com", environment="dev"))
    environment = Environment(Place(ROOT, tmp_path), "dev")
    assert environment.links == LINKS
    assert environment.control_room == "https://control-room.example.com"
    assert environment.variables()["LANDFALL_CONTROL_ROOM_URL"] == environment.control_room


def test_an_environment_that_was_deployed_before_has_neither(tmp_path: Path) -> None:
    old = {
        name: value
        for name, value in local_outputs("", environment="dev").items()
        if name not in ("links", "control_room_url")
    }
    write_outputs(tmp_path, old)
    environment = Environment(Place(ROOT, tmp_path), "dev")
    assert (environment.links, environment.control_room) == ({}, None)
    assert "LANDFALL_CONTROL_ROOM_URL" not in environment.variables()
