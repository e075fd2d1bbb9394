"""Bringing up and down, with tiny real processes in the place of the parts."""

import re
import sys
import threading
import zlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from localcloud.faults.kill import kill
from localcloud.launcher import process, up
from localcloud.launcher.cloud import PROXIES, SERVERS, Cloud, endpoints
from localcloud.launcher.errors import CommandError
from localcloud.launcher.home import make_home
from localcloud.launcher.parts import PARTS, Part, list_parts, name_parts
from localcloud.launcher.place import ROOT, Place
from localcloud.launcher.ports import is_free
from localcloud.launcher.state import locked, read_state, write_state
from localcloud.launcher.steps import wait_until

# Listens, as a server does, on the port that it is given.
SLEEPER = (
    "import socket, sys, time; "
    "server = socket.create_server(('127.0.0.1', int(sys.argv[1]))); time.sleep(300)"
)
DYING = "import sys; print('cannot open the thing'); sys.exit(3)"


class Watched:
    def __init__(self) -> None:
        self.states: dict[str, str] = {}
        self.remarks: dict[str, str] = {}

    def __call__(self, name: str, state: str, _: float, remark: str) -> None:
        self.states[name], self.remarks[name] = state, remark


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    monkeypatch.setattr(up, "provision_buckets", lambda _: "")
    monkeypatch.setattr(up, "provision_warehouse", lambda _: "")
    monkeypatch.setattr(up._Starter, "_migrate", lambda *_: "")
    monkeypatch.setattr(up._Starter, "_wait_for_dags", lambda *_: "")
    return Place(ROOT, tmp_path / "state")


