"""A batch's load and call: against the local BigQuery, and against one that answers what it is told to."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from google.api_core.exceptions import BadRequest, Conflict, Forbidden, NotFound
from google.auth.credentials import AnonymousCredentials
from google.cloud import bigquery

from landfall_dags.blame import blame_of
from landfall_dags.errors import BatchFault
from landfall_dags.identity import SourceFile
from landfall_dags.journal import (
    DIVIDED,
    RECORDED,
    Journal,
    Open,
    journal_text,
    manifest_text,
    open_entry,
    settle,
)
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


def load_operator(table: str, uris: str, rows: int, new_columns: str = "") -> Any:
    from landfall_dags.operators import LoadBatchOperator

    return LoadBatchOperator(
        task_id="load_raw",
        job_id=f"load_{table.replace('.', '_')}",
        rows=str(rows),
        new_columns=new_columns,
        configuration=load_configuration("landfall-test", table, uris, {"landfall_dataset": "d"}),
        project_id="landfall-test",
        location="us-central1",
    )


def load(table: str, uris: str, rows: int, new_columns: str = "") -> str | None:
    loaded: str | None = load_operator(table, uris, rows, new_columns).execute({})
    return loaded


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
    failing = load_operator(table, uris, 2)
    with pytest.raises(BatchFault, match=r"expected job load_raw_.*_1 to end well, found"):
        failing.execute({})
    assert failing.resource == f"load_{table.replace('.', '_')}_1"
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
    with pytest.raises(AirflowFailException, match="to bring 5 rows, found 2") as raised:
        load(table, uris, 5)
    assert blame_of(raised.value)["fault"] == "batch", "no other try brings another count"


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


class Job:
    """A job of BigQuery that has ended as it was told to."""

    state, output_rows, source_uris = "DONE", 3, ["gs://lake/x"]

    def __init__(self, job_id: str, reason: str | None) -> None:
        self.job_id = job_id
        self.ended = datetime.now(UTC)
        self.error_result = {"reason": reason, "message": "why"} if reason else None

    def result(self, **_: Any) -> None:
        if self.error_result is not None:
            raise (Forbidden if self.error_result["reason"] == "quotaExceeded" else BadRequest)("why")


class BigQuery:
    """A client: jobs end for these reasons, one after the other; an answer may be lost."""

    def __init__(self, *reasons: str | None, loses_answers: bool = False) -> None:
        self.reasons, self.loses_answers = list(reasons), loses_answers
        self.jobs, self.queries = dict[str, Job](), list[Any]()

    def get_job(self, job_id: str, **_: Any) -> Job:
        if job_id not in self.jobs:
            raise NotFound(job_id)
        return self.jobs[job_id]

    def get_table(self, *_: Any, **__: Any) -> Any:
        return bigquery.Table("p.raw.d")

    def load_table_from_uri(self, *_: Any, job_id: str, **__: Any) -> Job:
        self.jobs[job_id] = Job(job_id, self.reasons.pop(0))
        if self.loses_answers:
            raise Conflict(job_id)
        return self.jobs[job_id]

    def query(self, query: str, job_config: Any, job_id: str, **_: Any) -> Job:
        self.queries.append(job_config.query_parameters)
        self.queries.append(query)
        return self.load_table_from_uri(job_id=job_id)


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Let the operators talk to a BigQuery that answers what it is told to."""

    def connect(fake: BigQuery) -> BigQuery:
        from landfall_dags import operators

        monkeypatch.setattr(operators.BatchJobOperator, "_connect", lambda _: fake)
        return fake

    return connect


def test_an_answer_that_is_lost_makes_no_second_load(answers: Any) -> None:
    fake = answers(BigQuery(None, loses_answers=True))
    assert [load("raw.d", "gs://lake/x", 3) for _ in range(2)] == ["load_raw_d_1"] * 2
    assert list(fake.jobs) == ["load_raw_d_1"]


