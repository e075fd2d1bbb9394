"""A job id is used once: jobs.insert for loads and queries, and both upload protocols."""

import io
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import pyarrow as pa
import pytest
import requests
from google.api_core.exceptions import BadRequest, Conflict, NotFound
from google.cloud import bigquery

ROWS = pa.schema([pa.field("n", pa.int64())])
COLUMNS = [{"name": "n", "type": "INT64"}]


def test_a_repeated_load_is_409_and_appends_nothing(make: Any, write: Any, load: Any, run: Any) -> None:
    table, uri, job_id = make("t", COLUMNS), write("ids/a.parquet", ROWS, [{"n": 1}, {"n": 2}]), uuid4().hex
    load(uri, table, job_id=job_id)
    with pytest.raises(Conflict) as refused:
        load(uri, table, job_id=job_id)
    assert refused.value.errors[0]["reason"] == "duplicate"
    assert f"Already Exists: Job landfall-test:US.{job_id}" in str(refused.value)
    assert run(f"SELECT COUNT(*) AS n FROM {table}") == [{"n": 2}]


def test_a_repeated_query_is_409_and_runs_once(make: Any, client: Any, run: Any) -> None:
    table, job_id = make("t", COLUMNS), uuid4().hex
    insert = f"INSERT INTO {table} (n) VALUES (1)"
    client.query(insert, job_id=job_id, retry=None, job_retry=None).result()
    with pytest.raises(Conflict):
        client.query(insert, job_id=job_id, retry=None, job_retry=None)
    assert run(f"SELECT COUNT(*) AS n FROM {table}") == [{"n": 1}]


def test_of_many_submissions_at_once_one_runs(make: Any, write: Any, load: Any, run: Any) -> None:
    table, uri, job_id = make("t", COLUMNS), write("ids/b.parquet", ROWS, [{"n": 1}]), uuid4().hex

    def submit(_: int) -> str:
        try:
            load(uri, table, job_id=job_id)
        except Conflict:
            return "refused"
        return "ran"

    with ThreadPoolExecutor(8) as pool:
        outcomes = list(pool.map(submit, range(8)))
    assert sorted(outcomes) == ["ran"] + ["refused"] * 7
    assert run(f"SELECT COUNT(*) AS n FROM {table}") == [{"n": 1}]


def test_the_id_of_a_failed_job_is_spent(dataset: str, client: Any, write: Any, load: Any) -> None:
    uri, job_id = write("ids/c.parquet", ROWS, [{"n": 1}]), uuid4().hex
    with pytest.raises(NotFound):
        load(uri, f"{dataset}.absent", job_id=job_id)
    assert client.get_job(job_id).error_result["reason"] == "notFound"
    with pytest.raises(Conflict):
        load(uri, f"{dataset}.absent", job_id=job_id)


@pytest.mark.parametrize("size", [None, 20], ids=["resumable", "multipart"])
def test_an_upload_keeps_its_job_id(make: Any, client: Any, run: Any, size: int | None) -> None:
    table, job_id = make("t", COLUMNS), uuid4().hex
    config = bigquery.LoadJobConfig(source_format="CSV", skip_leading_rows=1)

    def upload() -> None:
        file = io.BytesIO(b"n\n1\n2\n")
        client.load_table_from_file(
            file, table, job_id=job_id, job_config=config, size=size and len(file.getvalue()), num_retries=0
        ).result(retry=None)

    upload()
    assert client.get_job(job_id).output_rows == 2
    with pytest.raises(Conflict):
        upload()
    assert run(f"SELECT COUNT(*) AS n FROM {table}") == [{"n": 2}]


def test_a_dry_run_changes_nothing_and_takes_no_id(make: Any, client: Any, run: Any) -> None:
    table, job_id = make("t", COLUMNS), uuid4().hex
    procedure = f"{table.split('.')[0]}.fill"
    run(f"CREATE OR REPLACE PROCEDURE {procedure}() BEGIN INSERT INTO {table} (n) VALUES (1); END")
    dry = bigquery.QueryJobConfig(dry_run=True)
    for sql in (f"CALL {procedure}()", f"INSERT INTO {table} (n) VALUES (1)", f"SELECT n FROM {table}"):
        assert client.query(sql, job_id=job_id, job_config=dry, retry=None, job_retry=None).state == "DONE"
    assert run(f"SELECT COUNT(*) AS n FROM {table}") == [{"n": 0}]
    client.query(f"CALL {procedure}()", job_id=job_id, retry=None, job_retry=None).result()
    assert run(f"SELECT COUNT(*) AS n FROM {table}") == [{"n": 1}]


def test_a_synchronous_query_that_fails_says_so(server: Any, client: Any) -> None:
    with pytest.raises(BadRequest, match="nope"):
        client.query_and_wait("SELECT nope FROM UNNEST([1]) AS n", retry=None, job_retry=None)
    answer = requests.post(
        f"{server.endpoint}/bigquery/v2/projects/landfall-test/queries",
        json={"query": "SELECT 1 FROM absent_dataset.t", "useLegacySql": False},
        timeout=60,
    )
    assert answer.status_code == 404
    assert answer.json()["error"]["errors"][0]["reason"] == "notFound"