@pytest.fixture
def programs(place: Place, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """What each part runs; a test may change it."""
    chosen = dict.fromkeys(name_parts(faults=True), SLEEPER)

    def part(cloud: Cloud, name: str) -> Part:
        program, port = chosen[name], cloud.ports.get(name, 0)
        command = (sys.executable, "-c", program, str(port))
        return Part(
            name, command, cloud.place.home, lambda _: program == SLEEPER and not (port and is_free(port))
        )

    def parts(cloud: Cloud) -> list[Part]:
        return [part(cloud, name) for name in name_parts(cloud.faults)]

    monkeypatch.setattr(up, "list_parts", parts)
    return chosen


@pytest.fixture(autouse=True)
def nothing_stays(place: Place) -> Iterator[None]:
    yield
    process.end_all(place.home, patience=0)


def test_up_starts_every_part_and_down_leaves_none(place: Place, programs: dict[str, str]) -> None:
    watched = Watched()
    cloud = up.bring_up(place, {"PATH": "/usr/bin"}, watched)
    assert set(watched.states.values()) == {"done"}
    assert up.is_up(place)
    assert sorted(cloud.ports) == sorted(SERVERS)
    assert len(process.find_marked(place.home)) == len(PARTS)
    assert up.end_parts(place) == []
    assert not up.is_up(place)
    assert process.find_marked(place.home) == []


def test_up_again_starts_only_what_is_dead_and_keeps_the_ports(
    place: Place, programs: dict[str, str]
) -> None:
    first = up.bring_up(place, {}, Watched())
    before = read_state(place.state).parts
    psutil.Process(before["function"].pid).kill()
    psutil.Process(before["function"].pid).wait(30)
    assert not up.is_up(place)
    watched = Watched()
    again = up.bring_up(place, {}, watched)
    after = read_state(place.state).parts
    assert again.ports == first.ports
    assert {name for name in PARTS if before[name] != after[name]} == {"function"}
    assert watched.remarks["storage"] == "runs already"


def test_ports_stay_over_down_and_up(place: Place, programs: dict[str, str]) -> None:
    first = up.bring_up(place, {}, Watched())
    up.end_parts(place)
    assert up.bring_up(place, {}, Watched()).ports == first.ports


def test_a_cloud_that_can_be_made_to_fail_has_proxies_which_down_ends(
    place: Place, programs: dict[str, str]
) -> None:
    cloud = up.bring_up(place, {}, Watched(), faults=True)
    assert up.is_up(place, faults=True)
    assert sorted(cloud.ports) == sorted([*SERVERS, *PROXIES.values()])
    assert len(process.find_marked(place.home)) == len(PARTS) + len(PROXIES)
    assert endpoints(cloud)["BIGQUERY_EMULATOR_HOST"] == cloud.url("bigquery-proxy")
    assert up.end_parts(place) == []
    assert process.find_marked(place.home) == []
    plain = up.bring_up(place, {}, Watched())
    assert not up.is_up(place, faults=True)
    assert len(process.find_marked(place.home)) == len(PARTS)
    assert endpoints(plain)["BIGQUERY_EMULATOR_HOST"] == cloud.url("bigquery")


def test_a_running_cloud_starts_again_to_be_made_to_fail_and_stays_so(
    place: Place, programs: dict[str, str]
) -> None:
    plain = up.bring_up(place, {}, Watched())
    before = read_state(place.state).parts
    faulty = up.bring_up(place, {}, Watched(), faults=True)
    assert {name: faulty.ports[name] for name in SERVERS} == plain.ports
    between = read_state(place.state).parts
    assert not {running.pid for running in before.values()} & {running.pid for running in between.values()}
    watched = Watched()
    assert up.bring_up(place, {}, watched).faults
    assert set(watched.remarks.values()) == {"runs already", ""}
    assert read_state(place.state).parts == between


def test_rules_of_faults_end_with_up_and_with_down(place: Place, programs: dict[str, str]) -> None:
    for bring in (lambda: up.bring_up(place, {}, Watched()), lambda: up.end_parts(place)):
        make_home(place)
        place.faults.write_text("{}")
        bring()
        assert not place.faults.exists()


@pytest.mark.parametrize("faults", [False, True])
def test_up_works_after_everything_was_killed(place: Place, programs: dict[str, str], faults: bool) -> None:
    first = up.bring_up(place, {}, Watched(), faults=faults)
    kill(place, "everything")
    assert process.find_marked(place.home) == []
    again = up.bring_up(place, {}, Watched(), faults=faults)
    assert (again.ports, again.faults) == (first.ports, faults)
    assert up.is_up(place, faults)


def test_up_works_after_an_up_that_was_killed_and_could_not_note_what_it_started(
    place: Place, programs: dict[str, str]
) -> None:
    up.bring_up(place, {}, Watched())
    state = read_state(place.state)
    forgotten = state.parts.pop("scheduler")
    write_state(place.state, replace(state, starting=True))
    up.bring_up(place, {}, Watched())
    assert up.is_up(place)
    assert not process.is_alive(forgotten)
    assert len(process.find_marked(place.home)) == len(PARTS)
    assert not read_state(place.state).starting


def test_a_part_that_dies_while_starting_shows_its_last_words_and_stops_all(
    place: Place, programs: dict[str, str]
) -> None:
    programs["bigquery"] = DYING
    with pytest.raises(CommandError) as caught:
        up.bring_up(place, {}, Watched())
    message = str(caught.value)
    assert "bigquery ended with exit code 3" in message
    assert "| cannot open the thing" in message
    assert "bigquery.log" in message
    assert "landfall doctor" in message
    assert process.find_marked(place.home) == []


def test_a_part_that_dies_after_it_was_ready_is_noticed_before_up_ends(
    place: Place, programs: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def kill_storage(starter: up._Starter, stop: threading.Event) -> str:
        wait_until(lambda: len(starter._started) == len(PARTS), stop, 60, "expected every part to be started")
        (storage,) = [started for started in starter._started if started.name == "storage"]
        storage.child.kill()
        storage.child.wait(30)
        return ""

    monkeypatch.setattr(up._Starter, "_wait_for_dags", kill_storage)
    monkeypatch.setattr(up, "provision_buckets", lambda _: "")
    with pytest.raises(CommandError, match="storage ended with signal 9"):
        up.bring_up(place, {}, Watched())
    assert process.find_marked(place.home) == []


def test_an_interrupted_up_stops_what_it_started(
    place: Place, programs: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(_: up._Starter, stop: threading.Event) -> str:
        raise KeyboardInterrupt

    monkeypatch.setattr(up._Starter, "_wait_for_dags", interrupted)
    with pytest.raises(KeyboardInterrupt):
        up.bring_up(place, {}, Watched())
    assert process.find_marked(place.home) == []


def test_two_checkouts_run_side_by_side(
    place: Place, programs: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Both look for ports from the same one on.
    monkeypatch.setattr(zlib, "crc32", lambda _: 0)
    other = Place(tmp_path / "other checkout", tmp_path / "other checkout" / ".landfall")
    try:
        mine, theirs = up.bring_up(place, {}, Watched()), up.bring_up(other, {}, Watched())
        assert up.is_up(place)
        assert not set(mine.ports.values()) & set(theirs.ports.values())
        neighbours = process.find_marked(other.home)
        assert len(neighbours) == len(PARTS)
        assert up.end_parts(place) == []
        assert process.find_marked(place.home) == []
        assert process.find_marked(other.home) == neighbours
        assert up.is_up(other)
    finally:
        up.end_parts(other)


def test_only_its_owner_may_look_into_the_state_folder(place: Place, programs: dict[str, str]) -> None:
    place.home.mkdir(mode=0o755)
    up.bring_up(place, {}, Watched())
    assert place.home.stat().st_mode & 0o777 == 0o700
    fresh = place.home.with_name("fresh")
    with locked(fresh / "lock"):
        assert fresh.stat().st_mode & 0o777 == 0o700


def test_being_late_is_said_with_the_log_to_read(
    place: Place, programs: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(up, "PATIENCE", 0.0)
    programs["storage"] = f"{SLEEPER}  # is never ready"
    with pytest.raises(CommandError) as caught:
        up.bring_up(place, {}, Watched())
    # Whichever part is the first to be asked.
    words = r"expected (\S+) to be ready within 0 seconds, it is not\. `landfall logs \1` says why\."
    assert re.fullmatch(words, str(caught.value))


def test_every_part_is_told_its_port_and_listens_on_loopback_only(place: Place) -> None:
    cloud = Cloud(place, {server: 20000 + index for index, server in enumerate(SERVERS)})
    parts = {part.name: part for part in list_parts(cloud)}
    assert tuple(parts) == PARTS
    for server in ("storage", "bigquery", "dataproc", "metadata", "secrets", "function"):
        assert str(cloud.ports[server]) in parts[server].command
    assert not any("faults" in word for part in parts.values() for word in part.command)
    function = parts["function"].command
    assert function[function.index("--host") + 1] == "127.0.0.1"


def test_parts_that_can_be_made_to_fail_are_told_where_the_rules_are(place: Place) -> None:
    servers = [*SERVERS, *PROXIES.values()]
    ports = {server: 20000 + index for index, server in enumerate(servers)}
    cloud = Cloud(place, ports, faults=True)
    parts = {part.name: part for part in list_parts(cloud)}
    assert tuple(parts) == name_parts(faults=True)
    told = {name for name, part in parts.items() if str(place.faults) in part.command}
    assert told == {"storage", "dataproc", *PROXIES.values()}
    for server, proxy in PROXIES.items():
        assert cloud.url(server) in parts[proxy].command
        assert str(ports[proxy]) in parts[proxy].command
    assert parts["function"].environment["LANDFALL_AIRFLOW_URL"] == cloud.url("airflow-proxy")
    # What the command and the launcher ask does not fail on purpose.
    assert cloud.url("api-server") in parts["metadata"].command


def test_a_second_command_is_turned_away(
    place: Place, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from localcloud.cli import main

    monkeypatch.setenv("LANDFALL_HOME", str(place.home))
    make_home(place)
    with locked(place.lock):
        assert main(["down"]) == 1
    assert "is at work on" in capsys.readouterr().err
