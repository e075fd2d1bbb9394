"""The marts over the ledger: what they count, what they leave out, and that they say no more than that."""

from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.bigquery.world import Row, Warehouse

MARTS = Path(__file__).parents[3] / "bigquery" / "marts"

MONDAY = datetime(2026, 11, 16, 23, 59, 59, tzinfo=UTC)
TUESDAY = datetime(2026, 11, 17, 0, 0, 1, tzinfo=UTC)
SECRET = "somebodys name"


def batch(name: str, claimed: datetime, state: str = "succeeded", **columns: Any) -> Row:
    """A row of ops.batches that was recorded a minute after its claim, with a secret wherever text stands."""
    usual = {
        "dataset": "price_quote",
        "batch_id": name,
        "state": state,
        "detail": SECRET,
        "run_id": SECRET,
        "cluster_name": SECRET,
        "claimed_at": claimed,
        "recorded_at": claimed + timedelta(minutes=1),
        "files": 1,
        "files_rejected": 0,
        "bytes": 100,
        "rows_read": 10,
        "rows_accepted": 9,
        "rows_rejected": 1,
        "rows_merged": 8,
        "vcpu_seconds": 240.0,
        "estimated_cost_usd": 0.5,
    }
    return usual | columns


def file(batch_id: str, created: datetime, state: str = "loaded", **columns: Any) -> Row:
    usual = {
        "dataset": "price_quote",
        "batch_id": batch_id,
        "source_uri": f"gs://landing/price_quote/{SECRET}.csv",
        "source_generation": int(created.timestamp()),
        "source_created_at": created,
        "archive_uri": SECRET,
        "rejected_uri": SECRET,
        "reason": SECRET,
        "detail": SECRET,
        "state": state,
        "claimed_at": MONDAY,
    }
    return usual | columns


# What failed, was divided or replaced has the counts that the ledger gives it: none, but files and bytes.
UNREAD: Row = dict.fromkeys(("files_rejected", "rows_read", "rows_accepted", "rows_rejected", "rows_merged"))
UNKNOWN: Row = {"estimated_cost_usd": None}
BATCHES = (
    batch("one", MONDAY - timedelta(hours=1), files=3, bytes=300),
    batch("two", MONDAY, rows_read=30, rows_accepted=30, rows_rejected=0),
    # Its files are in three and four.
    batch("split", MONDAY - timedelta(minutes=5), "divided", **UNREAD, files=2, bytes=200),
    batch("three", TUESDAY, files_rejected=1, rows_read=0, rows_accepted=0, rows_rejected=0, rows_merged=0),
    batch("four", TUESDAY, "rejected", rows_merged=0, rows_accepted=0, rows_rejected=10, files_rejected=1),
    batch("again", TUESDAY + timedelta(hours=2), replay="one"),
    batch("open", TUESDAY + timedelta(hours=3), "failed", **UNREAD, **UNKNOWN, vcpu_seconds=None),
    # Another dataset, whose price nobody knows and of which nothing ever succeeded.
    batch("other", MONDAY, "rejected", dataset="comp_boss", **UNKNOWN, rows_read=0, rows_rejected=0),
)
LANDED = MONDAY - timedelta(seconds=90)
FILES = (
    file("one", MONDAY - timedelta(hours=3)),
    file("two", LANDED),
    file("two", LANDED - timedelta(minutes=10)),
    # Neither counts as having waited: it was replaced before it was read.
    file("two", LANDED - timedelta(days=10), "superseded"),
    file("three", TUESDAY - timedelta(minutes=1), "rejected"),
    file("four", TUESDAY - timedelta(minutes=1), "rejected"),
    file("again", MONDAY - timedelta(hours=3)),
    file("other", MONDAY, "rejected", dataset="comp_boss"),
)
EXPECTED: Mapping[str, list[Row]] = {
    "ops_volume_by_day": [
        {
            "dataset": "comp_boss",
            "day": date(2026, 11, 16),
            **{"batches": 1, "batches_rejected": 1, "batches_replayed": 0, "files": 1, "files_rejected": 0},
            **{"bytes": 100, "rows_read": 0, "rows_accepted": 9, "rows_rejected": 0, "rows_merged": 8},
        },
        {
            "dataset": "price_quote",
            "day": date(2026, 11, 16),
            **{"batches": 2, "batches_rejected": 0, "batches_replayed": 0, "files": 4, "files_rejected": 0},
            **{"bytes": 400, "rows_read": 40, "rows_accepted": 39, "rows_rejected": 1, "rows_merged": 16},
        },
        {
            "dataset": "price_quote",
            "day": date(2026, 11, 17),
            **{"batches": 3, "batches_rejected": 1, "batches_replayed": 1, "files": 3, "files_rejected": 2},
            **{"bytes": 300, "rows_read": 20, "rows_accepted": 9, "rows_rejected": 11, "rows_merged": 8},
        },
    ],
    "ops_rejected_share": [
        {
            "dataset": "comp_boss",
            "day": date(2026, 11, 16),
            **{"rows_read": 0, "rows_rejected": 0, "rows_rejected_share": None},
            **{"files": 1, "files_rejected": 0, "files_rejected_share": 0},
        },
        {
            "dataset": "price_quote",
            "day": date(2026, 11, 16),
            **{"rows_read": 40, "rows_rejected": 1, "rows_rejected_share": 0.025},
            **{"files": 4, "files_rejected": 0, "files_rejected_share": 0},
        },
        {
            "dataset": "price_quote",
            "day": date(2026, 11, 17),
            # Without what was replayed.
            **{"rows_read": 10, "rows_rejected": 10, "rows_rejected_share": 1},
            **{"files": 2, "files_rejected": 2, "files_rejected_share": 1},
        },
    ],
    "ops_cost_by_day": [
        {
            "dataset": "comp_boss",
            "day": date(2026, 11, 16),
            **{"batches": 1, "bytes": 100, "vcpu_seconds": 240},
            **{"estimated_cost_usd": None, "batches_without_estimate": 1},
        },
        {
            "dataset": "price_quote",
            "day": date(2026, 11, 16),
            **{"batches": 3, "bytes": 600, "vcpu_seconds": 720},
            **{"estimated_cost_usd": 1.5, "batches_without_estimate": 0},
        },
        {
            "dataset": "price_quote",
            "day": date(2026, 11, 17),
            **{"batches": 4, "bytes": 400, "vcpu_seconds": 720},
            **{"estimated_cost_usd": 1.5, "batches_without_estimate": 1},
        },
    ],
}


