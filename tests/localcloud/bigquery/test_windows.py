"""Correction "windows": what made DuckDB refuse everything no longer does, however often it is asked."""

import asyncio
from typing import Any

import duckdb_extensions  # type: ignore[import-untyped]
import pytest
from bqemulator.config import PersistenceMode, Settings
from bqemulator.storage.engine import DuckDBEngine

from localcloud.bigquery import windows

# On two threads some 0.3 % of these end the database, on eight 1 %.
RUNS = 4000
RACE = """
WITH one AS (SELECT range AS x FROM range(1)),
few AS (
  SELECT * FROM one WHERE x >= 5000
  UNION ALL SELECT * FROM one WHERE NOT EXISTS (SELECT 1 FROM one WHERE x >= 5000)
)
SELECT x, COUNT(*) FILTER (WHERE x >= 0) OVER () FROM few WHERE x >= 0 ORDER BY x LIMIT 5
"""


def test_a_window_is_computed_again_and_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(DuckDBEngine, "start", DuckDBEngine.start)  # `apply` replaces it for this test only
    windows.apply()
    duckdb_extensions.import_extension("spatial")
    engine = DuckDBEngine(
        Settings(persistence_mode=PersistenceMode.EPHEMERAL, enable_format_extensions=False)
    )
    asyncio.run(engine.start())
    try:
        assert {tuple(engine.execute(RACE).fetchall()) for _ in range(RUNS)} == {((0, 1),)}
    finally:
        asyncio.run(engine.stop())


def test_the_running_service_computes_in_one_thread(server: Any) -> None:
    (row,) = server.client().query("SELECT CURRENT_SETTING('threads') AS threads").result()
    assert int(row.threads) == 1
