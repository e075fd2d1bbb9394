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
LIVE = "CREATE OR REPLACE VIEW raw.quote_live AS SELECT k, cost, _ingested_at FROM raw.quote;"
DAILY = {"field": "_ingested_at", "type": "DAY", "require_filter": True, "expiration_days": 90}
WAREHOUSE: dict[str, Any] = {
    "labels": {"owner": "buyers"},
    "tables": {
        "raw": {"table": "raw.quote", "description": "Quotes.", "partitioning": DAILY, "clustering": ["k"]},
        "trusted": {
            "table": "trusted.quote",
            "description": "Quotes.",
            "partitioning": None,
            "clustering": [],
        },
        "rejected": {"table": "ops.rejected_rows_quote", "description": "Rejected."},
    },
    "procedures": [{"file": "procedure.sql"}, {"file": "replay.sql"}],
}
LAYERS = {"raw": "Raw.", "trusted": "Trusted.", "ops": "Ops.", "marts": "Marts."}
MART = "CREATE OR REPLACE VIEW marts.keys OPTIONS (description = 'Keys.') AS SELECT k FROM trusted.quote;"
REJECTED = [
    {"name": "dataset", "type": "STRING", "mode": "NULLABLE"},
    {"name": "batch_id", "type": "STRING", "mode": "NULLABLE"},
    {"name": "source_row", "type": "INT64", "mode": "NULLABLE"},
    {
        "name": "reasons",
        "type": "RECORD",
        "mode": "REPEATED",
        "fields": [{"name": "column", "type": "STRING"}],
    },
    {"name": "text_bytes", "type": "INT64", "mode": "NULLABLE"},
]
VIEW = """
CREATE OR REPLACE VIEW ops.rejected_rows OPTIONS (description = 'All.') AS
SELECT dataset, batch_id, source_row, reasons, text_bytes FROM ops.rejected_rows_quote;
"""
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
        "layers.json": LAYERS,
        "datasets/quote/pipeline.json": {},
        "datasets/quote/warehouse.json": WAREHOUSE,
        "datasets/quote/raw.schema.json": RAW,
        "datasets/quote/trusted.schema.json": RAW[:2],
        "ops/tables.json": LEDGER,
        "ops/batches.schema.json": BATCHES,
        "ops/rejected_rows.schema.json": REJECTED,
    }
    for name, content in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content))
    (tmp_path / "datasets/quote/procedure.sql").write_text(PROCEDURE)
    (tmp_path / "datasets/quote/replay.sql").write_text(REPLAY)
    (tmp_path / "datasets/rejected_rows.sql").write_text(VIEW)
    (tmp_path / "datasets/quote/live.sql").write_text(LIVE)
    (tmp_path / "marts").mkdir()
    (tmp_path / "marts/keys.sql").write_text(MART)
    return tmp_path


def make(client: bigquery.Client, rendered: Path) -> None:
    provision(client, rendered / "datasets", rendered / "ops", "us-central1")


def test_everything_is_made_and_made_again(client: Any, rendered: Path, run: Any) -> None:
    make(client, rendered)
    run("INSERT INTO raw.quote (k, cost, _ingested_at) VALUES ('a', 0.5, CURRENT_TIMESTAMP())")
    make(client, rendered)
    assert run("CALL ops.sp_trusted_quote('b', CURRENT_DATE(), 1)") == [{"rows_merged": 1}]
    assert run("CALL ops.sp_replay_quote('b', CURRENT_DATE(), 0, ['a'])") == [{"rows_merged": 0}]

    raw = client.get_table("raw.quote")
    assert (raw.description, raw.num_rows, raw.clustering_fields) == ("Quotes.", 1, ["k"])
    assert (raw.time_partitioning.type_, raw.time_partitioning.field) == ("DAY", "_ingested_at")
    assert raw.require_partition_filter is True
    assert (raw.time_partitioning.expiration_ms, raw.labels) == (90 * 86_400_000, {"owner": "buyers"})
    assert raw.schema[0].description == "The key."
    assert client.get_table("trusted.quote").time_partitioning is None
    assert client.get_table("ops.batches").schema[2].fields[0].name == "task"
    ops = client.get_dataset("ops")
    assert (ops.location, ops.description) == ("us-central1", "Ops.")
    assert client.get_table("marts.keys").view_query == "SELECT k FROM trusted.quote"


