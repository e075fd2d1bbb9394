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
    return tmp_path


def test_everything_is_made_and_made_again(client: Any, rendered: Path, run: Any) -> None:
    provision(client, rendered, "us-central1")
    run("INSERT INTO raw.quote (k, cost, _ingested_at) VALUES ('a', 0.5, CURRENT_TIMESTAMP())")
    provision(client, rendered, "us-central1")
    assert run("CALL ops.sp_trusted_quote('b', CURRENT_DATE(), 1)") == [{"rows_merged": 1}]

    raw = client.get_table("raw.quote")
    assert (raw.description, raw.num_rows, raw.clustering_fields) == ("Quotes.", 1, ["k"])
    assert (raw.time_partitioning.type_, raw.time_partitioning.field) == ("DAY", "_ingested_at")
    assert raw.require_partition_filter is True
    assert raw.schema[0].description == "The key."
    assert client.get_table("trusted.quote").time_partitioning is None
    assert client.get_table("ops.batches").schema[2].fields[0].name == "task"
    assert client.get_dataset("ops").location == "us-central1"

    schema = rendered / "datasets/quote/raw.schema.json"
    schema.write_text(json.dumps([*RAW, {"name": "note", "type": "STRING", "mode": "NULLABLE"}]))
    provision(client, rendered, "us-central1")
    assert run("SELECT k, note FROM raw.quote WHERE _ingested_at IS NOT NULL") == [{"k": "a", "note": None}]

    schema.write_text(json.dumps(RAW[1:]))
    with pytest.raises(
        WarehouseError, match=r"raw\.quote .* Field k is missing in new schema; .*`landfall reset`"
    ):
        provision(client, rendered, "us-central1")


def test_an_absent_file_is_named(rendered: Path) -> None:
    (rendered / "datasets/quote/trusted.schema.json").unlink()
    with pytest.raises(WarehouseError, match=r"expected .*trusted\.schema\.json, found no such file"):
        read(rendered)


def test_a_procedure_that_fails_is_named(client: Any, rendered: Path) -> None:
    (rendered / "datasets/quote/procedure.sql").write_text("CREATE OR REPLACE PROCEDURE ops.p() BEGIN")
    with pytest.raises(WarehouseError, match=r"expected .*procedure\.sql to create its procedure"):
        provision(client, rendered, "us-central1")
