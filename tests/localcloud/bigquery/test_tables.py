"""Table resources: required columns, row counts, partition filter, new columns, no copies of history."""

from decimal import Decimal
from typing import Any

import pytest
from google.api_core.exceptions import BadRequest, NotFound
from google.cloud import bigquery

from localcloud.bigquery.seams import MissingSeamError, replace

COLUMNS = [
    {"name": "k", "type": "STRING", "mode": "REQUIRED"},
    {"name": "day", "type": "DATE"},
]


@pytest.fixture
def table(make: Any) -> str:
    partitioning = bigquery.TimePartitioning(type_="DAY", field="day")
    return str(
        make(
            "t",
            COLUMNS,
            time_partitioning=partitioning,
            require_partition_filter=True,
            description="Of tests.",
        )
    )


def test_a_table_says_what_it_is(table: str, client: Any, run: Any) -> None:
    run(f"INSERT INTO {table} (k, day) VALUES ('a', DATE '2026-11-21'), ('b', NULL)")
    described = client.get_table(table)
    assert described.num_rows == 2
    assert described.require_partition_filter is True
    assert (described.time_partitioning.type_, described.time_partitioning.field) == ("DAY", "day")
    assert described.description == "Of tests."
    assert [field.mode for field in described.schema] == ["REQUIRED", "NULLABLE"]


def test_required_columns_refuse_nulls(table: str, run: Any) -> None:
    with pytest.raises(BadRequest, match="NOT NULL constraint"):
        run(f"INSERT INTO {table} (k, day) VALUES (NULL, NULL)")


def test_new_columns_join_the_stored_rows(table: str, client: Any, run: Any) -> None:
    run(f"INSERT INTO {table} (k) VALUES ('a')")
    described = client.get_table(table)
    described.schema = [
        bigquery.SchemaField("k", "STRING"),
        *described.schema[1:],
        bigquery.SchemaField("cost", "BIGNUMERIC"),
        bigquery.SchemaField("tags", "STRING", mode="REPEATED"),
    ]
    client.update_table(described, ["schema"])
    run(f"INSERT INTO {table} (k, cost, tags) VALUES (NULL, 0.5, ['x'])")
    run(f"INSERT INTO {table} (k) VALUES ('b')")
    assert run(f"SELECT k, cost, ARRAY_LENGTH(tags) AS tags FROM {table} ORDER BY k NULLS LAST") == [
        {"k": "a", "cost": None, "tags": 0},
        {"k": "b", "cost": None, "tags": 0},
        {"k": None, "cost": Decimal("0.5"), "tags": 1},
    ]


@pytest.mark.parametrize(
    ("schema", "found"),
    [
        ([("k", "STRING", "REQUIRED")], "Field day is missing in new schema"),
        ([("k", "INT64", "REQUIRED"), ("day", "DATE", "NULLABLE")], "Field k has changed type"),
        ([("k", "STRING", "REQUIRED"), ("day", "DATE", "REQUIRED")], "Field day has changed mode"),
        (
            [("k", "STRING", "REQUIRED"), ("day", "DATE", "NULLABLE"), ("n", "INT64", "REQUIRED")],
            "Cannot add required fields",
        ),
    ],
)
def test_other_changes_of_a_schema_are_refused(
    table: str, client: Any, schema: list[tuple[str, str, str]], found: str
) -> None:
    described = client.get_table(table)
    described.schema = [bigquery.SchemaField(name, kind, mode=mode) for name, kind, mode in schema]
    with pytest.raises(BadRequest, match=found):
        client.update_table(described, ["schema"], retry=None)
    assert len(client.get_table(table).schema) == 2


def test_a_table_in_no_dataset_is_not_found(client: Any) -> None:
    definition = bigquery.Table("landfall-test.absent.t", schema=[bigquery.SchemaField("k", "STRING")])
    with pytest.raises(NotFound):
        client.create_table(definition, retry=None, timeout=60)


def test_writes_leave_no_copies_behind(table: str, run: Any) -> None:
    run(f"INSERT INTO {table} (k) VALUES ('a')")
    copies = "SELECT COUNT(*) AS n FROM `_bqemulator_catalog.snapshots`"
    assert run(copies) == [{"n": 0}]


def test_a_correction_without_its_seam_stops_the_start() -> None:
    with pytest.raises(MissingSeamError, match=r"expected builtins\.absent"):
        import builtins

        replace(builtins, "absent", None)
