"""A control room over a real local BigQuery and a real local Cloud Storage, and a ledger to write into."""

import json
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import flask
from flask.testing import FlaskClient
from google.auth.credentials import AnonymousCredentials
from google.auth.transport.requests import AuthorizedSession
from google.cloud import bigquery, storage

from localcloud.launcher.ports import choose_ports
from room.app import make_app
from room.catalogue import read_catalogue
from room.links import Links
from room.place import Room
from room.settings import Settings
from room.warehouse import Warehouse
from tests.bigquery.world import LOCATION, NOON, PROJECT, ROOT, start

LANDING, LAKE = "room-landing", "room-lake"
LINKS = {
    "run": "https://airflow.example/dags/{dag_id}/runs/{run_id}",
    "bigquery_job": "https://bigquery.example/jobs/{job_id}",
    "dataproc_job": "https://dataproc.example/jobs/{job_id}",
    "object": "https://storage.example/{bucket}/{name}",
    "table": "https://bigquery.example/tables/{dataset}/{table}",
}
_CREDENTIALS = AnonymousCredentials()  # type: ignore[no-untyped-call]
_STEPS = ("claim_batch", "create_cluster", "csv_to_parquet", "load_raw", "call_trusted")

Row = dict[str, Any]


@dataclass
class World:
    """The emulators, and one control room over them; `now` is what its clock says.

    What is written is written as the pipeline writes it: the ledger's tables, landing, the journal.
    """

    bigquery: bigquery.Client
    storage: storage.Client
    now: datetime = NOON
    room: Room = field(init=False)
    app: flask.Flask = field(init=False)

    def __post_init__(self) -> None:
        self.open()

    def open(self, storage_client: storage.Client | None = None, **settings: Any) -> None:
        """Make the control room anew, with nothing in its caches; `settings` replace the usual ones."""
        self._connect(replace(_SETTINGS, **settings), storage_client or self.storage)

    def client(self, language: str = "en") -> FlaskClient:
        """A browser of this language."""
        client = self.app.test_client()
        client.environ_base["HTTP_ACCEPT_LANGUAGE"] = language
        return client

    def show(self, address: str, language: str = "en", status: int = 200) -> str:
        """The page at the address, as a control room shows it that has been asked nothing before."""
        self._connect(self.room.settings, self.room.storage)
        answer = self.client(language).get(address)
        assert answer.status_code == status, answer.text
        return answer.text

    def _connect(self, settings: Settings, storage_client: storage.Client) -> None:
        self.room = Room(
            settings,
            read_catalogue(settings.catalog_dir),
            Warehouse(self.bigquery),
            storage_client,
            AuthorizedSession(_CREDENTIALS),  # type: ignore[no-untyped-call]
            Links(settings.links),
            lambda: self.now,
        )
        self.app = make_app(self.room)

    def ask(self, sql: str) -> list[Row]:
        return [dict(row) for row in self.bigquery.query_and_wait(sql, retry=None, job_retry=None)]

    def empty(self) -> None:
        """Forget every batch, file and rejected row, and every object."""
        tables = ["ops.batches", "ops.files"]
        tables += [f"ops.rejected_rows_{dataset}" for dataset in self.room.catalogue.datasets]
        for table in tables:
            if self.ask(f"SELECT COUNT(*) AS n FROM {table}")[0]["n"]:
                self.ask(f"DELETE FROM {table} WHERE TRUE")
        for bucket in (LANDING, LAKE):
            for blob in list(self.storage.list_blobs(bucket)):
                blob.delete()
        self.now = NOON

    def write(self, table: str, rows: Sequence[Mapping[str, Any]]) -> None:
        """Add rows to a table; columns that are not named are null."""
        for first in range(0, len(rows), 2000):
            part = [json.loads(json.dumps(row, default=_as_text)) for row in rows[first : first + 2000]]
            failures = self.bigquery.insert_rows_json(f"{PROJECT}.{table}", part, timeout=60)
            assert failures == [], failures

    def record(self, *batches: Row) -> None:
        """Write batches as `batch` makes them into the ledger."""
        self.write("ops.batches", batches)

    def record_files(self, *files: Row) -> None:
        """Write files as `file` makes them into the ledger."""
        self.write("ops.files", files)

    def reject(self, *rows: Row) -> None:
        """Write rejected rows, as `rejected_row` makes them and as a run loads them before its batch ends."""
        for dataset in sorted({row["dataset"] for row in rows}):
            mine = [row for row in rows if row["dataset"] == dataset]
            self.write(f"ops.rejected_rows_{dataset}", mine)

    def record_rejected(self, *rows: Row) -> None:
        """Write rejected rows, and into the ledger the files that they are of."""
        known = ("dataset", "batch_id", "source_uri", "source_generation")
        files = {tuple(row[name] for name in known): row["ingested_at"] for row in rows}
        self.record_files(
            *(
                file(key[0], 0, claimed_at=at, **dict(zip(known[1:], key[1:], strict=True)))
                for key, at in files.items()
            )
        )
        self.reject(*rows)

    def land(self, name: str, content: bytes = b"a\n") -> int:
        """Drop a file into landing; its generation. It was created at the real time, not at `now`."""
        blob = self.storage.bucket(LANDING).blob(name)
        blob.upload_from_string(content)
        return int(blob.generation)

    def open_journal(self, dataset: str, *batches: Row, not_before: datetime | None = None) -> None:
        """Make these, as `open_batch` makes them, the open batches of the dataset."""
        document = {"version": 3, "dataset": dataset, "streak": 0, "batches": batches}
        text = json.dumps(document | {"not_before": not_before}, default=_as_text)
        self.storage.bucket(LAKE).blob(f"journal/{dataset}/open.json").upload_from_string(text)


