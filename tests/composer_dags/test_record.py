"""The end of a batch: the ledger in the local cloud's BigQuery, the objects in memory."""

import json
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from google.api_core.exceptions import BadRequest
from google.auth.credentials import AnonymousCredentials
from google.cloud import bigquery

from landfall_dags import agenda, journal_object, warehouse
from landfall_dags.agenda import Fault
from landfall_dags.cost import Cost
from landfall_dags.errors import TerminalError
from landfall_dags.identity import SourceFile, split_uri
from landfall_dags.journal import DIVIDED, GIVEN_UP, Entry, Manifest, Open
from landfall_dags.ledger import Run, Step, failed_row, steps_of, unattended
from landfall_dags.metrics import FileResult, Metrics, Rows
from landfall_dags.pipeline import Pipeline
from landfall_dags.quality import RuleResult
from landfall_dags.record import LedgerEndings, record_end, set_aside
from landfall_dags.refusal import refuse
from landfall_dags.replay import parse_replay
from landfall_dags.store import Store
from landfall_dags.warehouse import BYTES_A_MERGE, ROWS_A_MERGE, Warehouse, parts
from tests.composer_dags import turns
from tests.composer_dags.memory_store import Interrupted, PowerCutError
from tests.composer_dags.parts import ROOT, Part
from tests.composer_dags.worlds import MemoryWorld

OPS = ROOT / "bigquery" / "ops"
AT = datetime(2025, 11, 21, 1, 26, 3, 500, tzinfo=UTC)
STEPS = (
    Step("claim_batch", "2025-11-21T01:26:02.000000Z", "2025-11-21T01:26:04.500000Z", 2.5, "success"),
    Step("delete_cluster", None, None, 1.0, "success"),
    Step("load_raw", None, None, 2.0, "success", "load_raw_price_quote_0_2"),
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
    return turns.claimed(world.store, pipeline)


COLUMNS = (("weight", "colour"), ("Weight (kg)",))
RULES = (
    RuleResult(
        "some_rows", "rowCount", (), "fail", "mustBeBetween", (1.0, 100.0), "rows", 9.0, 9, passed=True
    ),
    RuleResult(
        "filled", "nullValues", ("cost", "day"), "warn", "mustBe", (0.0,), "percent", 11.5, 9, passed=False
    ),
)


def metrics_of(manifest: Manifest) -> Metrics:
    """Files called `bad…` are rejected; all others hold ten rows, of which one is rejected."""
    files = tuple(
        FileResult(file.source.uri, file.source.generation, "rejected", "not_text", "Byte 3.", Rows(0, 0, 0))
        if "/bad" in file.source.uri
        else FileResult(
            file.source.uri, file.source.generation, "loaded", None, None, Rows(10, 9, 1), *COLUMNS
        )
        for file in manifest.files
    )
    good = sum(file.state == "loaded" for file in files)
    return Metrics(Rows(10 * good, 9 * good, good), files, RULES, ("Weight__kg_",))


def record(store: Store, client: bigquery.Client, manifest: Manifest, most: float = 1.0) -> None:
    metrics = refuse(metrics_of(manifest), most, "gs://lake/metrics.json")
    record_end(store, Warehouse(client), "rejected", "lake", manifest, metrics, 9, RUN, turns.CONTRACT)


def endings(store: Store, client: bigquery.Client) -> LedgerEndings:
    run = unattended("run-9", "2025-11-21T01:27:00.000000Z")
    return LedgerEndings(store, "rejected", lambda: Warehouse(client), lambda: run, turns.CONTRACT)


def failed_batch(client: bigquery.Client, entry: Entry, failures: int = 3) -> Open:
    """The batch as the journal has it after its runs failed, which is in the ledger."""
    why = {"csv_to_parquet": "expected to read and write its rows, found ValueError"}
    Warehouse(client).merge_batch(failed_row(entry, why, replace(RUN, steps=())))
    return Open(entry, failures, f"run-{failures}", "2025-11-21T02:00:00.000000Z")


def open_again(store: Store, entry: Entry) -> None:
    journal_object.change(store, "lake", "price_quote", lambda journal: agenda.opened(journal, entry))


def _lists(rule: RuleResult) -> dict[str, list[Any]]:
    return {"columns": list(rule.columns), "threshold": list(rule.threshold)}


def test_the_ledger_says_what_became_of_a_batch_and_of_every_file(
    world: MemoryWorld,
    client: bigquery.Client,
    pipeline: Pipeline,
    ledger: Callable[[str], list[dict[str, Any]]],
) -> None:
    manifest = claimed(world, pipeline, "a.csv", "bad ä.csv")
    gone = replace(manifest.files[0].source, uri="gs://landing/price_quote/gone.csv")
    entry = replace(manifest.entry, replay="ab" * 16)
    key = "projects/p/secrets/s/versions/3"
    manifest = replace(manifest, entry=entry, superseded=(gone,), token_key=key)
    record(world.store, client, manifest)
    (batch,) = ledger("batches")
    steps, quality = batch.pop("steps"), batch.pop("quality")
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
        "new_columns": ["Weight__kg_"],
        "token_key": key,
        "replay": "ab" * 16,
    }
    assert quality == [{**asdict(rule), **_lists(rule)} for rule in RULES]
    names = ("task", "seconds", "started_at", "resource")
    assert [tuple(step[name] for name in names) for step in steps] == [
        ("claim_batch", 2.5, datetime(2025, 11, 21, 1, 26, 2, tzinfo=UTC), None),
        ("delete_cluster", 1.0, None, None),
        ("load_raw", 2.0, None, "load_raw_price_quote_0_2"),
    ]
    files = {row["source_uri"].rpartition("/")[2]: row for row in ledger("files")}
    assert {name: (row["state"], row["reason"], row["rows_accepted"]) for name, row in files.items()} == {
        "a.csv": ("loaded", None, 9),
        "bad ä.csv": ("rejected", "not_text", 0),
        "gone.csv": ("superseded", "superseded", 0),
    }
    assert (files["a.csv"]["missing_columns"], files["a.csv"]["unknown_columns"]) == (
        ["weight", "colour"],
        ["Weight (kg)"],
    )
    for name in ("bad ä.csv", "gone.csv"):
        assert (files[name]["missing_columns"], files[name]["unknown_columns"]) == ([], [])
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


