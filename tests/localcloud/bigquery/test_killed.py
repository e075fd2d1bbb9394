"""A server that is killed again and again in the middle of its work: rows and job records agree, always."""

import random
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import requests
from google.api_core.exceptions import Conflict, NotFound, RetryError
from google.cloud import bigquery

SEED = 1
KILLS = 4
ROWS = 200_000
COLUMNS = [bigquery.SchemaField("job", "STRING"), bigquery.SchemaField("n", "INT64")]

# The result of the call says what is there after it, as the pipeline's procedures do.
PROCEDURE = """
CREATE OR REPLACE PROCEDURE w.bring(_job STRING)
BEGIN
  MERGE w.trusted AS _kept
  USING (SELECT job, n FROM w.raw WHERE job = _job) AS _new
  ON _kept.job = _new.job AND _kept.n = _new.n
  WHEN NOT MATCHED THEN INSERT (job, n) VALUES (_new.job, _new.n);
  SELECT COUNT(*) AS rows_merged FROM w.trusted WHERE job = _job;
END
"""


class Work:
    """Steps that are submitted one by one, each with an id of its own, and again after a kill."""

    def __init__(self, buckets: Path) -> None:
        (buckets / "lake").mkdir(parents=True)
        self._lake = buckets / "lake"
        self._client: Any = None
        self._count = 0

    def connect(self, client: bigquery.Client) -> None:
        self._client = client

    def prepare(self) -> None:
        """What a cloud's start does: make what is not there."""
        self._client.create_dataset("w", exists_ok=True, retry=None, timeout=120)
        for name in ("raw", "trusted", "ledger", f"later_{self._count}"):
            table = bigquery.Table(f"landfall-test.w.{name}", schema=COLUMNS)
            self._client.create_table(table, exists_ok=True, retry=None, timeout=120)
        self._query(f"CREATE OR REPLACE VIEW w.all_{self._count} AS SELECT job, n FROM w.later_{self._count}")
        self._query(PROCEDURE)

    def steps(self) -> Iterator[Callable[[], None]]:
        """Endless: a table and a view; a load, an insert and a call, each of which must happen once."""
        while True:
            self._count += 1
            job = f"batch_{self._count}"
            rows = {"job": pa.array([job] * ROWS), "n": pa.array(range(ROWS), pa.int64())}
            pq.write_table(pa.table(rows), self._lake / f"{job}.parquet")
            yield self.prepare
            yield lambda job=job: self._load(job)
            yield lambda job=job: self._once(
                f"{job}_insert", f"INSERT INTO w.ledger (job, n) VALUES ('{job}', 1)"
            )
            yield lambda job=job: self._call(job)

    def check(self) -> None:
        """What is on record is there once; what is not on record is not there."""
        self.prepare()
        raw, ledger, trusted = (
            {
                row["job"]: row["n"]
                for row in self._query(f"SELECT job, COUNT(*) AS n FROM w.{table} GROUP BY job")
            }
            for table in ("raw", "ledger", "trusted")
        )
        for number in range(1, self._count + 1):
            job = f"batch_{number}"
            assert raw.get(job, 0) == (ROWS if self._is_known(f"{job}_load") else 0), job
            assert ledger.get(job, 0) == (1 if self._is_known(f"{job}_insert") else 0), job
            # A call may have merged before its record was lost: it is repeatable.
            assert trusted.get(job, 0) in ((ROWS,) if self._is_known(f"{job}_call") else (0, ROWS)), job

    def _is_known(self, job_id: str) -> bool:
        try:
            job = self._client.get_job(job_id, retry=None, timeout=120)
        except NotFound:
            return False
        assert (job.state, job.error_result) == ("DONE", None)
        return True

    def _load(self, job: str) -> None:
        config = bigquery.LoadJobConfig(source_format="PARQUET", create_disposition="CREATE_NEVER")
        uri = f"gs://lake/{job}.parquet"
        with suppress(Conflict):
            self._client.load_table_from_uri(
                uri, "w.raw", job_id=f"{job}_load", job_config=config, retry=None, timeout=120
            )
        loaded = self._client.get_job(f"{job}_load", retry=None, timeout=120)
        assert (loaded.error_result, loaded.output_rows) == (None, ROWS)

    def _call(self, job: str) -> None:
        (row,) = self._once(f"{job}_call", f"CALL w.bring('{job}')")
        assert row["rows_merged"] == ROWS

    def _once(self, job_id: str, sql: str) -> list[Any]:
        try:
            job = self._client.query(sql, job_id=job_id, retry=None, job_retry=None, timeout=120)
        except Conflict:
            job = self._client.get_job(job_id, retry=None, timeout=120)
        return list(job.result(retry=None, job_retry=None, timeout=120))

    def _query(self, sql: str) -> list[Any]:
        return list(self._client.query(sql, retry=None, job_retry=None, timeout=120).result(job_retry=None))


def test_rows_and_records_agree_after_every_kill(tmp_path: Path, start: Callable[..., Any]) -> None:
    chance = random.Random(SEED)  # noqa: S311 it decides when to kill
    work = Work(tmp_path / "buckets")
    steps = work.steps()
    step = next(steps)
    for _ in range(KILLS):
        server = start(tmp_path / "data", tmp_path / "buckets")
        work.connect(server.client())
        work.check()
        killer = threading.Timer(chance.uniform(0.05, 1.5), server.process.send_signal, [signal.SIGKILL])
        killer.start()
        with pytest.raises((requests.ConnectionError, requests.exceptions.ChunkedEncodingError, RetryError)):
            while True:
                step()
                step = next(steps)
        # At once: the next start meets what the dead process has not let go of yet.
        assert server.process.poll() in (None, -signal.SIGKILL)
    server = start(tmp_path / "data", tmp_path / "buckets")
    try:
        work.connect(server.client())
        work.check()
        step()
        work.check()
    finally:
        server.stop()
