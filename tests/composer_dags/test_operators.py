"""The load of a batch against the local cloud's BigQuery; the Spark job against a Dataproc of two answers."""

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from google.api_core.exceptions import BadRequest
from google.auth.credentials import AnonymousCredentials
from google.cloud import bigquery

from landfall_dags.identity import SourceFile
from landfall_dags.journal import entry_text, manifest_text, open_entry, settle
from landfall_dags.load import call_configuration, load_configuration
from tests.composer_dags.parts import Part
from tests.composer_dags.worlds import MemoryWorld

CONNECTION = (
    '{"conn_type": "google_cloud_platform", "extra": {"is_anonymous": true, "project": "landfall-test"}}'
)


FILE = SourceFile("gs://landing/d/a.csv", 7, 10, "AAAAAA==", None, "2025-11-21T01:26:02.123456Z")
ENTRY = open_entry("d", [FILE], "run-1", "1.0.0", "2025-11-21T01:26:03.000500Z")
MANIFEST = settle(ENTRY, "1.0.0", "archive", set(), None)


@pytest.fixture(scope="module")
def client(bigquery_part: Part) -> bigquery.Client:
    client = bigquery.Client(
        project="landfall-test",
        location="us-central1",
        credentials=AnonymousCredentials(),  # type: ignore[no-untyped-call]
        client_options={"api_endpoint": bigquery_part.url},
    )
    client.create_dataset("raw")
    return client