def test_a_replay_that_is_rejected_says_why_beside_the_first_report(
    world: MemoryWorld, client: bigquery.Client, pipeline: Pipeline, ledger: Any
) -> None:
    manifest = claimed(world, pipeline, "bad.csv")
    record(world.store, client, manifest)
    entry = replace(manifest.entry, batch_id="ef" * 16, replay=manifest.entry.batch_id)
    metrics = metrics_of(manifest)
    (first,) = metrics.files
    metrics = replace(metrics, files=(replace(first, reason="header_mismatch", detail="No id."),))
    uris = set_aside(world.store, "rejected", replace(manifest, entry=entry), metrics)
    (copy,) = uris.values()
    reports = {uri: json.loads(world.content(uri)) for uri in world.uris("rejected") if uri != copy}
    assert {uri: (report["batch_id"], report["reason"]) for uri, report in reports.items()} == {
        f"{copy}.error.json": (manifest.entry.batch_id, "not_text"),
        f"{copy}.{'ef' * 16}.error.json": ("ef" * 16, "header_mismatch"),
    }


@pytest.mark.parametrize("count", [0, 1, ROWS_A_MERGE, ROWS_A_MERGE + 1])
def test_rows_travel_in_parts_that_a_request_has_room_for(count: int) -> None:
    wide = {"unknown_columns": ["x" * 300] * 1000}
    rows = [{"row": row} | (wide if row % 7 == 0 else {}) for row in range(count)]
    made = list(parts(rows))
    assert [row for part in made for row in part] == rows
    for part in made:
        assert 1 <= len(part) <= ROWS_A_MERGE
        assert len(json.dumps(part)) < 1.01 * BYTES_A_MERGE


def test_a_row_that_is_too_wide_travels_alone() -> None:
    wide = {"unknown_columns": ["x" * BYTES_A_MERGE]}
    assert [len(part) for part in parts([{"row": 1}, {"row": 2}, wide, {"row": 3}])] == [2, 1, 1]