_SETTINGS = Settings(
    project=PROJECT,
    region=LOCATION,
    environment="test",
    bigquery_location=LOCATION,
    landing_bucket=LANDING,
    lake_bucket=LAKE,
    catalog_dir=ROOT / "bigquery",
    lineage_url="http://127.0.0.1:9",
    links=LINKS,
)


@contextmanager
def start_world(folder: Path) -> Iterator[World]:
    """Run both emulators with their data in `folder` until the block ends; the warehouse is provisioned."""
    with start(folder / "bigquery") as warehouse, _start_storage(folder / "storage") as objects:
        for bucket in (LANDING, LAKE):
            objects.create_bucket(bucket)
        yield World(warehouse.client, objects)


@contextmanager
def _start_storage(folder: Path) -> Iterator[storage.Client]:
    folder.mkdir()
    port = choose_ports(["storage"], {}, folder)["storage"]
    url = f"http://127.0.0.1:{port}"
    places = ["--buckets", str(folder / "buckets"), "--state", str(folder / "state.sqlite")]
    command = [
        sys.executable,
        "-m",
        "localcloud.storage",
        "--port",
        str(port),
        "--project",
        PROJECT,
    ]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([*command, *places], cwd=ROOT, stdout=log, stderr=log)
    try:
        _wait_for(url, process)
        yield storage.Client(PROJECT, _CREDENTIALS, client_options={"api_endpoint": url})
    finally:
        process.terminate()
        process.wait(timeout=60)


