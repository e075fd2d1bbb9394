"""Parts that are killed, with tiny real processes in their place."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from localcloud.faults.kill import kill, main
from localcloud.launcher import process
from localcloud.launcher.errors import UsageError
from localcloud.launcher.home import make_home
from localcloud.launcher.place import ROOT, Place
from localcloud.launcher.process import MARK
from localcloud.launcher.state import Running, read_state, write_state

from .conftest import wait_until

# A part with a child of the given title in its session; neither can be asked to end.
STUBBORN = """
import signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
if len(sys.argv) > 1:
    subprocess.Popen([sys.argv[1], "-c", "import time; time.sleep(300)"], executable=sys.executable)
print("ready", flush=True)
time.sleep(300)
"""


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    place = Place(ROOT, tmp_path / "state")
    make_home(place)
    yield place
    process.end_all(place.home, patience=0)


def launch(place: Place, part: str, *child: str) -> Running:
    environment = {**os.environ, MARK: str(place.home)}
    log = place.log(part)
    started = process.start([sys.executable, "-c", STUBBORN, *child], environment, place.home, log)
    wait_until(lambda: b"ready" in log.read_bytes())
    running = process.describe(started.pid)
    state = read_state(place.state)
    state.parts[part] = running
    write_state(place.state, state)
    return running


def members(leader: Running) -> list[int]:
    return [found.pid for found in process.find_groups([leader])]


def test_a_part_dies_with_all_of_its_session_and_no_other(place: Place) -> None:
    storage, scheduler = launch(place, "storage", "child"), launch(place, "scheduler", "child")
    doomed = members(scheduler)
    assert len(doomed) == 2
    assert sorted(kill(place, "scheduler")) == sorted(doomed)
    assert {found.pid for found in process.find_marked(place.home)} == set(members(storage))
    assert process.is_alive(storage)
    assert kill(place, "scheduler") == []


def test_everything_is_every_process_of_this_state_folder(place: Place, tmp_path: Path) -> None:
    launch(place, "storage", "child")
    launch(place, "bigquery")
    other = Place(ROOT, tmp_path / "other")
    make_home(other)
    try:
        neighbour = launch(other, "storage")
        assert len(kill(place, "everything")) == 3
        assert process.find_marked(place.home) == []
        assert process.is_alive(neighbour)
    finally:
        process.end_all(other.home, patience=0)


def test_tasks_die_and_their_scheduler_does_not(place: Place) -> None:
    scheduler = launch(place, "scheduler", "airflow worker -- 01a1fd36-fe34-7eba-90cc-bcd14cbe0000")
    (task,) = set(members(scheduler)) - {scheduler.pid}
    watcher = launch(place, "triggerer", "airflow worker -- LocalExecutor: 01a1fd36-fe34-7eba-90cc-bcd14cbe")
    assert kill(place, "tasks") == [task]
    assert process.is_alive(scheduler)
    assert len(members(watcher)) == 2


def test_a_name_that_no_part_has_is_refused_with_those_that_there_are(
    place: Place, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(UsageError, match=r"everything, tasks or one of storage, .*; found 'disk'"):
        kill(place, "disk")
    monkeypatch.setenv("LANDFALL_HOME", str(place.home))
    with pytest.raises(SystemExit) as ended:
        main(["disk"])
    assert ended.value.code == 2
    running = launch(place, "storage")
    capsys.readouterr()
    assert main(["storage", "function"]) == 0
    assert capsys.readouterr().out == f"storage {running.pid}\nfunction\n"