def test_a_broken_rule_is_in_the_ledger_in_the_files_and_in_their_reports(
    world: MemoryWorld,
    client: bigquery.Client,
    pipeline: Pipeline,
    ledger: Callable[[str], list[dict[str, Any]]],
) -> None:
    manifest = claimed(world, pipeline, "a.csv")
    broken = replace(RULES[0], found=0.5, passed=False)
    metrics = refuse(replace(metrics_of(manifest), quality=(broken, RULES[1])), 1.0, "gs://lake/metrics.json")
    record_end(world.store, Warehouse(client), "rejected", "lake", manifest, metrics, 0, RUN, turns.CONTRACT)
    sentence = (
        "rule some_rows: expected rowCount mustBeBetween 1 and 100 rows, found 0.5 rows in 9 accepted rows"
    )
    (batch,) = ledger("batches")
    assert (batch["state"], batch["rows_merged"]) == ("rejected", 0)
    assert sentence in batch["detail"]
    assert {rule["rule"]: (rule["severity"], rule["passed"]) for rule in batch["quality"]} == {
        "some_rows": ("fail", False),
        "filled": ("warn", False),
    }
    (file,) = ledger("files")
    assert (file["state"], file["reason"], file["detail"]) == ("rejected", "quality_failed", f"{sentence}.")
    report = json.loads(world.content(f"{file['rejected_uri']}.error.json"))
    assert report["detail"] == f"{sentence}."
    assert "by the rule that `detail` names" in report["what_to_do"]


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
    assert turns.journal_of(world.store).batches == ()


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
            is_open = turns.journal_of(world.store).batches != ()
            assert is_open or ledger("batches")
            continue
        break
    assert turns.journal_of(world.store).batches == ()
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
    assert (row["files"], row["rows_read"], row["quality"], row["new_columns"]) == (1, None, [], [])
    record(world.store, client, manifest)
    Warehouse(client).merge_batch(failed)
    (row,) = ledger("batches")
    assert (row["state"], row["detail"], row["rows_merged"]) == ("succeeded", None, 9)
    assert [rule["rule"] for rule in row["quality"]] == ["some_rows", "filled"]
    assert row["new_columns"] == ["Weight__kg_"]


CLUSTER = ("lf-price-quote-0", 240.0, 0.0029)


@pytest.mark.parametrize(
    ("runs", "kept"),
    [
        ([RUN, unattended("run-9", RUN.recorded_at)], CLUSTER),
        ([unattended("run-9", RUN.recorded_at)], (None, 0.0, 0.0)),
        ([unattended("run-9", RUN.recorded_at), RUN], CLUSTER),
        # Of a run of its own what is known replaces what was, unknown or not.
        ([RUN, replace(RUN, cost=Cost(None, None))], ("lf-price-quote-0", None, None)),
        ([RUN, replace(RUN, cluster_name="lf-1", cost=Cost(8.0, 0.5))], ("lf-1", 8.0, 0.5)),
    ],
)
def test_what_the_last_cluster_cost_stays_when_a_batch_ends_without_one(
    world: MemoryWorld,
    client: bigquery.Client,
    pipeline: Pipeline,
    ledger: Callable[[str], list[dict[str, Any]]],
    runs: list[Run],
    kept: tuple[Any, ...],
) -> None:
    entry = claimed(world, pipeline, "a.csv").entry
    for run in runs:
        Warehouse(client).merge_batch(failed_row(entry, {}, run))
    (row,) = ledger("batches")
    assert (row["cluster_name"], row["vcpu_seconds"], row["estimated_cost_usd"]) == kept
    assert row["run_id"] == runs[-1].run_id