@pytest.mark.parametrize(
    ("reason", "fault"),
    [("invalid", "batch"), ("quotaExceeded", "surroundings"), ("notFound", "surroundings")],
)
def test_the_reason_of_a_failed_load_says_whose_fault_it_is(answers: Any, reason: str, fault: str) -> None:
    answers(BigQuery(reason))
    with pytest.raises((BatchFault, BadRequest, Forbidden)) as raised:
        load("raw.d", "gs://lake/x", 3)
    assert blame_of(raised.value)["fault"] == fault


def call(replaces: str, monkeypatch: pytest.MonkeyPatch, journal: Journal | None = None) -> str | None:
    from landfall_dags import operators

    memory = MemoryWorld()
    memory.put("gs://lake/d/b/manifest.json", manifest_text(MANIFEST).encode())
    opened = Journal("d", (Open(ENTRY),)) if journal is None else journal
    memory.put("gs://lake/journal/d/open.json", journal_text(opened).encode())
    monkeypatch.setattr(operators.store, "connect", lambda: memory.store)
    operator = operators.CallTrustedOperator(
        task_id="call_trusted",
        job_id="call_d",
        replaces=replaces,
        replay_procedure="ops.sp_replay_d",
        manifest_uri="gs://lake/d/b/manifest.json",
        configuration=call_configuration("ops.sp_trusted_d", "b", "2025-11-21", "3", {}),
        project_id="landfall-test",
    )
    return operator.execute({})


def test_only_a_batch_that_replaces_rows_calls_the_procedure_of_replays(
    monkeypatch: pytest.MonkeyPatch, answers: Any
) -> None:
    queries = []
    for replaces in ("False", "True"):
        fake = answers(BigQuery(None))
        call(replaces, monkeypatch)
        queries += fake.queries
    _, trusted, parameters, replay = queries
    assert trusted.startswith("CALL ops.sp_trusted_d(")
    assert replay.startswith("CALL ops.sp_replay_d(")
    assert parameters[-1].values == ["gs://landing/d/a.csv#7"]


def test_only_a_call_that_failed_is_made_again_even_where_the_answer_is_lost(
    monkeypatch: pytest.MonkeyPatch, answers: Any
) -> None:
    """Two MERGEs at once that only insert would both insert: BigQuery lets them pass each other."""
    fake = answers(BigQuery("invalidQuery", None, loses_answers=True))
    with pytest.raises(BatchFault, match=r"expected job call_d_1 to end well, found invalidQuery: why"):
        call("False", monkeypatch)
    assert [call("False", monkeypatch) for _ in range(2)] == ["call_d_2"] * 2
    assert list(fake.jobs) == ["call_d_1", "call_d_2"]


def test_a_call_whose_result_may_be_forgotten_is_made_again(
    monkeypatch: pytest.MonkeyPatch, answers: Any
) -> None:
    fake = answers(BigQuery(None, None))
    assert call("False", monkeypatch) == "call_d_1"
    fake.jobs["call_d_1"].ended -= timedelta(hours=20)
    assert call("False", monkeypatch) == "call_d_2"


@pytest.mark.parametrize("journal", [Journal("d"), Journal("d", (Open(ENTRY, fate=DIVIDED),))])
def test_a_batch_that_came_to_its_end_is_never_called_for_again(
    monkeypatch: pytest.MonkeyPatch, answers: Any, journal: Journal
) -> None:
    from airflow.sdk.exceptions import AirflowFailException

    fake = answers(BigQuery(None))
    with pytest.raises(AirflowFailException, match="expected the batch to be open in the journal"):
        call("False", monkeypatch, journal)
    assert fake.jobs == {}


def test_a_batch_that_is_being_recorded_may_be_called_for_again(
    monkeypatch: pytest.MonkeyPatch, answers: Any
) -> None:
    fake = answers(BigQuery(None))
    call("False", monkeypatch, Journal("d", (Open(ENTRY, fate=RECORDED),)))
    assert len(fake.jobs) == 1
