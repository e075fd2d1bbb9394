"""Provisioning: rendered files in, datasets, tables and procedures out; again without loss."""

import json
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from google.cloud import bigquery

from localcloud.warehouse import WarehouseError, connect, provision, read

RAW = [
    {"name": "k", "type": "STRING", "mode": "REQUIRED", "description": "The key."},
    {"name": "cost", "type": "BIGNUMERIC", "precision": "38", "scale": "18", "mode": "NULLABLE"},
    {"name": "_ingested_at", "type": "TIMESTAMP", "mode": "REQUIRED"},
]
PROCEDURE = """
CREATE OR REPLACE PROCEDURE ops.sp_trusted_quote(batch STRING, arrived DATE, expected INT64)
BEGIN
  INSERT INTO trusted.quote (k) SELECT k FROM raw.quote;
  SELECT COUNT(*) AS rows_merged FROM trusted.quote;
END;
"""
REPLAY = """
CREATE OR REPLACE PROCEDURE ops.sp_replay_quote(batch STRING, day DATE, expected INT64, files ARRAY<STRING>)
BEGIN
  DELETE FROM trusted.quote WHERE k IN UNNEST(files);
  SELECT COUNT(*) AS rows_merged FROM trusted.quote;
END;
"""
DAILY = {"field": "_ingested_at", "type": "DAY", "require_filter": True}
PIPELINE: dict[str, Any] = {
    "raw": {"table": "raw.quote", "description": "Quotes.", "partitioning": DAILY, "clustering": ["k"]},
    "trusted": {"table": "trusted.quote", "description": "Quotes.", "partitioning": None, "clustering": []},
}
LEDGER = {
    "batches": {
        "table": "ops.batches",
        "description": "Batches.",
        "partitioning": {"field": "claimed_at", "type": "DAY"},
        "clustering": ["batch_id"],
    }
}
BATCHES = [
    {"name": "batch_id", "type": "STRING", "mode": "REQUIRED"},
    {"name": "claimed_at", "type": "TIMESTAMP", "mode": "REQUIRED"},
    {"name": "steps", "type": "RECORD", "mode": "REPEATED", "fields": [{"name": "task", "type": "STRING"}]},
]


@pytest.fixture
def client(server: Any) -> bigquery.Client:
    """A project of the test's own, since the names of its datasets are fixed."""
    return connect(server.endpoint, f"project-{uuid4().hex[:8]}", "us-central1")


@pytest.fixture
def rendered(tmp_path: Path) -> Path:
    files: dict[str, Any] = {
        "datasets/quote/pipeline.json": PIPELINE,
        "datasets/quote/raw.schema.json": RAW,
        "datasets/quote/trusted.schema.json": RAW[:2],
        "ops/tables.json": LEDGER,
        "ops/batches.schema.json": BATCHES,
    }
    for name, content in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content))
    (tmp_path / "datasets/quote/procedure.sql").write_text(PROCEDURE)
    (tmp_path / "datasets/quote/replay.sql").write_text(REPLAY)
    return tmp_path


def test_everything_is_made_and_made_again(client: Any, rendered: Path, run: Any) -> None:
    provision(client, rendered, "us-central1")
    run("INSERT INTO raw.quote (k, cost, _ingested_at) VALUES ('a', 0.5, CURRENT_TIMESTAMP())")
    provision(client, rendered, "us-central1")
    assert run("CALL ops.sp_trusted_quote('b', CURRENT_DATE(), 1)") == [{"rows_merged": 1}]
    assert run("CALL ops.sp_replay_quote('b', CURRENT_DATE(), 0, ['a'])") == [{"rows_merged": 0}]

    raw = client.get_table("raw.quote")
    assert (raw.description, raw.num_rows, raw.clustering_fields) == ("Quotes.", 1, ["k"])
    assert (raw.time_partitioning.type_, raw.time_partitioning.field) == ("DAY", "_ingested_at")
    assert raw.require_partition_filter is True
    assert raw.schema[0].description == "The key."
    assert client.get_table("trusted.quote").time_partitioning is None
    assert client.get_table("ops.batches").schema[2].fields[0].name == "task"
    assert client.get_dataset("ops").location == "us-central1"


NOTE = {"name": "note", "type": "STRING", "mode": "NULLABLE", "description": "A remark."}
QUALITY = {
    "name": "quality",
    "type": "RECORD",
    "mode": "REPEATED",
    "fields": [
        {"name": "rule", "type": "STRING", "mode": "NULLABLE"},
        {"name": "threshold", "type": "FLOAT64", "mode": "REPEATED"},
    ],
}


def test_a_table_that_exists_gets_its_new_columns(client: Any, rendered: Path, run: Any) -> None:
    provision(client, rendered, "us-central1")
    run("INSERT INTO raw.quote (k, cost, _ingested_at) VALUES ('a', 0.5, CURRENT_TIMESTAMP())")
    run("INSERT INTO ops.batches (batch_id, claimed_at) VALUES ('b', CURRENT_TIMESTAMP())")
    evolved = client.get_table("raw.quote")
    evolved.schema = [*evolved.schema, bigquery.SchemaField("colour", "STRING")]
    client.update_table(evolved, ["schema"])

    schema = rendered / "datasets/quote/raw.schema.json"
    schema.write_text(json.dumps([*RAW[:2], NOTE, RAW[2]]))
    (rendered / "ops/batches.schema.json").write_text(json.dumps([*BATCHES, QUALITY]))
    for _ in range(2):
        provision(client, rendered, "us-central1")
    assert run("SELECT * EXCEPT (_ingested_at, cost) FROM raw.quote") == [
        {"k": "a", "colour": None, "note": None}
    ]
    assert run("SELECT batch_id, quality FROM ops.batches") == [{"batch_id": "b", "quality": []}]
    stored = client.get_table("raw.quote")
    assert [field.name for field in stored.schema] == ["k", "cost", "_ingested_at", "colour", "note"]
    assert stored.schema[-1].description == "A remark."
    assert stored.require_partition_filter is True


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (RAW[1:], "Field k is missing in new schema"),
        ([*RAW, {**NOTE, "mode": "REQUIRED"}], "Cannot add required fields"),
        ([RAW[0], {**RAW[1], "type": "STRING"}, RAW[2]], "Field cost has changed type"),
    ],
)
def test_what_stored_rows_cannot_become_is_refused(
    client: Any, rendered: Path, columns: list[dict[str, Any]], message: str
) -> None:
    provision(client, rendered, "us-central1")
    (rendered / "datasets/quote/raw.schema.json").write_text(json.dumps(columns))
    with pytest.raises(WarehouseError, match=rf"raw\.quote .*{message}.*`landfall reset`"):
        provision(client, rendered, "us-central1")


def test_an_absent_file_is_named(rendered: Path) -> None:
    for name in ("replay.sql", "trusted.schema.json"):
        (rendered / "datasets/quote" / name).unlink()
        with pytest.raises(WarehouseError, match=rf"expected .*{name}, found no such file"):
            read(rendered)


def test_a_procedure_that_fails_is_named(client: Any, rendered: Path) -> None:
    (rendered / "datasets/quote/procedure.sql").write_text("CREATE OR REPLACE PROCEDURE ops.p() BEGIN")
    with pytest.raises(WarehouseError, match=r"expected .*procedure\.sql to create its procedure"):
        provision(client, rendered, "us-central1")
