"""The real chain: a cloud that `landfall up --faults` brings up, with Airflow, Spark and all."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from google.api_core.exceptions import NotFound
from google.cloud.dataproc_v1 import ClusterControllerClient
from google.cloud.dataproc_v1.services.cluster_controller.transports import ClusterControllerGrpcTransport
from grpc import insecure_channel

from localcloud.airflow.api import Airflow
from localcloud.command.query import to_json
from localcloud.command.session import find_cloud
from localcloud.faults import kill as killing
from localcloud.faults.reader import log_of, write_rules
from localcloud.launcher import process
from localcloud.launcher.clients import bigquery_client, storage_client
from localcloud.launcher.cloud import BUCKETS, PROJECT, REGION, Cloud
from localcloud.launcher.errors import CommandError
from localcloud.launcher.place import ROOT, Place
from localcloud.launcher.state import read_state
from localcloud.launcher.web import WebError
from tests.chaos import datasets, driver
from tests.chaos.driver import (
    NO_FAULTS,
    NotSettledError,
    Settled,
    Stored,
    count_fired,
    left_open,
    show_processes,
)
from tests.chaos.faults import remaining

_LANDFALL = Path(sys.executable).with_name("landfall")
_POLL_SECONDS, _SWEEP_SECONDS, _PATIENCE = 1.0, 15.0, 60.0
# Our names of what can be killed, and the launcher's; a stalled task would be missed only after a minute.
_PARTS = {
    driver.FUNCTION: "function",
    driver.API: "api-server",
    driver.SCHEDULER: "scheduler",
    driver.TASK: killing.TASKS,
    driver.STORAGE: "storage",
    driver.BIGQUERY: "bigquery",
    driver.DATAPROC: "dataproc",
    driver.ALL: killing.EVERYTHING,
}
_RUN = "run "


class RealDriver:
    """A `Driver` over a whole local cloud; all of it lies below `home`."""

    engine = "real"
    kills = frozenset(_PARTS)
    landing_bucket = BUCKETS["landing"]

    def __init__(self, home: Path) -> None:
        self._home = home.resolve()
        self._place = Place(ROOT, self._home / "cloud", self._home / "contracts")
        self._faults: Mapping[str, Any] = NO_FAULTS

    def start(self) -> None:
        """Bring up the cloud, empty."""
        self._run("reset", "--yes")
        shutil.rmtree(self._home, ignore_errors=True)
        datasets.write(self._place.datasets)
        self._run("up", "--faults")

    def begin(self, schedulers: int) -> None:
        """No faults, all parts up, and whatever the scenario before left has been looked at by now."""
        self._up(NO_FAULTS)
        log_of(self._place.faults).unlink(missing_ok=True)

    def put(self, name: str, content: bytes) -> Stored:
        """Upload an object; a storage that is down is started first, for a sender waits for its answer."""
        blob = self._bucket("landing").blob(name)
        blob.upload_from_string(content, content_type="text/csv", timeout=_PATIENCE)
        return Stored(
            f"gs://{self.landing_bucket}/{name}",
            int(blob.generation),
            blob.time_created.astimezone(UTC).isoformat(),
        )

    def delete(self, name: str) -> bool:
        bucket = self._bucket("landing")
        found = bucket.get_blob(name)
        if found is None:
            return False
        bucket.delete_blobs([found], on_error=lambda _: None)
        return True

    def set_faults(self, document: Mapping[str, Any]) -> None:
        self._faults = document
        write_rules(self._place.faults, json.dumps(document))

    def fired(self) -> dict[str, int]:
        return count_fired(log_of(self._place.faults))

    def kill(self, what: str) -> bool:
        return bool(killing.kill(self._place, _PARTS[what]))

    def revive(self) -> None:
        """Start what is down. `up` takes the faults away, so that what they still owe is set again."""
        self._up(self._faults)

    def replay(self, dataset: str, asked: str) -> None:
        run = f"{dataset}__replay_{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%fZ}"
        try:
            self._airflow().trigger(f"ingest_{dataset}", run, {"replay": asked})
        except (WebError, CommandError):
            return

    def heal_and_settle(self, faults: Mapping[str, Any], timeout: float) -> Settled:
        began = time.monotonic()
        self._up(faults)
        swept = 0.0
        while open_ends := self._open_ends():
            if time.monotonic() > began + timeout:
                raise NotSettledError(f"{'; '.join(open_ends)}. The cloud lies in {self._place.home}.")
            if time.monotonic() > swept + _SWEEP_SECONDS and not any(map(_is_of_a_run, open_ends)):
                self._sweep()
                swept = time.monotonic()
            time.sleep(_POLL_SECONDS)
        return Settled(time.monotonic() - began)

    def query(self, sql: str) -> list[dict[str, Any]]:
        client = bigquery_client(find_cloud(self._place, "bigquery"))
        rows = client.query(sql, job_retry=None, timeout=_PATIENCE).result(timeout=_PATIENCE)
        return [{name: to_json(value) for name, value in row.items()} for row in rows]

    def landing(self) -> list[str]:
        return self._names("landing")

    def rejected(self) -> list[str]:
        return self._names("rejected")

    def journal(self, dataset: str) -> dict[str, Any] | None:
        blob = self._bucket("lake").blob(f"journal/{dataset}/open.json")
        try:
            found: dict[str, Any] = json.loads(blob.download_as_bytes())
        except NotFound:
            return None
        return found

    def clusters(self) -> list[str]:
        with insecure_channel(
            self._cloud("dataproc").address("dataproc"), options=[("grpc.enable_http_proxy", 0)]
        ) as channel:
            client = ClusterControllerClient(transport=ClusterControllerGrpcTransport(channel=channel))
            found = client.list_clusters(project_id=PROJECT, region=REGION)
            return sorted(cluster.cluster_name for cluster in found)

    def stray_processes(self) -> list[str]:
        """What is of no part's session: every part leads one, and jobs have sessions of their own."""
        parts = read_state(self._place.state).parts.values()
        marked = process.find_marked(self._place.home)
        usual = {os.getpid(), *(found.pid for found in process.find_groups(parts))}
        return show_processes(found for found in marked if found.pid not in usual)

    def keep_evidence(self, folder: Path) -> None:
        home = self._place.home
        for name in ("logs", "airflow/logs", "faults.json", "faults.log", "storage.sqlite", "dataproc"):
            source = home / name
            if source.is_dir():
                shutil.copytree(source, folder / name, dirs_exist_ok=True)
            elif source.exists():
                shutil.copy(source, folder / name)

    def stop(self) -> None:
        self._run("down")

    def _up(self, faults: Mapping[str, Any]) -> None:
        self._run("up", "--faults")
        self.set_faults(remaining(faults, self.fired()))

    def _run(self, *arguments: str) -> None:
        environment = os.environ | {
            "LANDFALL_HOME": str(self._place.home),
            "LANDFALL_DATASETS_DIR": str(self._place.datasets),
            "NO_COLOR": "1",
        }
        command = [str(_LANDFALL), *arguments]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise CommandError(f"landfall {' '.join(arguments)}: {done.stderr.strip()[-2000:]}")

    def _cloud(self, *needed: str) -> Cloud:
        return find_cloud(self._place, *needed)

    def _airflow(self) -> Airflow:
        return Airflow(self._cloud("api-server").url("api-server"))

    def _bucket(self, purpose: str) -> Any:
        try:
            cloud = self._cloud("storage")
        except CommandError:
            self.revive()
            cloud = self._cloud("storage")
        return storage_client(cloud).bucket(BUCKETS[purpose])

    def _names(self, purpose: str) -> list[str]:
        return sorted(blob.name for blob in self._bucket(purpose).list_blobs())

    def _sweep(self) -> None:
        try:
            self._airflow().trigger("sweep", f"chaos__{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%fZ}", {})
        except WebError:
            # It is asked for again while something is left open.
            return

    def _runs(self) -> list[str]:
        """What is queued or running, of every DAG."""
        airflow = self._airflow()
        dags = ["sweep", *(f"ingest_{dataset}" for dataset in datasets.DATASETS)]
        return [
            f"{_RUN}{run['dag_run_id']} is {run['state']}"
            for dag in dags
            for run in airflow.runs(dag)
            if run["state"] in ("queued", "running")
        ]

    def _open_ends(self) -> list[str]:
        """What keeps the cloud from being at rest; empty when nothing does."""
        try:
            return [*self._runs(), *left_open(self)]
        except Exception as error:
            # Airflow's one writer at a time makes it slow to answer now and then: the look is repeated.
            return [f"no look at the cloud: {error}"]


def _is_of_a_run(open_end: str) -> bool:
    return open_end.startswith(_RUN)
