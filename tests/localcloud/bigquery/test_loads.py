"""Parquet loads as the pipeline submits them: files, columns, modes, lists, decimals, statistics."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from google.api_core.exceptions import BadRequest, NotFound
from google.cloud import bigquery

AT = datetime(2026, 11, 21, 1, 26, 2, 123456, tzinfo=UTC)

#: What Spark writes: every column optional, lists with three levels, timestamps in UTC microseconds.
REASON = pa.struct([pa.field("code", pa.string()), pa.field("column", pa.string())])
SPARK = pa.schema(
    [
        pa.field("reasons", pa.list_(REASON)),
        pa.field("ingested_at", pa.timestamp("us", tz="UTC")),
        pa.field("cost", pa.decimal128(38, 18)),
        pa.field("k", pa.string()),
    ]
)
TABLE: list[dict[str, Any]] = [
    {"name": "k", "type": "STRING", "mode": "REQUIRED"},
    {"name": "note", "type": "STRING"},
    {"name": "cost", "type": "BIGNUMERIC", "precision": "38", "scale": "18"},
    {"name": "ingested_at", "type": "TIMESTAMP", "mode": "REQUIRED"},
    {
        "name": "reasons",
        "type": "RECORD",
        "mode": "REPEATED",
        "fields": [{"name": "column", "type": "STRING"}, {"name": "code", "type": "STRING"}],
    },
]
SCHEMA = [bigquery.SchemaField.from_api_repr(field) for field in TABLE]
COST = Decimal("405860.816111877671902")
ROW = {"k": "a", "cost": COST, "ingested_at": AT, "reasons": [{"code": "bad_type", "column": "cost"}]}
LOADED = {**ROW, "note": None, "reasons": [{"column": "cost", "code": "bad_type"}]}


@pytest.fixture
def table(make: Any) -> str:
    partitioning = bigquery.TimePartitioning(type_="DAY", field="ingested_at")
    return str(make("t", TABLE, time_partitioning=partitioning, clustering_fields=["k"]))


def test_columns_go_by_name_and_rows_are_appended(table: str, write: Any, load: Any, run: Any) -> None:
    write("batch1/accepted/part-0.parquet", SPARK, [ROW])
    write("batch1/accepted/deep/part-1.parquet", SPARK, [{**ROW, "k": "b", "reasons": None}])
    write("batch1/rejected/part-0.parquet", SPARK, [ROW, ROW])
    first = load("gs://lake/batch1/accepted/*.parquet", table, schema=SCHEMA)
    again = load("gs://lake/batch1/accepted/part-0.parquet", table, schema=SCHEMA)
    assert (first.output_rows, first.input_files) == (2, 2)
    assert (again.output_rows, again.input_files) == (1, 1)
    assert run(f"SELECT * FROM {table} ORDER BY k") == [LOADED, LOADED, {**LOADED, "k": "b", "reasons": []}]


def test_optional_columns_need_the_schema(table: str, write: Any, load: Any, run: Any) -> None:
    uri = write("modes/a.parquet", SPARK, [ROW])
    with pytest.raises(BadRequest, match="Field ingested_at has changed mode from REQUIRED to NULLABLE"):
        load(uri, table)
    assert run(f"SELECT COUNT(*) AS n FROM {table}") == [{"n": 0}]


def test_a_null_in_a_required_column_loads_nothing(table: str, write: Any, load: Any, run: Any) -> None:
    write("nulls/a.parquet", SPARK, [ROW])
    write("nulls/b.parquet", SPARK, [{**ROW, "k": None}])
    with pytest.raises(BadRequest, match="NOT NULL constraint"):
        load("gs://lake/nulls/*.parquet", table, schema=SCHEMA)
    assert run(f"SELECT COUNT(*) AS n FROM {table}") == [{"n": 0}]


def test_lists_need_list_inference(table: str, write: Any, load: Any) -> None:
    options = bigquery.ParquetOptions.from_api_repr({"enableListInference": False})
    with pytest.raises(BadRequest, match="Field reasons has changed mode"):
        load(write("lists/a.parquet", SPARK, [ROW]), table, schema=SCHEMA, parquet_options=options)


def test_wide_decimals_need_their_target_type(make: Any, write: Any, load: Any, run: Any) -> None:
    schema = pa.schema([pa.field("cost", pa.decimal128(38, 18))])
    table, uri = make("t", [TABLE[2]]), write("decimals/a.parquet", schema, [{"cost": COST}])
    with pytest.raises(BadRequest, match="Field cost has changed type from BIGNUMERIC to NUMERIC"):
        load(uri, table, decimal_target_types=None)
    load(uri, table)
    assert run(f"SELECT cost FROM {table}") == [{"cost": COST}]


def test_columns_that_the_table_lacks_fail_the_load(make: Any, write: Any, load: Any) -> None:
    table = make("t", [{"name": "k", "type": "STRING"}])
    schema = pa.schema([pa.field("k", pa.string()), pa.field("extra", pa.string())])
    with pytest.raises(BadRequest, match=r"Cannot add fields \(field: extra\)"):
        load(write("extra/a.parquet", schema, [{"k": "a"}]), table)


WIDER = pa.schema([*SPARK, pa.field("extra", pa.string()), pa.field("tags", pa.list_(pa.string()))])
GROWN = [*SCHEMA, bigquery.SchemaField("extra", "STRING"), bigquery.SchemaField("tags", "STRING", "REPEATED")]


def test_columns_are_added_where_the_load_allows_it(
    table: str, client: Any, write: Any, load: Any, run: Any
) -> None:
    load(write("grow/a.parquet", SPARK, [ROW]), table, schema=SCHEMA)
    uri = write("grow/b.parquet", WIDER, [{**ROW, "k": "b", "extra": "new", "tags": ["x"]}])
    with pytest.raises(BadRequest, match=r"Cannot add fields \(field: extra\)"):
        load(uri, table, schema=GROWN)
    load(uri, table, schema=GROWN, schema_update_options=["ALLOW_FIELD_ADDITION"])
    load(write("grow/c.parquet", SPARK, [{**ROW, "k": "c"}]), table, schema=SCHEMA)
    absent = {"extra": None, "tags": []}
    assert run(f"SELECT * FROM {table} ORDER BY k") == [
        {**LOADED, **absent},
        {**LOADED, "k": "b", "extra": "new", "tags": ["x"]},
        {**LOADED, "k": "c", **absent},
    ]
    stored = client.get_table(table)
    assert [(one.name, one.mode) for one in stored.schema[-2:]] == [
        ("extra", "NULLABLE"),
        ("tags", "REPEATED"),
    ]
    assert (stored.time_partitioning.field, stored.clustering_fields) == ("ingested_at", ["k"])


def test_a_load_that_fails_adds_no_column(table: str, client: Any, write: Any, load: Any, run: Any) -> None:
    uri = write("torn/a.parquet", WIDER, [{**ROW, "k": None, "extra": "new"}])
    with pytest.raises(BadRequest, match="NOT NULL constraint"):
        load(uri, table, schema=GROWN, schema_update_options=["ALLOW_FIELD_ADDITION"])
    assert [one.name for one in client.get_table(table).schema] == [field["name"] for field in TABLE]
    load(write("torn/b.parquet", SPARK, [ROW]), table, schema=SCHEMA)
    assert run(f"SELECT * FROM {table}") == [LOADED]


def test_what_else_a_load_may_not_do_to_the_columns(table: str, write: Any, load: Any) -> None:
    uri, allowed = write("more/a.parquet", WIDER, [ROW]), ["ALLOW_FIELD_ADDITION"]
    needed = [*GROWN[:-1], bigquery.SchemaField("tags", "STRING", "REQUIRED")]
    with pytest.raises(BadRequest, match=r"Field tags has changed mode"):
        load(uri, table, schema=needed, schema_update_options=allowed)
    needed = [*GROWN, bigquery.SchemaField("other", "STRING", "REQUIRED")]
    with pytest.raises(BadRequest, match=r"Field other is missing"):
        load(uri, table, schema=needed, schema_update_options=allowed)
    needed = [*GROWN[:-2], bigquery.SchemaField("extra", "STRING", "REQUIRED"), GROWN[-1]]
    with pytest.raises(BadRequest, match=r"Cannot add required fields .*extra"):
        load(uri, table, schema=needed, schema_update_options=allowed)
    with pytest.raises(BadRequest, match="only be specified with WRITE_APPEND"):
        load(uri, table, schema=GROWN, schema_update_options=allowed, write_disposition="WRITE_TRUNCATE")


def test_a_uri_without_objects_fails_the_load(table: str, load: Any) -> None:
    with pytest.raises(NotFound, match=r"Not found: URI gs://lake/nothing/\*.parquet"):
        load("gs://lake/nothing/*.parquet", table, schema=SCHEMA)
    with pytest.raises(NotFound):
        load("gs://lake/../data/bqemulator.duckdb", table, schema=SCHEMA)


def test_a_file_that_is_no_parquet_fails_the_load(table: str, server: Any, load: Any) -> None:
    (server.buckets / "lake" / "broken.parquet").write_bytes(b"k\na\n")
    with pytest.raises(BadRequest, match="Error while reading data"):
        load("gs://lake/broken.parquet", table, schema=SCHEMA)


def test_a_load_makes_the_table_where_it_may(dataset: str, write: Any, load: Any, run: Any) -> None:
    uri, table = write("new/a.parquet", SPARK, [ROW]), f"{dataset}.made"
    with pytest.raises(NotFound):
        load(uri, table, schema=SCHEMA)
    for _ in range(2):
        load(
            uri,
            table,
            schema=SCHEMA,
            create_disposition="CREATE_IF_NEEDED",
            write_disposition="WRITE_TRUNCATE",
        )
    assert run(f"SELECT * FROM {table}") == [LOADED]


def test_timestamps_that_spark_writes_as_int96(make: Any, server: Any, load: Any, run: Any) -> None:
    table = make("t", [TABLE[3] | {"mode": "NULLABLE"}])
    rows = pa.table({"ingested_at": pa.array([AT], pa.timestamp("us", tz="UTC"))})
    pq.write_table(rows, server.buckets / "lake" / "int96.parquet", use_deprecated_int96_timestamps=True)
    load("gs://lake/int96.parquet", table)
    assert run(f"SELECT ingested_at FROM {table}") == [{"ingested_at": AT}]