def test_rejected_rows_of_an_older_cloud_go_to_the_tables_of_their_datasets(
    client: Any, rendered: Path, run: Any
) -> None:
    make(client, rendered)
    run("DROP VIEW ops.rejected_rows")
    older = [bigquery.SchemaField.from_api_repr(field) for field in REJECTED[:4]]
    client.create_table(bigquery.Table(f"{client.project}.ops.rejected_rows", schema=older))
    # What a move that ended in the middle leaves: batch a is in both tables.
    for table in ("rejected_rows", "rejected_rows_quote"):
        run(
            f"INSERT INTO ops.{table} (dataset, batch_id, source_row, reasons) "
            "VALUES ('quote', 'a', 1, [STRUCT('k' AS `column`)])"
        )
    run(
        "INSERT INTO ops.rejected_rows (dataset, batch_id, source_row) "
        "VALUES ('quote', 'b', 2), ('gone', 'c', 3)"
    )

    for _ in range(2):
        make(client, rendered)

    assert client.get_table("ops.rejected_rows").table_type == "VIEW"
    assert run("SELECT batch_id, source_row, reasons FROM ops.rejected_rows ORDER BY batch_id") == [
        {"batch_id": "a", "source_row": 1, "reasons": [{"column": "k"}]},
        {"batch_id": "b", "source_row": 2, "reasons": []},
    ]
    assert run("SELECT dataset, batch_id FROM ops.rejected_rows_gone") == [
        {"dataset": "gone", "batch_id": "c"}
    ]


def test_an_expiration_that_changes_reaches_a_table_that_exists(client: Any, rendered: Path) -> None:
    make(client, rendered)
    facts = rendered / "datasets/quote/warehouse.json"
    for days in (30, None):
        changed = json.loads(facts.read_text())
        changed["tables"]["raw"]["partitioning"]["expiration_days"] = days
        facts.write_text(json.dumps(changed))
        make(client, rendered)
        stored = client.get_table("raw.quote")
        assert stored.time_partitioning.expiration_ms == (days and days * 86_400_000)
        assert stored.require_partition_filter is True


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
    make(client, rendered)
    run("INSERT INTO raw.quote (k, cost, _ingested_at) VALUES ('a', 0.5, CURRENT_TIMESTAMP())")
    run("INSERT INTO ops.batches (batch_id, claimed_at) VALUES ('b', CURRENT_TIMESTAMP())")
    evolved = client.get_table("raw.quote")
    evolved.schema = [*evolved.schema, bigquery.SchemaField("colour", "STRING")]
    client.update_table(evolved, ["schema"])

    schema = rendered / "datasets/quote/raw.schema.json"
    schema.write_text(json.dumps([*RAW[:2], NOTE, RAW[2]]))
    (rendered / "ops/batches.schema.json").write_text(json.dumps([*BATCHES, QUALITY]))
    for _ in range(2):
        make(client, rendered)
    assert run("SELECT * EXCEPT (_ingested_at, cost) FROM raw.quote") == [
        {"k": "a", "colour": None, "note": None}
    ]
    assert run("SELECT batch_id, quality FROM ops.batches") == [{"batch_id": "b", "quality": []}]
    assert run("SELECT k FROM raw.quote_live") == [{"k": "a"}]
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
    make(client, rendered)
    (rendered / "datasets/quote/raw.schema.json").write_text(json.dumps(columns))
    with pytest.raises(WarehouseError, match=rf"raw\.quote .*{message}.*`landfall reset`"):
        make(client, rendered)


def test_an_absent_file_is_named(rendered: Path) -> None:
    for name in (
        "datasets/quote/replay.sql",
        "datasets/rejected_rows.sql",
        "datasets/quote/trusted.schema.json",
    ):
        (rendered / name).unlink()
        with pytest.raises(WarehouseError, match=rf"expected .*{name}, found no such file"):
            read(rendered / "datasets", rendered / "ops")


def test_a_procedure_that_fails_is_named(client: Any, rendered: Path) -> None:
    (rendered / "datasets/quote/procedure.sql").write_text("CREATE OR REPLACE PROCEDURE ops.p() BEGIN")
    with pytest.raises(WarehouseError, match=r"expected .*procedure\.sql to create its procedure"):
        make(client, rendered)


def test_a_view_over_a_dataset_that_is_not_there_is_named(client: Any, rendered: Path) -> None:
    (rendered / "datasets/rejected_rows.sql").write_text(VIEW.replace("_quote", "_quotes"))
    with pytest.raises(
        WarehouseError, match=r"expected .*rejected_rows\.sql to create its view.*_quotes.*render"
    ):
        make(client, rendered)
