"""Correction "results": what a job returned can be read after a restart.

BigQuery: keeps the result of a query for a day.
bqemulator: keeps it in memory; after a restart the job is known and its result is 404, for ever.
Here: results of what is not to be run again (scripts, CALL, DML, DDL) are kept on disk.
"""

import json
from datetime import timedelta
from typing import Any

import pyarrow as pa
from bqemulator.api.dependencies import AppContext
from bqemulator.jobs.executor import JOB_RESULTS, JOB_SCHEMAS
from bqemulator.storage.engine import CATALOG_SCHEMA

#: Results in memory, which clients may still page through, and rows of one that is kept on disk.
KEPT_RESULTS = 500
_KEPT_ROWS = 10_000
_KEPT_FOR = timedelta(days=1)
_TABLE = f'"{CATALOG_SCHEMA}"."landfall_results"'


class Results:
    """The results on disk; those in memory are the emulator's own."""

    def __init__(self, context: AppContext) -> None:
        """Take what an earlier run of the server left into memory."""
        self._engine, self._clock = context.engine, context.clock
        self._engine.execute(
            f"CREATE TABLE IF NOT EXISTS {_TABLE} "
            "(job_id VARCHAR PRIMARY KEY, kept_at TIMESTAMPTZ, fields VARCHAR, result BLOB)"
        )
        self._engine.execute(
            f"DELETE FROM {_TABLE} WHERE kept_at < ?",  # noqa: S608 a constant
            [self._clock.now() - _KEPT_FOR],
        )
        newest = f"SELECT * FROM {_TABLE} ORDER BY kept_at DESC LIMIT {KEPT_RESULTS}"  # noqa: S608 a constant
        for job_id, _, fields, result in reversed(self._engine.execute(newest).fetchall()):
            JOB_RESULTS[job_id] = pa.ipc.open_stream(result).read_all()
            JOB_SCHEMAS[job_id] = json.loads(fields)

    def keep(self, job_id: str, statistics: dict[str, Any]) -> None:
        """Write the result of a job that has just ended, and forget the oldest in memory."""
        kind = statistics.get("query", {}).get("statementType")
        result = JOB_RESULTS.get(job_id)
        if kind not in (None, "SELECT") and result is not None and result.num_rows <= _KEPT_ROWS:
            stream = pa.BufferOutputStream()
            with pa.ipc.new_stream(stream, result.schema) as writer:
                writer.write_table(result)
            self._engine.execute(
                f"INSERT INTO {_TABLE} VALUES (?, ?, ?, ?)",  # noqa: S608 a constant
                [job_id, self._clock.now(), json.dumps(JOB_SCHEMAS[job_id]), stream.getvalue().to_pybytes()],
            )
        self.forget_old()

    def forget_old(self) -> None:
        """Free the oldest results in memory: nothing else ever does."""
        for job_id in list(JOB_RESULTS)[:-KEPT_RESULTS]:
            JOB_RESULTS.pop(job_id, None)
            JOB_SCHEMAS.pop(job_id, None)