@pytest.fixture
def connected(bigquery_part: Part, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_GOOGLE_CLOUD_DEFAULT", CONNECTION)
    monkeypatch.setenv("BIGQUERY_EMULATOR_HOST", bigquery_part.url)


@pytest.fixture
def table(client: bigquery.Client, request: pytest.FixtureRequest) -> Iterator[str]:
    """A table whose columns are required, as Spark's Parquet never says."""
    name = f"raw.{request.node.name.replace('[', '_').replace(']', '')}"
    schema = [
        bigquery.SchemaField("id", "STRING", mode="REQUIRED"),
        bigquery.SchemaField("quantity", "INT64"),
    ]
    client.create_table(bigquery.Table(f"landfall-test.{name}", schema))
    yield name
    client.delete_table(f"landfall-test.{name}")


def write_parquet(part: Part, ids: list[str | None], more: dict[str, Any] | None = None) -> str:
    folder = part.buckets / "lake" / "batch" / "accepted"
    folder.mkdir(parents=True, exist_ok=True)
    columns = {"id": pa.array(ids, pa.string()), "quantity": pa.array(range(len(ids)), pa.int64())}
    pq.write_table(pa.table(columns | (more or {})), folder / "part-0.parquet")
    return "gs://lake/batch/accepted/*.parquet"


def load(table: str, uris: str, rows: int, new_columns: str = "") -> str | None:
    from landfall_dags.operators import LoadBatchOperator

    operator = LoadBatchOperator(
        task_id="load_raw",
        job_id=f"load_{table.replace('.', '_')}",
        rows=str(rows),
        new_columns=new_columns,
        configuration=load_configuration("landfall-test", table, uris, {"landfall_dataset": "d"}),
        project_id="landfall-test",
        location="us-central1",
    )
    return operator.execute({})


def count(client: bigquery.Client, table: str) -> int:
    (row,) = client.query_and_wait(f"SELECT COUNT(*) AS n FROM {table}")
    return int(row["n"])


@pytest.mark.usefixtures("connected")
def test_a_batch_is_loaded_once_however_often_it_is_tried(
    client: bigquery.Client, bigquery_part: Part, table: str
) -> None:
    uris = write_parquet(bigquery_part, ["a", "b", "c"])
    assert [load(table, uris, 3) for _ in range(3)] == [f"load_{table.replace('.', '_')}_1"] * 3
    assert count(client, table) == 3


@pytest.mark.usefixtures("connected")
def test_a_job_that_failed_spends_its_id_and_the_next_loads(
    client: bigquery.Client, bigquery_part: Part, table: str
) -> None:
    uris = write_parquet(bigquery_part, ["a", None])
    with pytest.raises(BadRequest):
        load(table, uris, 2)
    assert count(client, table) == 0
    uris = write_parquet(bigquery_part, ["a", "b"])
    assert str(load(table, uris, 2)).endswith("_2")
    assert str(load(table, uris, 2)).endswith("_2")
    assert count(client, table) == 2


@pytest.mark.usefixtures("connected")
def test_no_rows_make_no_job(client: bigquery.Client, bigquery_part: Part, table: str) -> None:
    uris = write_parquet(bigquery_part, ["a"])
    assert load(table, uris, 0) is None
    assert count(client, table) == 0


@pytest.mark.usefixtures("connected")
def test_a_load_that_brings_another_count_fails_for_good(
    client: bigquery.Client, bigquery_part: Part, table: str
) -> None:
    from airflow.sdk.exceptions import AirflowFailException

    uris = write_parquet(bigquery_part, ["a", "b"])
    with pytest.raises(AirflowFailException, match="to bring 5 rows, found 2"):
        load(table, uris, 5)


@pytest.mark.usefixtures("connected")
def test_new_columns_are_added_to_raw_once_and_are_null_where_a_file_lacks_them(
    client: bigquery.Client, bigquery_part: Part, table: str
) -> None:
    uris = write_parquet(bigquery_part, ["a"], {"colour": pa.array(["red"])})
    for _ in range(2):
        load(table, uris, 1, "colour")
    fields = client.get_table(f"landfall-test.{table}").schema
    assert [(field.name, field.mode) for field in fields] == [
        ("id", "REQUIRED"),
        ("quantity", "NULLABLE"),
        ("colour", "NULLABLE"),
    ]
    rows = client.query_and_wait(f"SELECT id, colour FROM {table}")
    assert [tuple(row.values()) for row in rows] == [("a", "red")]


class CalledError(Exception):
    """Stands for BigQuery: carries the configuration of the job that it was given."""


def call(replaces: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    from airflow.providers.google.cloud.operators.bigquery import BigQueryInsertJobOperator

    from landfall_dags import operators

    def give(operator: Any, context: Any) -> None:
        raise CalledError(operator.configuration["query"])

    memory = MemoryWorld()
    memory.put("gs://lake/d/b/manifest.json", manifest_text(MANIFEST).encode())
    memory.put("gs://lake/journal/d/open.json", entry_text(ENTRY).encode())
    monkeypatch.setattr(BigQueryInsertJobOperator, "execute", give)
    monkeypatch.setattr(operators.store, "connect", lambda: memory.store)
    operator = operators.CallTrustedOperator(
        task_id="call_trusted",
        replaces=replaces,
        replay_procedure="ops.sp_replay_d",
        manifest_uri="gs://lake/d/b/manifest.json",
        configuration=call_configuration("ops.sp_trusted_d", "b", "2025-11-21", "3", {}),
    )
    with pytest.raises(CalledError) as raised:
        operator.execute({})
    query: dict[str, Any] = raised.value.args[0]
    return query


def test_only_a_batch_that_replaces_rows_calls_the_procedure_of_replays(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert call("False", monkeypatch)["query"].startswith("CALL ops.sp_trusted_d(")
    replay = call("True", monkeypatch)
    assert replay["query"].startswith("CALL ops.sp_replay_d(")
    assert replay["queryParameters"][-1]["parameterValue"] == {
        "arrayValues": [{"value": "gs://landing/d/a.csv#7"}]
    }


class Dataproc:
    """A hook whose cluster runs `live` jobs; every job ends at once."""

    def __init__(self, *live: str, fails: bool = False) -> None:
        self.fails = fails
        self.live, self.submitted, self.awaited = live, list[str](), list[str]()

    def __call__(self, **_: Any) -> "Dataproc":
        return self

    def get_job_client(self, region: str) -> "Dataproc":
        return self

    def list_jobs(self, request: dict[str, Any]) -> list[Any]:
        assert request["cluster_name"] == "lf-d-0"
        return [SimpleNamespace(reference=SimpleNamespace(job_id=job_id)) for job_id in self.live]

    def submit_job(self, job: dict[str, Any], **_: Any) -> Any:
        self.submitted.append(job["reference"]["job_id"])
        return SimpleNamespace(reference=SimpleNamespace(job_id=job["reference"]["job_id"]))

    def wait_for_job(self, job_id: str, **_: Any) -> None:
        from airflow.sdk.exceptions import AirflowException

        self.awaited.append(job_id)
        if self.fails:
            raise AirflowException("Job failed:\nand much more")

    def get_job(self, **_: Any) -> Any:
        status = SimpleNamespace(state=SimpleNamespace(name="ERROR"), details="Exit code 3.")
        return SimpleNamespace(status=status, driver_output_resource_uri="gs://staging/driveroutput")


def spark(monkeypatch: pytest.MonkeyPatch, dataproc: Dataproc) -> str:
    from landfall_dags import operators

    monkeypatch.setattr(operators, "DataprocHook", dataproc)
    monkeypatch.setattr("airflow.providers.google.cloud.operators.dataproc.DataprocHook", dataproc)
    monkeypatch.setattr(
        "airflow.providers.google.cloud.operators.dataproc.DataprocJobLink.persist", lambda **_: None
    )
    job = {"reference": {"job_id": "lf-d-0-2"}, "placement": {"cluster_name": "lf-d-0"}, "pyspark_job": {}}
    operator = operators.SparkJobOperator(task_id="csv_to_parquet", job=job, project_id="p", region="r")
    return operator.execute({})


def test_a_spark_job_is_submitted_and_awaited(monkeypatch: pytest.MonkeyPatch) -> None:
    dataproc = Dataproc()
    assert spark(monkeypatch, dataproc) == "lf-d-0-2"
    assert dataproc.submitted == dataproc.awaited == ["lf-d-0-2"]


def test_a_job_that_a_dead_worker_left_is_awaited_and_not_doubled(monkeypatch: pytest.MonkeyPatch) -> None:
    dataproc = Dataproc("lf-d-0-1")
    assert spark(monkeypatch, dataproc) == "lf-d-0-1"
    assert dataproc.submitted == []
    assert dataproc.awaited == ["lf-d-0-1"]


def test_a_spark_job_that_fails_says_why_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    from airflow.sdk.exceptions import AirflowException

    with pytest.raises(AirflowException) as raised:
        spark(monkeypatch, Dataproc(fails=True))
    assert str(raised.value) == (
        "expected Spark job lf-d-0-2 to end as DONE, found ERROR: Exit code 3. "
        "Driver output: gs://staging/driveroutput"
    )
