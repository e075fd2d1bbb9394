"""The fast cloud from outside: files go all the way, whatever is killed, and nothing stays behind."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from random import Random

import pytest

from localcloud.launcher.process import MARK
from tests.chaos import content
from tests.chaos.driver import (
    ALL,
    API,
    BIGQUERY,
    DATAPROC,
    FUNCTION,
    NO_FAULTS,
    SCHEDULER,
    STORAGE,
    TASK,
    ZOMBIE,
)
from tests.chaos.fast.driver import FastDriver

DATASET = "bill_of_materials"
PATIENCE = 180.0  # seconds: on a machine with much else to do, a task waits for its turn


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FastDriver]:
    made = FastDriver(tmp_path_factory.mktemp("fast") / "cloud")
    made.start()
    yield made
    made.stop()


def put(driver: FastDriver, tag: str) -> str:
    random = Random(tag)  # noqa: S311
    rows = content.make_rows(random, DATASET, tag)
    return driver.put(f"{DATASET}/{tag}.csv", content.write(random, DATASET, rows)).uri


def ends(driver: FastDriver, uri: str) -> list[str]:
    found = driver.query(f"SELECT state FROM ops.files WHERE source_uri = '{uri}' AND state != 'divided'")
    return [row["state"] for row in found]


def wait_for(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_file_is_loaded_once_by_two_executors(driver: FastDriver) -> None:
    driver.begin(schedulers=2)
    uri = put(driver, "race")
    driver.heal_and_settle(NO_FAULTS, PATIENCE)
    assert ends(driver, uri) == ["loaded"]
    assert (driver.landing(), driver.clusters()) == ([], [])
    assert (driver.journal(DATASET) or {"batches": []})["batches"] == []
    assert driver.stray_processes() == []


@pytest.mark.parametrize("what", [TASK, ZOMBIE])
def test_a_try_that_is_killed_or_stopped_is_made_up_for(driver: FastDriver, what: str) -> None:
    driver.begin(schedulers=1)
    uri = put(driver, f"{what}-")
    wait_for(lambda: driver.kill(what))
    driver.heal_and_settle(NO_FAULTS, PATIENCE)
    assert ends(driver, uri) == ["loaded"]
    assert driver.stray_processes() == []


def test_a_rule_kills_a_task_at_a_request_of_its_own(driver: FastDriver) -> None:
    driver.begin(schedulers=1)
    match = {"method": "POST", "path": "rewriteTo.*archive"}
    rule = {"id": "copied", "part": "storage", "action": "kill_client_after", "times": 1, "match": match}
    driver.set_faults({"seed": 1, "rules": [rule]})
    uri = put(driver, "rule")
    wait_for(driver.fired)
    driver.heal_and_settle(NO_FAULTS, PATIENCE)
    assert driver.fired() == {"copied": 1}
    assert ends(driver, uri) == ["loaded"]


def test_whatever_is_killed_can_be_started_again(driver: FastDriver) -> None:
    driver.begin(schedulers=1)
    for what in (FUNCTION, API, SCHEDULER, STORAGE, BIGQUERY, DATAPROC):
        assert driver.kill(what)
        assert not driver.kill(what)
    driver.revive()
    uri = put(driver, "after")
    wait_for(lambda: driver.kill(TASK))
    driver.kill(ALL)
    driver.heal_and_settle(NO_FAULTS, PATIENCE)
    assert ends(driver, uri) == ["loaded"]


def test_a_process_that_stays_behind_is_seen(driver: FastDriver) -> None:
    home = driver.home
    sleeper = subprocess.Popen(
        [sys.executable, "-c", f"import time; time.sleep({PATIENCE})"], env={**os.environ, MARK: str(home)}
    )
    try:
        wait_for(driver.stray_processes)
        (found,) = driver.stray_processes()
        assert found.startswith(f"{sleeper.pid}: ")
    finally:
        sleeper.kill()
        sleeper.wait()
