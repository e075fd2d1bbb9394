"""The fast cloud as the scenarios drive it."""

import json
import os
import random
import shutil
import signal
import sqlite3
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import grpc
import psutil
from google.cloud.dataproc_v1 import ClusterControllerClient
from google.cloud.dataproc_v1.services.cluster_controller.transports import ClusterControllerGrpcTransport

from localcloud.command.query import to_json
from localcloud.faults.reader import log_of, write_rules
from localcloud.launcher.clients import bigquery_client
from localcloud.launcher.cloud import BUCKETS, PROJECT, REGION
from tests.chaos.driver import (
    ALL,
    ANY_KILL,
    API,
    NO_FAULTS,
    SCHEDULER,
    TASK,
    ZOMBIE,
    NotSettledError,
    Settled,
    Stored,
    count_fired,
    left_open,
    show_processes,
)
from tests.chaos.fast import cloud
from tests.chaos.fast.buckets import Buckets
from tests.chaos.fast.state import QUEUED, RUNNING, State, Task
from tests.chaos.fast.zombie import Zombie

_POLL_SECONDS, _PATIENCE, _ORPHAN_SECONDS = 0.1, 120.0, 15.0
# How long a stopped task is stopped, and how long it goes on before its supervisor ends it.
_FROZEN_SECONDS, _UNHEARD_SECONDS = (0.5, 3.0), (0.5, 5.0)


