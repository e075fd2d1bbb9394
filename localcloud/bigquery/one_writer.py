"""Correction "one writer": a start waits until a killed predecessor has let go of the data.

bqemulator: DuckDB locks its file, and a process that was killed may hold the lock for a moment longer; a
start in that moment dies.
"""

import asyncio
from time import monotonic

import duckdb
from bqemulator.storage.engine import DuckDBEngine

from localcloud.bigquery.seams import replace

#: Seconds that a process may take to die.
_PATIENCE = 10.0
_PAUSE = 0.1


def apply() -> None:
    """Try again to open the data while another process has it."""
    start = DuckDBEngine.start

    async def start_once_free(engine: DuckDBEngine) -> None:
        until = monotonic() + _PATIENCE
        while True:
            try:
                return await start(engine)
            except duckdb.IOException:
                if monotonic() > until:
                    raise
            await asyncio.sleep(_PAUSE)

    replace(DuckDBEngine, "start", start_once_free)
