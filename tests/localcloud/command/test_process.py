"""Supervision, with tiny real processes."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from localcloud.launcher import process
from localcloud.launcher.process import MARK
from localcloud.launcher.state import Running

# Each says "ready" once it is what the test needs.
OBEDIENT = "import time; print('ready', flush=True); time.sleep(300)"
STUBBORN = (
    "import signal, time; signal.signal(15, signal.SIG_IGN); print('ready', flush=True); time.sleep(300)"
)
# The grandchild leaves the session and the parent, as a daemon does.
FORKING = (
    "import subprocess, sys, time; "
    f"subprocess.Popen([sys.executable, '-c', {OBEDIENT!r}], start_new_session=True); time.sleep(300)"
)

# The grandchild stays in the session.
SHARING = (
    f"import subprocess, sys, time; subprocess.Popen([sys.executable, '-c', {OBEDIENT!r}]); time.sleep(300)"
)


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path
    process.end_all(tmp_path, patience=0)


def launch(home: Path, program: str) -> Running:
    log = home / "part.log"
    child = process.start([sys.executable, "-c", program], {**os.environ, MARK: str(home)}, home, log)
    wait_for(lambda: b"ready" in log.read_bytes())
    return process.describe(child.pid)


def test_a_part_leads_a_session_of_its_own_and_writes_its_log(home: Path) -> None:
    running = launch(home, OBEDIENT)
    assert process.is_alive(running)
    assert os.getsid(running.pid) == running.pid
    assert (home / "part.log").read_text() == "ready\n"


def test_ending_all_leaves_nothing(home: Path) -> None:
    running = launch(home, OBEDIENT)
    assert process.end_all(home, [running], patience=5) == []
    assert not process.is_alive(running)
    assert process.find_marked(home) == []


def test_what_ignores_sigterm_is_killed_after_a_bounded_wait(home: Path) -> None:
    running = launch(home, STUBBORN)
    began = time.monotonic()
    assert process.end_all(home, [running], patience=0.5) == []
    assert 0.5 <= time.monotonic() - began < 30
    assert not process.is_alive(running)


def test_a_grandchild_that_left_the_session_is_ended_too(home: Path) -> None:
    running = launch(home, FORKING)
    family = process.find_marked(home)
    assert len(family) == 2
    assert process.end_all(home, [running], patience=5) == []
    assert not any(member.is_running() and member.status() != psutil.STATUS_ZOMBIE for member in family)


def test_an_orphan_is_found_when_its_leader_is_gone(home: Path) -> None:
    running = launch(home, FORKING)
    os.kill(running.pid, signal.SIGKILL)
    wait_for(lambda: not process.is_alive(running))
    assert len(process.find_marked(home)) == 1
    assert process.end_all(home, [running], patience=5) == []
    assert process.find_marked(home) == []


def test_only_what_a_dead_leader_left_in_its_session_is_an_orphan(home: Path) -> None:
    dead, alive, leaver = launch(home, SHARING), launch(home, SHARING), launch(home, FORKING)
    wait_for(lambda: (home / "part.log").read_bytes().count(b"ready") == 3)
    os.kill(dead.pid, signal.SIGKILL)
    os.kill(leaver.pid, signal.SIGKILL)
    wait_for(lambda: not process.is_alive(dead) and not process.is_alive(leaver))
    assert len(process.find_marked(home)) == 4
    process.kill_orphans(home, [dead, alive, leaver])
    wait_for(lambda: len(process.find_marked(home)) == 3)
    assert len(process.find_groups([alive])) == 2


def test_other_folders_and_the_users_shell_are_left_alone(
    home: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    other = tmp_path_factory.mktemp("other")
    neighbour = launch(other, OBEDIENT)
    # A shell that exports LANDFALL_HOME is no part.
    shell = subprocess.Popen(
        [sys.executable, "-c", OBEDIENT],
        env={**os.environ, "LANDFALL_HOME": str(home)},
        stdout=subprocess.PIPE,
    )
    try:
        assert shell.stdout is not None
        assert shell.stdout.readline() == b"ready\n"
        running = launch(home, OBEDIENT)
        process.end_all(home, [running], patience=5)
        assert process.is_alive(neighbour)
        assert shell.poll() is None
    finally:
        shell.kill()
        shell.communicate()
        process.end_all(other, [neighbour], patience=1)


def test_a_stranger_with_the_number_of_a_dead_part_is_left_alone(home: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", OBEDIENT], stdout=subprocess.PIPE, start_new_session=True
    ) as stranger:
        assert stranger.stdout is not None
        assert stranger.stdout.readline() == b"ready\n"
        remembered = Running(stranger.pid, created=1.0)
        assert not process.is_alive(remembered)
        assert process.end_all(home, [remembered], patience=1) == []
        assert stranger.poll() is None
        stranger.kill()