class FastDriver:
    """A `Driver` over real parts, real DAGs and an executor of ours; all below the folder `home`."""

    engine = "fast"
    kills = ANY_KILL
    landing_bucket = BUCKETS["landing"]

    def __init__(self, home: Path) -> None:
        self.home = home.resolve()
        self._cloud = cloud.FastCloud(self.home)
        self._executors = 1
        self._is_at_rest = False
        self._zombies: list[Zombie] = []
        self._random = random.Random(0)  # noqa: S311 which task is hit is no secret

    def start(self) -> None:
        """Bring up the cloud, empty."""
        self.stop()
        shutil.rmtree(self.home, ignore_errors=True)
        self.home.mkdir(parents=True)
        self._cloud = cloud.FastCloud(self.home)
        self._executors = 1
        self._cloud.start()
        self._buckets = Buckets(self._cloud.cloud.url("storage"))
        self._is_at_rest = True

    def begin(self, schedulers: int) -> None:
        """No faults, no runs, so many executors. A cloud that did not come to rest before is made anew."""
        if not self._is_at_rest:
            self.start()
        self._is_at_rest = False
        self.set_faults(NO_FAULTS)
        log_of(self._cloud.place.faults).unlink(missing_ok=True)
        for number in range(self._executors):
            self._cloud.kill(f"executor-{number + 1}")
        for folder in (self._cloud.states, *self._cloud.place.logs.glob("executor-*/")):
            shutil.rmtree(folder)
            folder.mkdir()
        self._executors = schedulers
        self.revive()

    def put(self, name: str, content: bytes) -> Stored:
        """Upload an object; a storage that is down is started first, for a sender waits for its answer."""
        self._need_storage()
        made = self._buckets.upload(self.landing_bucket, name, content)
        return Stored(f"gs://{self.landing_bucket}/{name}", int(made["generation"]), made["timeCreated"])

    def delete(self, name: str) -> bool:
        """Delete an object from landing; likewise."""
        self._need_storage()
        return self._buckets.delete(self.landing_bucket, name)

    def set_faults(self, document: Mapping[str, Any]) -> None:
        write_rules(self._cloud.place.faults, json.dumps(dict(document)))
        self._random = random.Random(document["seed"])  # noqa: S311 which task is hit is no secret

    def fired(self) -> dict[str, int]:
        return count_fired(log_of(self._cloud.place.faults))

    def kill(self, what: str) -> bool:
        if what == ALL:
            self._cloud.kill_everything()
            return True
        if what == SCHEDULER:
            return self._kill_executors()
        if what == API:
            return self._cloud.kill(cloud.API)
        if what in (TASK, ZOMBIE):
            return self._hit_a_task(what)
        return self._cloud.kill(what)

    def revive(self) -> None:
        self._cloud.start_missing(self._executors)

    def replay(self, dataset: str, asked: str) -> None:
        now = datetime.now(UTC)
        run_id = f"{dataset}__replay__{now:%Y-%m-%dT%H:%M:%S.%fZ}"
        for state in self._states():
            state.add_run(f"ingest_{dataset}", run_id, {"replay": asked}, now)

    def heal_and_settle(self, faults: Mapping[str, Any], timeout: float) -> Settled:
        began = time.monotonic()
        self.set_faults(faults)
        self.revive()
        self.sweep()
        while (open_ends := self._open_ends()) or self._waited_for_orphans():
            if open_ends and time.monotonic() > began + timeout:
                raise NotSettledError(f"{'; '.join(open_ends)}. The cloud lies in {self._cloud.place.home}.")
            # Rules that never end may have killed a part again.
            self.revive()
            if not self._is_busy():
                self.sweep()
            time.sleep(_POLL_SECONDS)
        self._is_at_rest = True
        return Settled(time.monotonic() - began)

    def _waited_for_orphans(self) -> bool:
        """Whether there were tries that nobody waits for any more, and they have ended now.

        They may have left something to do. What stays for longer is a stray.
        """
        began = time.monotonic()
        found = strays = self._cloud.find_strays()
        while strays and time.monotonic() < began + _ORPHAN_SECONDS:
            time.sleep(_POLL_SECONDS)
            strays = self._cloud.find_strays()
        return bool(found) and not strays

    def sweep(self) -> None:
        """Ask for a run of the sweep, now."""
        now = datetime.now(UTC)
        for state in self._states():
            state.add_run("sweep", f"manual__{now.isoformat()}", {}, now)

    def query(self, sql: str) -> list[dict[str, Any]]:
        client = bigquery_client(self._cloud.cloud)
        job = client.query(sql, job_retry=None, timeout=_PATIENCE)
        return [
            {name: to_json(value) for name, value in row.items()} for row in job.result(timeout=_PATIENCE)
        ]

    def landing(self) -> list[str]:
        return self._buckets.names(self.landing_bucket)

    def rejected(self) -> list[str]:
        return self._buckets.names(BUCKETS["rejected"])

    def journal(self, dataset: str) -> dict[str, Any] | None:
        text = self._buckets.read(BUCKETS["lake"], f"journal/{dataset}/open.json")
        found: dict[str, Any] | None = None if text is None else json.loads(text)
        return found

    def clusters(self) -> list[str]:
        options = [("grpc.enable_http_proxy", 0)]
        with grpc.insecure_channel(self._cloud.cloud.address("dataproc"), options=options) as channel:
            client = ClusterControllerClient(transport=ClusterControllerGrpcTransport(channel=channel))
            return sorted(
                found.cluster_name for found in client.list_clusters(project_id=PROJECT, region=REGION)
            )

    def stray_processes(self) -> list[str]:
        return show_processes(self._cloud.find_strays())

    def keep_evidence(self, folder: Path) -> None:
        home = self._cloud.place.home
        for name in ("logs", "executors", "faults.json", "faults.log", "storage.sqlite", "dataproc"):
            source = home / name
            if source.is_dir():
                shutil.copytree(source, folder / name, dirs_exist_ok=True)
            elif source.exists():
                shutil.copy(source, folder / name)

    def stop(self) -> None:
        for zombie in self._zombies:
            zombie.end()
        self._cloud.stop()

    def _hit_a_task(self, what: str) -> bool:
        tries = self._tries()
        if not tries:
            return False
        path, task = self._random.choice(tries)
        if what == TASK:
            with suppress(ProcessLookupError):
                os.kill(int(task.pid or 0), signal.SIGKILL)
        else:
            self._let_live_on(path, task, self._random.uniform(*_FROZEN_SECONDS))
        return True

    def _kill_executors(self) -> bool:
        """With what they were trying or, as often, without it: on Composer, tasks run on other machines."""
        alone = self._random.random() < 0.5
        names = [f"executor-{number + 1}" for number in range(self._executors)]
        killed = [self._cloud.kill(name, alone) for name in names]
        for path, task in self._tries() if alone else []:
            self._let_live_on(path, task, 0)
        return any(killed)

    def _tries(self) -> list[tuple[Path, Task]]:
        return [
            (state.path, task)
            for state in self._states()
            for task in state.running()
            if task.pid and psutil.pid_exists(task.pid)
        ]

    def _let_live_on(self, path: Path, task: Task, frozen: float) -> None:
        self._zombies.append(Zombie(path, task, frozen, self._random.uniform(*_UNHEARD_SECONDS)))

    def _is_busy(self) -> bool:
        return any(state.runs(QUEUED, RUNNING) for state in self._states())

    def _open_ends(self) -> list[str]:
        """What keeps the cloud from being at rest; empty when nothing does."""
        self._zombies = [zombie for zombie in self._zombies if zombie.is_alive()]
        runs = [
            f"run {run.run_id} is {run.state}"
            for state in self._states()
            for run in state.runs(QUEUED, RUNNING)
        ]
        tries = ["a task that was declared dead still runs"] if self._zombies else []
        if runs or tries:
            return [*runs, *tries]
        try:
            return [*self._events(), *left_open(self)]
        except Exception as error:
            # Faults may last, and a part may just be starting: the look is repeated.
            return [f"no look at the cloud: {error}"]

    def _events(self) -> list[str]:
        with sqlite3.connect(
            f"file:{self._cloud.place.home / 'storage.sqlite'}?mode=ro", uri=True
        ) as database:
            (count,) = database.execute("SELECT COUNT(*) FROM deliveries WHERE state = 'pending'").fetchone()
        return [f"{count} events are not delivered"] if count else []

    def _states(self) -> Iterator[State]:
        for number in range(self._executors):
            state = State(self._cloud.states / f"executor-{number + 1}.sqlite")
            try:
                yield state
            finally:
                state.close()

    def _need_storage(self) -> None:
        if not self._cloud.is_running("storage"):
            self.revive()