@pytest.mark.parametrize(
    ("reason", "tries"), [("invalidQuery", 3), ("quotaExceeded", 3), ("accessDenied", 1)]
)
def test_a_table_that_others_change_at_the_same_moment_is_waited_for(
    world: MemoryWorld,
    client: bigquery.Client,
    pipeline: Pipeline,
    ledger: Callable[[str], list[dict[str, Any]]],
    monkeypatch: pytest.MonkeyPatch,
    reason: str,
    tries: int,
) -> None:
    row = failed_row(claimed(world, pipeline, "a.csv").entry, {}, replace(RUN, steps=()))
    asked, call_api = 0, client._call_api

    def busy(retry: Any, **call: Any) -> Any:
        nonlocal asked
        asked += call["span_name"] == "BigQuery.query"
        if asked < 3:
            raise BadRequest("Busy.", errors=[{"reason": reason}])  # type: ignore[no-untyped-call]
        return call_api(retry, **call)

    with monkeypatch.context() as patched:
        patched.setattr(warehouse, "_JOB_RETRY", warehouse._JOB_RETRY.with_delay(initial=0.01, maximum=0.01))
        patched.setattr(client, "_call_api", busy)
        with nullcontext() if tries == 3 else pytest.raises(BadRequest):
            Warehouse(client).merge_batch(row)
    assert asked == tries
    assert [batch["state"] for batch in ledger("batches")] == (["failed"] if tries == 3 else [])


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
        endings(world.store, client).superseded(manifest)
    assert len(ledger("files")) == ROWS_A_MERGE + 1
    (row,) = ledger("batches")
    assert (row["state"], row["files"], row["files_superseded"]) == ("succeeded", 0, ROWS_A_MERGE + 1)
    assert (row["quality"], row["new_columns"], row["token_key"], row["replay"]) == ([], [], None, None)
    assert row["detail"] == "Every file was overwritten or deleted before it could be archived."


def test_a_replay_finds_its_files_in_the_ledger_as_they_first_came(
    world: MemoryWorld,
    client: bigquery.Client,
    pipeline: Pipeline,
    ledger: Callable[[str], list[dict[str, Any]]],
) -> None:
    manifest = claimed(world, pipeline, "a.csv", "bad.csv")
    gone = replace(manifest.files[0].source, uri="gs://landing/price_quote/gone.csv")
    record(world.store, client, replace(manifest, superseded=(gone,)))
    again = replace(
        manifest, entry=replace(manifest.entry, batch_id="ef" * 16, claimed_at="2025-11-22T00:00:00Z")
    )
    open_again(world.store, again.entry)
    record(world.store, client, again)
    sources = {file.source for file in manifest.files}

    def found(asked: str, dataset: str = "price_quote") -> set[SourceFile]:
        replay = parse_replay({"replay": asked})
        assert replay is not None
        files = Warehouse(client).archived_files(dataset, replay)
        assert len(files) == len(set(files))
        return set(files)

    assert found(manifest.entry.batch_id) == found("ef" * 16) == sources
    for source in sources:
        assert found(source.identity) == {source}
    assert found(gone.identity) == found("00" * 16) == set()
    assert found(manifest.entry.batch_id, "comp_boss") == set()


def test_steps_are_what_airflow_and_the_tasks_say() -> None:
    crumbs: list[dict[str, Any]] = [
        {"task_id": "claim_batch", "state": "success", "duration": 2.5},
        {"task_id": "create_cluster", "state": "failed", "duration": 1.0},
        {"task_id": "load_raw", "state": "upstream_failed", "duration": 0.0},
    ]
    assert steps_of(crumbs, {"claim_batch": AT}, {"create_cluster": "lf-0", "claim_batch": None}) == (
        Step("create_cluster", None, None, 1.0, "failed", "lf-0"),
        Step("claim_batch", "2025-11-21T01:26:03.000500Z", "2025-11-21T01:26:05.500500Z", 2.5, "success"),
    )


def test_a_divided_batch_names_its_parts_and_its_last_failure(
    world: MemoryWorld,
    client: bigquery.Client,
    pipeline: Pipeline,
    ledger: Callable[[str], list[dict[str, Any]]],
) -> None:
    batch = failed_batch(client, claimed(world, pipeline, "a.csv", "b.csv", "c.csv").entry)
    one, other = agenda.parts_of(batch, pipeline.isolation)
    for _ in range(2):
        endings(world.store, client).divided(batch, (one, other))
    Warehouse(client).merge_batch(failed_row(batch.entry, {"load_raw": "Late."}, replace(RUN, steps=())))
    (row,) = ledger("batches")
    assert row["state"] == "divided"
    assert row["detail"] == (
        f"divided into {one.batch_id} (1 files) and {other.batch_id} (2 files) after 3 failed runs; the last "
        "failure: csv_to_parquet: expected to read and write its rows, found ValueError"
    )
    assert (row["files"], row["rows_read"], row["run_id"]) == (3, None, "run-9")
    assert ledger("files") == []


