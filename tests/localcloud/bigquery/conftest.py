"""A real local BigQuery for all tests of this folder, and the small things they ask of it."""

import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from google.cloud import bigquery

from localcloud import warehouse
from localcloud.launcher.ports import choose_ports

ROOT = Path(__file__).parents[3]
PROJECT = "landfall-test"
LOCATION = "us-central1"


@dataclass
class Server:
    """One launcher process, its folders and what it has logged."""

    data: Path
    buckets: Path
    port: int
    process: subprocess.Popen[str]
    log: list[str] = field(default_factory=list)
    listening: threading.Event = field(default_factory=threading.Event)

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def client(self) -> bigquery.Client:
        return warehouse.connect(self.endpoint, PROJECT, LOCATION)

    def follow(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.log.append(line)
            if "rest.listen" in line:
                self.listening.set()
        self.listening.set()

    def stop(self) -> int:
        self.process.terminate()
        return self.process.wait(timeout=60)


def start_server(data: Path, buckets: Path) -> Server:
    # Not one that the system gives away to others while the process starts.
    port = choose_ports(["bigquery"], {}, data)["bigquery"]
    flags = ["--port", str(port), "--data", str(data), "--buckets", str(buckets), "--project", PROJECT]
    process = subprocess.Popen(
        [sys.executable, "-m", "localcloud.bigquery", *flags],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    server = Server(data, buckets, port, process)
    threading.Thread(target=server.follow, daemon=True).start()
    assert server.listening.wait(180), "the server said nothing for three minutes"
    assert process.poll() is None, "".join(server.log)
    return server


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("bigquery")
    (folder / "buckets").mkdir()
    running = start_server(folder / "data", folder / "buckets")
    yield running
    running.stop()


@pytest.fixture(scope="session")
def start() -> Callable[[Path, Path], Server]:
    return start_server


@pytest.fixture
def client(server: Server) -> bigquery.Client:
    return server.client()


@pytest.fixture
def dataset(client: Any) -> str:
    """A dataset of the test's own."""
    name = f"d_{uuid4().hex[:12]}"
    client.create_dataset(name, timeout=60)
    return name


Run = Callable[..., list[dict[str, Any]]]


@pytest.fixture
def run(client: Any) -> Run:
    """Run a statement with parameters and give its rows; errors come at once, without retries."""

    def query(sql: str, *parameters: Any) -> list[dict[str, Any]]:
        config = bigquery.QueryJobConfig(query_parameters=parameters)
        job = client.query(sql, job_config=config, retry=None, job_retry=None, timeout=120)
        return [dict(row) for row in job.result(retry=None, job_retry=None, timeout=120)]

    return query


Write = Callable[..., str]


@pytest.fixture
def write(server: Server) -> Write:
    """Write rows as a Parquet object of a bucket and give its ``gs://`` URI."""

    def parquet(name: str, schema: pa.Schema, rows: list[dict[str, Any]]) -> str:
        path = server.buckets / "lake" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.Table.from_pylist(rows, schema=schema), path)
        return f"gs://lake/{name}"

    return parquet


Load = Callable[..., bigquery.LoadJob]


@pytest.fixture
def load(client: Any) -> Load:
    """Load URIs into a table as the pipeline does, and wait; ``options`` go into the job's configuration."""

    def from_uri(uri: str, table: str, *, job_id: str | None = None, **options: Any) -> bigquery.LoadJob:
        config = bigquery.LoadJobConfig(
            source_format="PARQUET",
            write_disposition="WRITE_APPEND",
            create_disposition="CREATE_NEVER",
            decimal_target_types=["NUMERIC", "BIGNUMERIC"],
        )
        config.parquet_options = bigquery.ParquetOptions.from_api_repr({"enableListInference": True})
        for name, value in options.items():
            setattr(config, name, value)
        job: bigquery.LoadJob = client.load_table_from_uri(
            uri, table, job_id=job_id, job_config=config, retry=None, timeout=120
        )
        job.result(retry=None, timeout=120)
        return job

    return from_uri


@pytest.fixture
def make(client: Any, dataset: str) -> Callable[..., str]:
    """Make a table of the test's dataset from a JSON schema and give its name for SQL."""

    def table(name: str, fields: list[dict[str, Any]], **properties: Any) -> str:
        schema = [bigquery.SchemaField.from_api_repr(one) for one in fields]
        definition = bigquery.Table(f"{PROJECT}.{dataset}.{name}", schema=schema)
        for key, value in properties.items():
            setattr(definition, key, value)
        client.create_table(definition, timeout=60)
        return f"{dataset}.{name}"

    return table
