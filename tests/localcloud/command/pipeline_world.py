"""A deployment on a real local Cloud Storage and BigQuery, moved step by step as the pipeline moves it.

Journals, manifests and the rows of the ledger are made by the pipeline's own pure functions; what Airflow and
the storage's deliveries say is set by the test.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from google.cloud import storage

from landfall_dags import agenda
from landfall_dags import ledger as rows
from landfall_dags.cost import Cost
from landfall_dags.identity import SourceFile, timestamp
from landfall_dags.journal import (
    Entry,
    Journal,
    Open,
    journal_text,
    manifest_text,
    open_entry,
    replay_entry,
    settle,
)
from landfall_dags.metrics import FileResult, Metrics, Rows
from landfall_dags.pipeline import Isolation
from landfall_dags.warehouse import Warehouse as Ledger
from localcloud.airflow.api import Airflow
from localcloud.command.datasets import Dataset
from localcloud.deployment.bigquery import BigQuery
from localcloud.deployment.deployment import Deployment, Look
from localcloud.launcher.place import ROOT
from tests.bigquery.world import Warehouse

BUCKETS = {name: f"world-{name}" for name in ("landing", "archive", "rejected", "lake")}
ISOLATION = Isolation(2, 60, 3600)
TASKS = ("claim_batch", "create_cluster", "csv_to_parquet", "check_metrics", "load_raw", "load_rejected")
ALL_TASKS = (*TASKS, "call_trusted")
RESOURCES = {
    "create_cluster": "lf-one",
    "csv_to_parquet": "lf-one-spark-1",
    "load_raw": "load_1",
    "call_trusted": "call_1",
}


@dataclass
class SaidAirflow(Airflow):
    """An Airflow that says what the test lets it say."""

    said_runs: list[dict[str, Any]] = field(default_factory=list)
    said_tasks: list[dict[str, Any]] = field(default_factory=list)

    def runs(self, dag: str, limit: int = 25) -> list[dict[str, Any]]:
        return [run for run in self.said_runs if run["dag_id"] == dag]

    def tasks(self, dag: str, run: str) -> list[dict[str, Any]]:
        return self.said_tasks


class Standing(Deployment):
    """An installation made of the two emulators."""

    command = "landfall"
    contracts = ROOT / "bigquery" / "datasets"
    buckets = BUCKETS
    sees_events = True
    guards = False
    pause = 0.01
    patience = 5.0
    links: Mapping[str, str] = {}  # type: ignore[assignment]
    control_room: str | None = None  # type: ignore[assignment]

    def __init__(self, client: storage.Client, warehouse: Warehouse) -> None:
        self._client = client
        self._warehouse = warehouse
        self.said = SaidAirflow()
        self.delivered: list[dict[str, Any]] = []

    @property
    def datasets(self) -> dict[str, Dataset]:
        return self.contracted

    def require_all(self) -> None:
        pass

    def storage(self) -> storage.Client:
        return self._client

    def bigquery(self) -> BigQuery:
        return BigQuery(self._warehouse.client, 5)

    def airflow(self) -> Airflow:
        return self.said

    def look(self) -> Look:
        return Look({}, [], "", sound=True)

    def variables(self) -> dict[str, str]:
        return {"LANDFALL_PROJECT": "landfall-test"}

    def exports(self) -> str:
        return "export LANDFALL_PROJECT=landfall-test"

    def deliveries(self, uri: str, generation: int) -> list[dict[str, Any]]:
        return self.delivered

    def say_logs(self, dag: str, run: str) -> str:
        return f"The logs of {run} of {dag}."

    def say_where(self, step: str) -> str:
        return f"Ask about '{step}'."


@dataclass
class World:
    """The deployment, and what the pipeline does to it."""

    deployment: Standing
    warehouse: Warehouse

    def __post_init__(self) -> None:
        self.ledger = Ledger(self.warehouse.client)
        self.journals: dict[str, Journal] = {}

    def bucket(self, purpose: str) -> storage.Bucket:
        return self.deployment.storage().bucket(BUCKETS[purpose])

    def land(self, name: str, content: str = "a\n1\n") -> SourceFile:
        """Put an object into landing."""
        blob = self.bucket("landing").blob(name)
        blob.upload_from_string(content)
        blob.reload()
        uri = f"gs://{BUCKETS['landing']}/{name}"
        created = timestamp(blob.time_created)
        return SourceFile(uri, int(blob.generation), blob.size, blob.crc32c, blob.md5_hash, created)

    def take_from_landing(self, files: Iterable[SourceFile]) -> None:
        for file in files:
            self.bucket("landing").blob(file.uri.split("/", 3)[3]).delete()

    def claim(self, *files: SourceFile, run: str = "run_1") -> Entry:
        """Open a batch with these files, and archive them."""
        entry = open_entry(_dataset(files), files, run, "1.0.0", now())
        self._open(entry)
        self.take_from_landing(files)
        return entry

    def claim_replay(self, *files: SourceFile, asked: str, run: str = "replay_1") -> Entry:
        """Open a batch that reads archived files again."""
        entry = replay_entry(_dataset(files), files, run, "1.0.0", now(), asked)
        self._open(entry)
        return entry

    def run(
        self, state: str, entry: Entry | None = None, run: str = "run_1", dataset: str = "price_quote"
    ) -> None:
        """What Airflow says of the newest run of a dataset."""
        dag = f"ingest_{entry.dataset if entry else dataset}"
        self.deployment.said.said_runs.insert(
            0,
            {
                "dag_id": dag,
                "dag_run_id": run,
                "state": state,
                "queued_at": now(),
                "run_after": now(),
                "end_date": None if state in ("queued", "running") else now(),
            },
        )

    def does(self, *done: str, now_runs: str | None = None) -> None:
        """What Airflow says of the tasks of the run: those that are done, and the one that runs."""
        tasks = [_task(name, "success") for name in done]
        self.deployment.said.said_tasks = tasks + ([_task(now_runs, "running")] if now_runs else [])

    def fail(
        self, entry: Entry, why: str, task: str = "csv_to_parquet", run: str = "run_1", blame: bool = True
    ) -> None:
        """A run fails with the batch, by its own fault or by that of its surroundings."""
        fault = agenda.Fault.BATCH if blame else agenda.Fault.SURROUNDINGS
        journal = self.journals[entry.dataset]
        self._write(agenda.failed(journal, entry.batch_id, run, fault, (), ISOLATION, datetime.now(UTC)))
        done = ALL_TASKS[: ALL_TASKS.index(task)]
        self.ledger.merge_batch(rows.failed_row(entry, {task: why}, _run(run, done, failed=task)))

    def take_up(self, entry: Entry) -> None:
        """A run works on the batch again."""
        self._write(agenda.taken_up(self.journals[entry.dataset], entry.batch_id))

    def divide(self, entry: Entry, why: str = "it failed") -> tuple[Entry, ...]:
        """The batch goes on as two parts, which have no manifest before they are worked on."""
        batch = self.journals[entry.dataset].find(entry.batch_id)
        assert batch is not None
        parts = agenda.parts_of(batch, ISOLATION)
        self.ledger.merge_batch(rows.divided_row(batch, parts, why, rows.unattended("run_2", now())))
        self._write(agenda.divided(self.journals[entry.dataset], entry.batch_id, parts))
        for part in parts:
            self._write_manifest(part.entry, set())
        return tuple(part.entry for part in parts)

    def end(
        self,
        entry: Entry,
        rejected: Mapping[SourceFile, str] | None = None,
        refusal: str | None = None,
        superseded: Iterable[SourceFile] = (),
        bad_rows: int = 0,
        run: str = "run_1",
    ) -> None:
        """The batch is recorded and closed; files not named are loaded, with 10 rows each."""
        manifest = settle(entry, "1.0.0", BUCKETS["archive"], set(superseded), None)
        rejected = rejected or {}
        results = tuple(
            FileResult(
                one.source.uri,
                one.source.generation,
                "rejected" if one.source in rejected else "loaded",
                rejected.get(one.source),
                f"{rejected[one.source]} was found" if one.source in rejected else None,
                Rows(10, 10 - bad_rows, bad_rows),
            )
            for one in manifest.files
        )
        total = Rows(10 * len(results), (10 - bad_rows) * len(results), bad_rows * len(results))
        metrics = Metrics(total, results, refusal=refusal)
        done = TASKS if refusal else ALL_TASKS
        ran = _run(run, done if manifest.files else ())
        self.ledger.merge_files(rows.file_rows(manifest, metrics, {}, ran.recorded_at))
        self.ledger.merge_batch(rows.closed_row(manifest, metrics, 0 if refusal else total.accepted, ran))
        self._close(entry)

    def give_up(self, entry: Entry, why: str = "out of luck") -> None:
        """A replay failed too often."""
        row = rows.given_up_row(Open(entry, failures=2), why, rows.unattended("run_9", now()))
        self.ledger.merge_batch(row)
        self._close(entry)

    def _open(self, entry: Entry) -> None:
        self._write(agenda.opened(self.journals.get(entry.dataset, Journal(entry.dataset)), entry))
        self._write_manifest(entry, set())

    def _close(self, entry: Entry) -> None:
        self._write(agenda.closed(self.journals[entry.dataset], entry.batch_id))

    def _write(self, journal: Journal) -> None:
        self.journals[journal.dataset] = journal
        blob = self.bucket("lake").blob(f"journal/{journal.dataset}/open.json")
        blob.upload_from_string(journal_text(journal))

    def _write_manifest(self, entry: Entry, superseded: set[SourceFile]) -> None:
        manifest = settle(entry, "1.0.0", BUCKETS["archive"], superseded, None)
        blob = self.bucket("lake").blob(f"{entry.dataset}/{entry.batch_id}/manifest.json")
        blob.upload_from_string(manifest_text(manifest))


def now() -> str:
    return timestamp(datetime.now(UTC))


def _dataset(files: Sequence[SourceFile]) -> str:
    return files[0].uri.split("/")[3]


def _task(name: str, state: str) -> dict[str, Any]:
    end = now() if state == "success" else None
    return {"task_id": name, "state": state, "end_date": end, "duration": 2.0, "try_number": 1}


def _run(run_id: str, done: Iterable[str], failed: str | None = None) -> rows.Run:
    steps = [rows.Step(task, now(), now(), 1.5, "success", RESOURCES.get(task)) for task in done]
    if failed:
        steps.append(rows.Step(failed, now(), now(), 1.5, "failed", RESOURCES.get(failed)))
    return rows.Run(run_id, now(), "lf-one", Cost(240.0, 0.0029), tuple(steps))
