"""The end of a batch: the ledger in the local cloud's BigQuery, the objects in memory."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from google.auth.credentials import AnonymousCredentials
from google.cloud import bigquery

from landfall_dags import claim
from landfall_dags.claim import Places
from landfall_dags.cost import Cost
from landfall_dags.errors import TerminalError
from landfall_dags.identity import split_uri
from landfall_dags.journal import Manifest
from landfall_dags.ledger import Run, Step, failed_row, steps_of
from landfall_dags.metrics import FileResult, Metrics, Rows, refuse_above
from landfall_dags.pipeline import Pipeline
from landfall_dags.record import record_end, record_superseded
from landfall_dags.store import Store
from landfall_dags.warehouse import ROWS_A_MERGE, Warehouse
from tests.composer_dags.memory_store import Interrupted, PowerCutError
from tests.composer_dags.parts import ROOT, Part
from tests.composer_dags.worlds import MemoryWorld

OPS = ROOT / "bigquery" / "ops"
AT = datetime(2025, 11, 21, 1, 26, 3, 500, tzinfo=UTC)
STEPS = (
    Step("claim_batch", "2025-11-21T01:26:02.000000Z", "2025-11-21T01:26:04.500000Z", 2.5, "success"),
    Step("delete_cluster", None, None, 1.0, "success"),
)
RUN = Run("run-1", "2025-11-21T01:27:00.000000Z", "lf-price-quote-0", Cost(240.0, 0.0029), STEPS)


@pytest.fixture(scope="module")
def client(bigquery_part: Part) -> bigquery.Client:
    client = bigquery.Client(
        project="landfall-test",
        location="us-central1",
        credentials=AnonymousCredentials(),  # type: ignore[no-untyped-call]
        client_options={"api_endpoint": bigquery_part.url},
    )
    client.create_dataset("ops")
    for name, table in json.loads((OPS / "tables.json").read_text()).items():
        schema = json.loads(Path(OPS / f"{name}.schema.json").read_text())
        resource = {
            "tableReference": {"projectId": "landfall-test", "datasetId": "ops", "tableId": name},
            "schema": {"fields": schema},
            "timePartitioning": {key: table["partitioning"][key] for key in ("type", "field")},
            "clustering": {"fields": table["clustering"]},
        }
        client.create_table(bigquery.Table.from_api_repr(resource))
    return client


@pytest.fixture
def ledger(client: bigquery.Client) -> Callable[[str], list[dict[str, Any]]]:
    for table in ("files", "batches"):
        client.query_and_wait(f"DELETE FROM ops.{table} WHERE TRUE")

    def rows(table: str) -> list[dict[str, Any]]:
        return [dict(row) for row in client.query_and_wait(f"SELECT * FROM ops.{table}")]

    return rows


@pytest.fixture
def world() -> MemoryWorld:
    return MemoryWorld()


def test_the_result_of_another_batchs_call_is_never_taken(client: bigquery.Client) -> None:
    """A run that is cleared may come upon the job of the batch that it had before."""
    job_id = f"landfall_call_trusted_price_quote_{'a' * 32}_1"
    job = client.query("SELECT 7 AS rows_merged", job_id=job_id, job_retry=None)
    assert Warehouse(client).rows_merged(job.job_id, "a" * 32) == 7
    with pytest.raises(TerminalError, match=f"for batch {'b' * 32}, its id in the job's; found {job.job_id}"):
        Warehouse(client).rows_merged(job.job_id, "b" * 32)


def claimed(world: MemoryWorld, pipeline: Pipeline, *names: str) -> Manifest:
    for name in names:
        world.put(f"gs://landing/price_quote/{name}", name.encode())
    places = Places("landing", "archive", "lake")
    manifest = claim.claim(world.store, places, pipeline, "run-1", lambda: AT, lambda _: None)
    assert manifest is not None
    return manifest


def metrics_of(manifest: Manifest) -> Metrics:
    """Files called `bad…` are rejected; all others hold ten rows, of which one is rejected."""
    files = tuple(
        FileResult(file.source.uri, file.source.generation, "rejected", "not_text", "Byte 3.", Rows(0, 0, 0))
        if "/bad" in file.source.uri
        else FileResult(file.source.uri, file.source.generation, "loaded", None, None, Rows(10, 9, 1))
        for file in manifest.files
    )
    good = sum(file.state == "loaded" for file in files)
    return Metrics(Rows(10 * good, 9 * good, good), files)


def record(store: Store, client: bigquery.Client, manifest: Manifest, most: float = 1.0) -> None:
    metrics = refuse_above(metrics_of(manifest), most, "gs://lake/metrics.json")
    record_end(store, Warehouse(client), "rejected", "lake", manifest, metrics, 9, RUN)


def test_the_ledger_says_what_became_of_a_batch_and_of_every_file(
    world: MemoryWorld,
    client: bigquery.Client,
    pipeline: Pipeline,
    ledger: Callable[[str], list[dict[str, Any]]],
) -> None:
    manifest = claimed(world, pipeline, "a.csv", "bad ä.csv")
    gone = replace(manifest.files[0].source, uri="gs://landing/price_quote/gone.csv")
    manifest = replace(manifest, superseded=(gone,))
    record(world.store, client, manifest)
    (batch,) = ledger("batches")
    steps = batch.pop("steps")
    assert batch == {
        "dataset": "price_quote",
        "batch_id": manifest.entry.batch_id,
        "state": "succeeded",
        "detail": None,
        "run_id": "run-1",
        "contract_version": "1.0.0",
        "claimed_at": AT,
        "recorded_at": datetime(2025, 11, 21, 1, 27, tzinfo=UTC),
        "files": 2,
        "files_rejected": 1,
        "files_superseded": 1,
        "bytes": manifest.bytes,
        "rows_read": 10,
        "rows_accepted": 9,
        "rows_rejected": 1,
        "rows_merged": 9,
        "cluster_name": "lf-price-quote-0",
        "vcpu_seconds": 240.0,
        "estimated_cost_usd": 0.0029,
    }
    assert [(step["task"], step["seconds"], step["started_at"]) for step in steps] == [
        ("claim_batch", 2.5, datetime(2025, 11, 21, 1, 26, 2, tzinfo=UTC)),
        ("delete_cluster", 1.0, None),
    ]
    files = {row["source_uri"].rpartition("/")[2]: row for row in ledger("files")}
    assert {name: (row["state"], row["reason"], row["rows_accepted"]) for name, row in files.items()} == {
        "a.csv": ("loaded", None, 9),
        "bad ä.csv": ("rejected", "not_text", 0),
        "gone.csv": ("superseded", "superseded", 0),
    }
    assert world.content(files["bad ä.csv"]["rejected_uri"]) == "bad ä.csv".encode()
    assert files["a.csv"]["rejected_uri"] is None
    assert files["gone.csv"]["archive_uri"] is None


def test_a_rejected_file_lies_beside_its_error_report(
    world: MemoryWorld, client: bigquery.Client, pipeline: Pipeline, ledger: Any
) -> None:
    manifest = claimed(world, pipeline, "bad.csv")
    record(world.store, client, manifest)
    archive_uri = manifest.files[0].archive_uri
    copy = f"gs://rejected/{split_uri(archive_uri)[1]}"
    assert world.uris("rejected") == [copy, f"{copy}.error.json"]
    report = json.loads(world.content(f"{copy}.error.json"))
    assert (report["uri"], report["reason"]) == ("gs://landing/price_quote/bad.csv", "not_text")
    assert (report["generation"], report["archive_uri"]) == (manifest.files[0].source.generation, archive_uri)
    assert "drop it again" in report["what_to_do"]


def test_a_refused_batch_is_closed_with_all_its_files_in_the_rejected_bucket(
    world: MemoryWorld,
    client: bigquery.Client,
    pipeline: Pipeline,
    ledger: Callable[[str], list[dict[str, Any]]],
) -> None:
    manifest = claimed(world, pipeline, "a.csv", "bad.csv")
    record(world.store, client, manifest, most=0.05)
    failed = failed_row(manifest.entry, {"ask_again": "No answer."}, replace(RUN, steps=()))
    Warehouse(client).merge_batch(failed)
    (batch,) = ledger("batches")
    assert batch["state"] == "rejected"
    assert "found 1 of 10" in batch["detail"]
    assert (batch["files"], batch["files_rejected"]) == (2, 2)
    assert (batch["rows_read"], batch["rows_accepted"], batch["rows_rejected"]) == (10, 9, 1)
    files = {row["source_uri"].rpartition("/")[2]: row for row in ledger("files")}
    assert {name: (row["state"], row["reason"], row["rows_read"]) for name, row in files.items()} == {
        "a.csv": ("rejected", "too_many_rejected_rows", 10),
        "bad.csv": ("rejected", "not_text", 0),
    }
    copy = files["a.csv"]["rejected_uri"]
    assert world.content(copy) == b"a.csv"
    report = json.loads(world.content(f"{copy}.error.json"))
    assert report["reason"] == "too_many_rejected_rows"
    assert "drop the whole file again" in report["what_to_do"]
    assert claim.read_open(world.store, "lake", "price_quote") is None


def test_recording_may_die_anywhere_and_the_journal_is_closed_last(
    world: MemoryWorld,
    client: bigquery.Client,
    pipeline: Pipeline,
    ledger: Callable[[str], list[dict[str, Any]]],
) -> None:
    manifest = claimed(world, pipeline, "a.csv", "bad.csv")
    for dies_at in range(1, 20):
        try:
            record(Interrupted(world.store, dies_at, after=True), client, manifest)
        except PowerCutError:
            is_open = claim.read_open(world.store, "lake", "price_quote") is not None
            assert is_open or ledger("batches")
            continue
        break
    assert claim.read_open(world.store, "lake", "price_quote") is None
    assert [len(ledger(table)) for table in ("batches", "files")] == [1, 2]
    assert len(world.uris("rejected")) == 2


def test_a_failure_is_recorded_replaced_by_success_and_never_hides_one(
    world: MemoryWorld,
    client: bigquery.Client,
    pipeline: Pipeline,
    ledger: Callable[[str], list[dict[str, Any]]],
) -> None:
    manifest = claimed(world, pipeline, "a.csv")
    failed = failed_row(
        manifest.entry, {"csv_to_parquet": "Job failed", "load_raw": None}, replace(RUN, steps=())
    )
    Warehouse(client).merge_batch(failed)
    (row,) = ledger("batches")
    assert (row["state"], row["detail"]) == ("failed", "csv_to_parquet: Job failed; load_raw: see its log")
    assert (row["files"], row["rows_read"]) == (1, None)
    record(world.store, client, manifest)
    Warehouse(client).merge_batch(failed)
    (row,) = ledger("batches")
    assert (row["state"], row["detail"], row["rows_merged"]) == ("succeeded", None, 9)


def test_a_batch_of_many_files_is_written_in_parts(
    world: MemoryWorld,
    client: bigquery.Client,
    pipeline: Pipeline,
    ledger: Callable[[str], list[dict[str, Any]]],
) -> None:
    manifest = claimed(world, pipeline, "a.csv")
    gone = tuple(
        replace(manifest.files[0].source, uri=f"gs://landing/price_quote/{number}.csv")
        for number in range(ROWS_A_MERGE + 1)
    )
    manifest = replace(manifest, files=(), superseded=gone)
    for _ in range(2):
        record_superseded(Warehouse(client), manifest, "run-1", "2025-11-21T01:27:00.000000Z")
    assert len(ledger("files")) == ROWS_A_MERGE + 1
    (row,) = ledger("batches")
    assert (row["state"], row["files"], row["files_superseded"]) == ("succeeded", 0, ROWS_A_MERGE + 1)
    assert row["detail"] == "Every file was overwritten or deleted before it could be archived."


def test_steps_are_what_airflow_and_the_tasks_say() -> None:
    crumbs: list[dict[str, Any]] = [
        {"task_id": "claim_batch", "state": "success", "duration": 2.5},
        {"task_id": "create_cluster", "state": "failed", "duration": 1.0},
        {"task_id": "load_raw", "state": "upstream_failed", "duration": 0.0},
    ]
    assert steps_of(crumbs, {"claim_batch": AT}) == (
        Step("create_cluster", None, None, 1.0, "failed"),
        Step("claim_batch", "2025-11-21T01:26:03.000500Z", "2025-11-21T01:26:05.500500Z", 2.5, "success"),
    )
