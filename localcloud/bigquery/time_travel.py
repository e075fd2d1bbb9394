"""Correction "no time travel": a write costs what it writes.

BigQuery: keeps seven days of history without copying a table.
bqemulator: copies the whole table after each load, MERGE and INSERT and keeps every copy for seven days.
Here: no copy is made; ``FOR SYSTEM_TIME AS OF`` reads the table as it is now.
"""

from typing import Any

from bqemulator.versioning.snapshots import SnapshotManager

from localcloud.bigquery.seams import replace


def apply() -> None:
    """Keep the notice that a table changed, leave out the copy."""
    replace(SnapshotManager, "capture", _capture_nothing)


def _capture_nothing(_self: SnapshotManager, *_table: str, kind: str = "AUTO") -> Any:
    return None
