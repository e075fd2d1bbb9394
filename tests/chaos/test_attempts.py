"""Attempts of one batch's job in real Spark, killed or beside each other: one is elected, and it is whole."""

from __future__ import annotations

import json
import threading
import time
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from google.cloud.dataproc_v1.types import Job, JobStatus

from landfall_dags import election
from landfall_dags.store import CloudStore
from localcloud.faults.reader import write_rules
from localcloud.metadata.airflow_token import AirflowTokens, Token
from localcloud.metadata.server import MetadataServer
from tests.localcloud.dataproc.conftest import DATA, LocalDataproc, until
from tests.localcloud.storage.conftest import StorageProcess
from tests.spark_jobs.batches import LAKE, Batch, Place, stage
from tests.spark_jobs.submission import UNIT

DATASET, FILES, ROWS, KEYS = "orders", 3, 40_000, 39_990
CASES = UNIT.parent / "tests" / "spark_jobs" / "cases"
State = JobStatus.State


@dataclass
class World:
    """A Dataproc and a storage part over the same buckets, and a batch whose output goes to the lake."""

    dataproc: LocalDataproc
    storage: StorageProcess
    rules: Path  # faults of the storage
    batch: Batch

    @property
    def folder(self) -> str:
        """The batch's folder in the lake."""
        return f"gs://{LAKE}/{DATASET}/{self.batch.manifest.split('/')[-2]}"

    def submit(self, job_id: str) -> None:
        self.dataproc.submit(
            "shared",
            f"gs://{DATA}/csv_to_parquet.py",
            job_id=job_id,
            python_file_uris=[f"gs://{DATA}/landfall_spark.zip"],
            args=[
                *("--manifest", self.batch.manifest, "--pipeline", self.batch.pipeline),
                *("--output", f"{self.folder}/attempts/{job_id}"),
            ],
        )

    def end_of(self, job_id: str) -> Job:
        """The job once it is done."""
        return until(lambda: (job := self.dataproc.get_job(job_id)).done and job, seconds=240)

    def output(self, job_id: str) -> dict[str, bytes]:
        """The objects of an attempt, by their names in its folder; its own place is not part of them."""
        place = f"{self.folder}/attempts/{job_id}"
        client, prefix = self.storage.client(), place.removeprefix(f"gs://{LAKE}/") + "/"
        return {
            blob.name.removeprefix(prefix): blob.download_as_bytes().replace(place.encode(), b"")
            for blob in client.list_blobs(LAKE, prefix=prefix)
        }

    def withhold_metrics(self, job_id: str) -> None:
        """Let the storage refuse the last object of an attempt: it goes on trying, and does not end."""
        match = {"method": "POST|PUT", "path": rf"{job_id}(/|%2F)metrics\.json"}
        rule = {"id": "last", "part": "storage", "match": match, "action": "error", "status": 503}
        write_rules(self.rules, json.dumps({"rules": [rule]}))

    def kill_driver(self) -> None:
        """SIGKILL the JVM of the one job that runs."""
        (jvm,) = [one for one in self.dataproc.processes() if one.name() == "java"]
        jvm.kill()


class AnyToken(AirflowTokens):
    """The local storage takes any token, but Google's client wants one."""

    def find_token(self) -> Token:
        return Token("any", time.time() + 3600)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    home = tmp_path_factory.mktemp("attempts")
    rules = home / "storage_faults.json"
    storage = StorageProcess(home, flags=("--faults", str(rules)))
    metadata = MetadataServer(0, "test-project", AnyToken(""))
    threading.Thread(target=metadata.serve_forever).start()
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("GCE_METADATA_ROOT", f"127.0.0.1:{metadata.server_port}")
        environment.setenv("CLOUD_STORAGE_EMULATOR_ENDPOINT", storage.url)
        environment.setenv("GOOGLE_GCLOUD_ADC_PATH_OVERRIDE", str(home / "no_credentials.json"))
        dataproc = LocalDataproc(home, "--no-warm-up")
    storage.start()
    storage.client().create_bucket(LAKE)
    _deploy(dataproc.buckets / DATA)
    dataproc.create("shared").result(timeout=60)
    yield World(dataproc, storage, rules, _stage(home / "inputs"))
    dataproc.stop()
    storage.stop()
    metadata.shutdown()
    metadata.server_close()