@pytest.fixture(scope="module")
def ledger(running: Warehouse) -> Iterator[Warehouse]:
    """The local BigQuery with these batches and files in the ledger."""
    write(running, "ops.batches", BATCHES)
    write(running, "ops.files", FILES)
    yield running
    running.empty()


def write(warehouse: Warehouse, table: str, rows: tuple[Row, ...]) -> None:
    for row in rows:
        values = ", ".join(literal(value) for value in row.values())
        warehouse.run(f"INSERT INTO {table} ({', '.join(row)}) VALUES ({values})")


def literal(value: object) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, datetime):
        return f"TIMESTAMP '{value:%Y-%m-%d %H:%M:%S}+00'"
    return f"'{value}'" if isinstance(value, str) else str(value)


@pytest.mark.parametrize("mart", EXPECTED)
def test_days_are_counted_once_and_as_the_ledger_says(mart: str, ledger: Warehouse) -> None:
    assert ledger.run(f"SELECT * FROM marts.{mart} ORDER BY dataset, day") == EXPECTED[mart]


def test_a_dataset_is_as_fresh_as_its_last_batch_of_files_that_landed(ledger: Warehouse) -> None:
    before = datetime.now(UTC)
    other, quotes = ledger.run("SELECT * FROM marts.ops_freshness ORDER BY dataset")
    after = datetime.now(UTC)
    assert other == {
        "dataset": "comp_boss",
        **{"last_success_at": None, "age_seconds": None, "seconds_to_trusted": None},
        **{"last_batch_at": MONDAY, "last_batch_state": "rejected"},
    }
    age = quotes.pop("age_seconds")
    assert quotes == {
        "dataset": "price_quote",
        # Batch two: what came later was refused, could not be read, was a replay, or is open.
        "last_success_at": MONDAY + timedelta(minutes=1),
        "seconds_to_trusted": 600 + 90 + 60,
        "last_batch_at": TUESDAY + timedelta(hours=3),
        "last_batch_state": "failed",
    }
    least, most = ((now - MONDAY - timedelta(minutes=1)).total_seconds() for now in (before, after))
    assert least - 1 <= age <= most


def test_the_ledger_itself_is_not_shown(ledger: Warehouse) -> None:
    """Readers of marts may not read the ledger: names of files, reasons and details stay there."""
    for path in MARTS.glob("ops_*.sql"):
        rows = ledger.run(f"SELECT * FROM marts.{path.stem}")
        assert rows
        texts = {value for row in rows for value in row.values() if isinstance(value, str)}
        assert texts <= {"price_quote", "comp_boss", "succeeded", "rejected", "divided", "failed"}