def _wait_for(url: str, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            with urlopen(f"{url}/healthz", timeout=5):  # noqa: S310 our own address
                return
        except OSError:
            assert process.poll() is None and time.monotonic() < deadline, "the local storage does not answer"
            time.sleep(0.05)


def batch_id(number: int) -> str:
    """An id as batches have it, 32 hex digits."""
    return f"{number:032x}"


def batch(dataset: str, number: int, minutes_ago: float = 10, **fields: Any) -> Row:
    """A batch of a file and a hundred rows that succeeded, claimed that long before noon."""
    claimed = NOON - timedelta(minutes=minutes_ago)
    usual = {
        "dataset": dataset,
        "batch_id": batch_id(number),
        "state": "succeeded",
        "run_id": f"{dataset}__{claimed:%Y-%m-%dT%H:%M:%SZ}",
        "contract_version": "1.0.0",
        "claimed_at": claimed,
        "recorded_at": claimed + timedelta(seconds=20),
        "files": 1,
        "files_rejected": 0,
        "files_superseded": 0,
        "bytes": 2048,
        "rows_read": 100,
        "rows_accepted": 100,
        "rows_rejected": 0,
        "rows_merged": 100,
        "cluster_name": f"lf-{dataset.replace('_', '-')}-{batch_id(number)[:12]}",
        "vcpu_seconds": 240.0,
        "estimated_cost_usd": 0.0029,
        "steps": steps(claimed),
        "quality": [],
        "new_columns": [],
    }
    return usual | fields


def steps(start: datetime, tasks: Iterable[str] = _STEPS, seconds: float = 3.0, **fields: Any) -> list[Row]:
    """Steps one after the other, a second between two of them."""
    found = []
    for number, task in enumerate(tasks):
        began = start + timedelta(seconds=number * (seconds + 1))
        ended = began + timedelta(seconds=seconds)
        step = {
            "task": task,
            "started_at": began,
            "finished_at": ended,
            "seconds": seconds,
            "state": "success",
        }
        found.append(step | fields)
    return found


def file(dataset: str, number: int, name: str = "a.csv", minutes_ago: float = 10, **fields: Any) -> Row:
    """A file of the batch of that number, loaded with its hundred rows; its generation is the number."""
    claimed = NOON - timedelta(minutes=minutes_ago)
    usual = {
        "dataset": dataset,
        "batch_id": batch_id(number),
        "source_uri": f"gs://{LANDING}/{dataset}/{name}",
        "source_generation": number,
        "size": 2048,
        "crc32c": "AAAAAA==",
        "md5": "1B2M2Y8AsgTpgAmY7PhCfg==",
        "source_created_at": claimed - timedelta(minutes=1),
        "archive_uri": f"gs://room-archive/{dataset}/2026-11-21/{number}_{name}",
        "state": "loaded",
        "rows_read": 100,
        "rows_accepted": 100,
        "rows_rejected": 0,
        "claimed_at": claimed,
        "recorded_at": claimed + timedelta(seconds=20),
        "missing_columns": [],
        "unknown_columns": [],
    }
    return usual | fields


def rejected_row(dataset: str, number: int, row: int = 1, minutes_ago: float = 10, **fields: Any) -> Row:
    """A rejected row of the file that `file` makes; its one reason is a number that is none."""
    reason = {"code": "bad_type", "column": "quantity", "value": "many", "detail": "expected INT64"}
    usual = {
        "dataset": dataset,
        "batch_id": batch_id(number),
        "source_uri": f"gs://{LANDING}/{dataset}/a.csv",
        "source_generation": number,
        "source_row": row,
        "raw": f"{row},many",
        "reasons": [reason],
        "ingested_at": NOON - timedelta(minutes=minutes_ago),
        "text_offset": 10 * row,
        "text_bytes": 8,
    }
    return usual | fields


def open_batch(dataset: str, number: int, minutes_ago: float = 1, **fields: Any) -> Row:
    """A batch of one file that is in work, as the journal holds it."""
    claimed = NOON - timedelta(minutes=minutes_ago)
    source = {
        "uri": f"gs://{LANDING}/{dataset}/open.csv",
        "generation": number,
        "size": 2048,
        "crc32c": "AAAAAA==",
        "md5": None,
        "created_at": (claimed - timedelta(minutes=1)).isoformat(),
    }
    usual = {
        "dataset": dataset,
        "batch_id": batch_id(number),
        "claim": batch_id(number),
        "run_id": f"{dataset}__{claimed:%Y-%m-%dT%H:%M:%SZ}",
        "contract_version": "1.0.0",
        "claimed_at": claimed,
        "arrived_on": f"{claimed:%Y-%m-%d}",
        "replay": None,
        "failures": 0,
        "failed_run": None,
        "retry_at": None,
        "fate": None,
        "suspects": [],
        "files": [source],
    }
    return usual | fields


def _as_text(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else str(value)