def test_of_three_attempts_a_whole_one_is_elected(world: World) -> None:
    store = CloudStore(world.storage.client())
    world.withhold_metrics("first")
    world.submit("first")
    accepted = "accepted/part-00000.parquet"
    until(lambda: accepted in world.output("first") or world.dataproc.get_job("first").done, seconds=120)
    world.kill_driver()
    assert world.end_of("first").status.state == State.ERROR
    world.rules.unlink()
    left = world.output("first")
    assert accepted in left
    assert "metrics.json" not in left
    election.stand(store, world.folder, "first", _nothing_to_say)
    assert store.read(election.elected_uri(world.folder)) is None

    world.dataproc.set_fault("kill_worker", "SubmitJob/second$", seconds=0.4)
    for job_id in ("second", "third"):
        world.submit(job_id)
    for job_id in ("second", "third"):
        assert world.end_of(job_id).status.state == State.DONE
    (struck,) = world.dataproc.struck()
    assert len(struck["struck"]) == 1
    second = world.output("second")
    assert {Path(name).parts[0] for name in second} == {"accepted", "rejected", "metrics.json"}
    assert world.output("third") == second
    assert world.output("first") == left

    elected = _race(
        lambda job_id: election.stand(store, world.folder, job_id, _nothing_to_say),
        ["second", "third", "first"] * 4,
        lambda: store.read(election.elected_uri(world.folder)),
    )
    metrics = json.loads(elected.text)
    assert metrics["output"] in [f"{world.folder}/attempts/{job_id}" for job_id in ("second", "third")]
    _check_rows(world, metrics)


def _race(act: Callable[[str], object], over: list[str], look: Callable[[], Any]) -> Any:
    """What everyone finds who looks after it acted; it must be the same for all."""

    def act_and_look(one: str) -> Any:
        act(one)
        return look()

    with ThreadPoolExecutor(len(over)) as threads:
        found = [one for one in threads.map(act_and_look, over) if one is not None]
    assert len(set(found)) == 1
    return found[0]


def _check_rows(world: World, metrics: dict[str, Any]) -> None:
    """Each file's rows are there once, those that repeat a key of their file as rejected ones."""
    assert (metrics["rows_read"], metrics["rows_accepted"]) == (FILES * ROWS, FILES * KEYS)
    found: Counter[tuple[str, int]] = Counter()
    folder = world.dataproc.path(metrics["output"])
    for kind, prefix in (("accepted", "_source"), ("rejected", "source")):
        for path in (folder / kind).glob("*.parquet"):
            table = pq.ParquetFile(path).read([f"{prefix}_uri", f"{prefix}_row"])
            found.update(zip(*(column.to_pylist() for column in table.columns), strict=True))
    assert found == Counter(
        (f"gs://landing/{DATASET}/{name}.csv", row) for name in range(FILES) for row in range(1, ROWS + 1)
    )


def _nothing_to_say(text: str, uri: str) -> None:
    """Metrics that pass."""


def _stage(root: Path) -> Batch:
    pipeline = json.loads((CASES / "duplicate_keys_rejected" / "pipeline.json").read_text())
    lines = "".join(f"key {number % KEYS},2026-11-21,{number}\n" for number in range(ROWS))
    files = {f"{name}.csv": f"code,day,n\n{lines}".encode() for name in range(FILES)}
    place = Place(None, root)  # type: ignore[arg-type]  # no session: Dataproc runs the job
    return stage(place, pipeline, files, "attempts")


def _deploy(bucket: Path) -> None:
    """Put the job where terraform puts it."""
    (bucket / "csv_to_parquet.py").write_bytes((UNIT / "csv_to_parquet.py").read_bytes())
    with zipfile.ZipFile(bucket / "landfall_spark.zip", "w") as archive:
        for path in sorted((UNIT / "landfall_spark").glob("*.py")):
            archive.write(path, f"landfall_spark/{path.name}")
