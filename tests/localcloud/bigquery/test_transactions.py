"""A request changes all that it has to change or nothing; a script keeps what its statements did."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from google.api_core.exceptions import BadRequest, Conflict, NotFound
from google.cloud import bigquery

COLUMNS = [{"name": "n", "type": "INT64"}]


def numbers(run: Any, table: str) -> list[int]:
    return [row["n"] for row in run(f"SELECT n FROM {table} ORDER BY n")]


def test_a_statement_that_fails_in_the_middle_leaves_nothing_but_its_record(
    make: Any, client: Any, run: Any
) -> None:
    table, job_id = make("t", COLUMNS), uuid4().hex
    insert = f"INSERT INTO {table} (n) SELECT IF(n < 3, n, ERROR('at three')) FROM UNNEST([1, 2, 3]) AS n"
    with pytest.raises(BadRequest, match="at three"):
        client.query(insert, job_id=job_id, job_retry=None).result(job_retry=None)
    assert numbers(run, table) == []
    assert "at three" in client.get_job(job_id).error_result["message"]


def test_what_a_script_did_before_it_failed_stays_done(make: Any, client: Any, run: Any) -> None:
    table, job_id = make("t", COLUMNS), uuid4().hex
    script = (
        f"INSERT INTO {table} (n) VALUES (1); SELECT ERROR('afterwards'); INSERT INTO {table} (n) VALUES (2)"
    )
    with pytest.raises(BadRequest, match="afterwards"):
        client.query(script, job_id=job_id, job_retry=None).result(job_retry=None)
    assert numbers(run, table) == [1]
    with pytest.raises(Conflict):
        client.query(script, job_id=job_id, retry=None, job_retry=None)


def test_a_table_that_cannot_be_made_is_not_known_either(dataset: str, client: Any) -> None:
    twice = [bigquery.SchemaField("n", "INT64"), bigquery.SchemaField("N", "INT64")]
    for _ in range(2):
        with pytest.raises(BadRequest):
            client.create_table(bigquery.Table(f"landfall-test.{dataset}.t", schema=twice), retry=None)
    with pytest.raises(NotFound):
        client.get_table(f"{dataset}.t")
    client.create_table(bigquery.Table(f"landfall-test.{dataset}.t", schema=twice[:1]), retry=None)


def test_what_a_call_returned_is_there_after_a_kill(tmp_path: Path, start: Callable[..., Any]) -> None:
    (tmp_path / "buckets").mkdir()
    first = start(tmp_path / "data", tmp_path / "buckets")
    client = first.client()
    client.create_dataset("ops")
    client.query("CREATE PROCEDURE ops.p(n INT64) BEGIN SELECT n + 1 AS n; END").result()
    job_id = uuid4().hex
    client.query("CALL ops.p(1)", job_id=job_id, job_retry=None).result()

    # The next one starts while the first still has the data, and gets it when that is dead.
    death = threading.Timer(3, first.process.kill)
    death.start()
    second = start(tmp_path / "data", tmp_path / "buckets")
    try:
        assert not death.is_alive()
        assert [dict(row) for row in second.client().get_job(job_id).result()] == [{"n": 2}]
    finally:
        second.stop()
