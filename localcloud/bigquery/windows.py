"""Correction "windows": a window function never ends the service.

BigQuery: any number of workers compute a window.
DuckDB 1.5.5: two threads that compute one race; once in some hundred short queries one of them finds nothing
where the other has just finished, and after this "fatal" error the database refuses every request
(https://github.com/duckdb/duckdb/issues/25713). 1.5.6 is mended, but has no spatial extension as a wheel yet.
Here: one thread computes every statement. A view may hide a window, so a statement does not tell.
"""

from bqemulator.storage.engine import DuckDBEngine

from localcloud.bigquery.seams import replace


def apply() -> None:
    """Open the database with one thread."""
    start = DuckDBEngine.start

    async def start_with_one_thread(engine: DuckDBEngine) -> None:
        await start(engine)
        engine.execute("SET threads TO 1")

    replace(DuckDBEngine, "start", start_with_one_thread)
