"""State survives a clean end and a kill: rows, tables, routines, job ids."""

import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from google.api_core.exceptions import Conflict
from google.cloud import bigquery


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGKILL], ids=["SIGTERM", "SIGKILL"])
def test_a_new_process_goes_on(tmp_path: Path, start: Callable[..., Any], end: signal.Signals) -> None:
    (tmp_path / "buckets").mkdir()
    job_id = uuid4().hex
    first = start(tmp_path / "data", tmp_path / "buckets")
    try:
        client = first.client()
        client.create_dataset("ops")
        cost = bigquery.SchemaField("cost", "BIGNUMERIC", mode="REQUIRED", precision=38, scale=18)
        client.create_table(bigquery.Table("landfall-test.ops.t", schema=[cost]))
        client.query("INSERT INTO ops.t (cost) VALUES (0.5)", job_id=job_id, job_retry=None).result()
        client.query("CREATE PROCEDURE ops.p(n INT64) BEGIN SELECT n + 1 AS n; END").result()
    finally:
        first.process.send_signal(end)
        assert first.process.wait(timeout=60) == (0 if end == signal.SIGTERM else -end)
    second = start(tmp_path / "data", tmp_path / "buckets")
    try:
        client = second.client()
        with pytest.raises(Conflict):
            client.query("INSERT INTO ops.t (cost) VALUES (0.5)", job_id=job_id, retry=None, job_retry=None)
        assert client.get_job(job_id).state == "DONE"
        assert [tuple(row) for row in client.query("CALL ops.p(1)").result()] == [(2,)]
        assert client.get_table("ops.t").num_rows == 1
        assert client.get_table("ops.t").schema[0].precision == 38
    finally:
        second.stop()


def test_the_log_is_plain_lines(server: Any) -> None:
    listening = next(line for line in server.log if "rest.listen" in line)
    assert "INFO rest.listen" in listening
    assert "\x1b" not in "".join(server.log)