def test_a_file_that_is_given_up_lies_in_the_rejected_bucket_beside_its_last_failure(
    world: MemoryWorld,
    client: bigquery.Client,
    pipeline: Pipeline,
    ledger: Callable[[str], list[dict[str, Any]]],
) -> None:
    manifest = claimed(world, pipeline, "a.csv")
    batch = failed_batch(client, manifest.entry)
    for _ in range(2):
        endings(world.store, client).given_up(batch, manifest)
    detail = (
        "given up after 3 failed runs; the last failure: csv_to_parquet: "
        "expected to read and write its rows, found ValueError"
    )
    (row,) = ledger("batches")
    assert (row["state"], row["detail"], row["files"], row["files_rejected"]) == ("rejected", detail, 1, 1)
    (file,) = ledger("files")
    assert (file["state"], file["reason"], file["detail"]) == ("rejected", "failed_repeatedly", detail)
    assert file["archive_uri"] == manifest.files[0].archive_uri
    assert world.content(file["rejected_uri"]) == b"a.csv"
    report = json.loads(world.content(f"{file['rejected_uri']}.error.json"))
    assert (report["reason"], report["detail"]) == ("failed_repeatedly", detail)
    assert "replay the file" in report["what_to_do"]


def test_a_replay_that_is_given_up_says_so_and_touches_no_file(
    world: MemoryWorld,
    client: bigquery.Client,
    pipeline: Pipeline,
    ledger: Callable[[str], list[dict[str, Any]]],
) -> None:
    manifest = claimed(world, pipeline, "a.csv")
    entry = replace(manifest.entry, batch_id="ef" * 16, replay=manifest.entry.batch_id)
    endings(world.store, client).given_up(failed_batch(client, entry), replace(manifest, entry=entry))
    (row,) = ledger("batches")
    assert row["state"] == "failed"
    assert row["detail"].startswith("given up after 3 failed runs; the last failure: csv_to_parquet")
    assert ledger("files") == []
    assert world.uris("rejected") == []


def test_the_ledger_knows_which_batches_are_over(
    world: MemoryWorld, client: bigquery.Client, pipeline: Pipeline, ledger: Any
) -> None:
    manifest = claimed(world, pipeline, "a.csv")
    known = endings(world.store, client)
    assert not known.is_over(manifest.entry)
    failed_batch(client, manifest.entry)
    assert not known.is_over(manifest.entry)
    record(world.store, client, manifest)
    assert known.is_over(manifest.entry)
    assert not known.is_over(replace(manifest.entry, dataset="comp_boss"))


@pytest.mark.parametrize("fate", [DIVIDED, GIVEN_UP])
def test_a_zombie_does_not_record_what_was_divided_or_given_up_meanwhile(
    world: MemoryWorld,
    client: bigquery.Client,
    pipeline: Pipeline,
    ledger: Callable[[str], list[dict[str, Any]]],
    fate: str,
) -> None:
    manifest = claimed(world, pipeline, "a.csv", "b.csv")
    batch = failed_batch(client, manifest.entry)

    def change(transition: Callable[[Any], Any]) -> None:
        journal_object.change(world.store, "lake", "price_quote", transition)

    change(lambda journal: agenda.decided(journal, batch.batch_id, fate))
    with pytest.raises(TerminalError, match=f"expected it to be open .* found it {fate}"):
        record(world.store, client, manifest)
    parts = agenda.parts_of(batch, pipeline.isolation)
    endings(world.store, client).divided(batch, parts)
    change(lambda journal: agenda.divided(journal, batch.batch_id, parts))
    with pytest.raises(TerminalError, match="found it divided"):
        record(world.store, client, manifest)
    assert [row["state"] for row in ledger("batches")] == ["divided"]
    assert ledger("files") == []


def test_once_a_batch_is_being_recorded_nobody_divides_it(
    world: MemoryWorld, client: bigquery.Client, pipeline: Pipeline, ledger: Any
) -> None:
    manifest = claimed(world, pipeline, "a.csv", "b.csv")
    with pytest.raises(PowerCutError):
        record(Interrupted(world.store, dies_at=2, after=True), client, manifest)  # read, replace
    for run in range(5):
        journal_object.change(
            world.store,
            "lake",
            "price_quote",
            lambda journal, run=run: agenda.failed(  # type: ignore[misc]
                journal, manifest.entry.batch_id, f"run-{run}", Fault.BATCH, (), pipeline.isolation, AT
            ),
        )
    assert turns.claimed(world.store, pipeline, urgent=True) == manifest
