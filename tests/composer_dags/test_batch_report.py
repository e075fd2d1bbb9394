"""The line that each batch ends with, as the log has it when the real endings write it."""

import json
import logging
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from landfall_dags import store, tasks, warehouse
from landfall_dags.batch_report import batch_line
from landfall_dags.identity import timestamp
from landfall_dags.journal import Manifest, replay_entry
from landfall_dags.ledger import closed_row, failed_row, unattended
from landfall_dags.metrics import FileResult, Metrics, Rows
from landfall_dags.record import record_end
from landfall_dags.refusal import refuse
from landfall_dags.settings import Settings
from tests.composer_dags import turns
from tests.composer_dags.memory_ledger import MemoryLedger
from tests.composer_dags.memory_store import Interrupted, PowerCutError
from tests.composer_dags.turns import AT, CONTRACT
from tests.composer_dags.worlds import MemoryWorld

PREFIX = "landfall.batch "
# Half an hour after the file of `claimed` was created; the contract promises an hour.
RUN = unattended("run-1", timestamp(AT + timedelta(minutes=30)))


@pytest.fixture
def world() -> MemoryWorld:
    return MemoryWorld()


def claimed(world: MemoryWorld) -> Manifest:
    """A batch of one file that is loaded and one that is rejected, which landed ten minutes later."""
    for name in ("a", "bad"):
        world.put(f"gs://landing/price_quote/{name}.csv", name.encode())
    manifest = turns.claimed(world.store, CONTRACT)
    files = tuple(
        replace(file, created_at=timestamp(AT + timedelta(minutes=10 * number)))
        for number, file in enumerate(manifest.entry.files)
    )
    return replace(manifest, entry=replace(manifest.entry, files=files))


def metrics_of(manifest: Manifest, rejected: int) -> Metrics:
    loaded, bad = (file.source for file in manifest.files)
    rows = Rows(100, 100 - rejected, rejected)
    return Metrics(
        rows,
        (
            FileResult(loaded.uri, loaded.generation, "loaded", None, None, rows),
            FileResult(bad.uri, bad.generation, "rejected", "not_text", "Byte 3.", Rows(0, 0, 0)),
        ),
    )


def lines_of(caplog: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    messages = [record.getMessage() for record in caplog.records if record.name == "landfall.batch"]
    assert all(message.startswith(PREFIX) for message in messages)
    return [json.loads(message.removeprefix(PREFIX)) for message in messages]


@pytest.mark.parametrize(
    ("rejected", "state", "loaded", "used"), [(5, "succeeded", 1, 0.5), (20, "rejected", 0, 2.0)]
)
def test_a_batch_that_ends_says_how_it_kept_its_contract(
    world: MemoryWorld,
    caplog: pytest.LogCaptureFixture,
    rejected: int,
    state: str,
    loaded: int,
    used: float,
) -> None:
    caplog.set_level(logging.INFO)
    manifest = claimed(world)
    metrics = refuse(metrics_of(manifest, rejected), CONTRACT.max_rejected_share, "metrics.json")
    tables = MemoryLedger().as_warehouse()
    record_end(world.store, tables, "rejected", "lake", manifest, metrics, 0, RUN, CONTRACT)
    assert lines_of(caplog) == [
        {
            "dataset": "price_quote",
            "batch_id": manifest.entry.batch_id,
            "state": state,
            "files_loaded": loaded,
            "files_rejected": 2 - loaded,
            "rows_read": 100,
            "rows_rejected": rejected,
            "rejected_share": rejected / 100,
            "rejected_used": used,
            "age_seconds": 1800,
            "freshness_seconds": 3600,
            "freshness_used": 0.5,
        }
    ]


def test_who_was_interrupted_says_it_and_who_repeats_a_record_does_not_say_it_later(
    world: MemoryWorld, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    manifest, tables = claimed(world), MemoryLedger().as_warehouse()
    metrics = metrics_of(manifest, 0)
    for dies_at in (1, 2, 3, 4, 5, 6):
        cut = Interrupted(world.store, dies_at, after=True)
        try:
            record_end(cut, tables, "rejected", "lake", manifest, metrics, 0, RUN, CONTRACT)
        except PowerCutError:
            continue
        break
    else:
        raise AssertionError("expected an attempt without an interruption")
    said = len(lines_of(caplog))
    assert said >= 1
    record_end(world.store, tables, "rejected", "lake", manifest, metrics, 0, RUN, CONTRACT)
    assert len(lines_of(caplog)) == said


def test_a_run_that_failed_says_so_and_knows_of_no_rows(
    world: MemoryWorld,
    settings: Settings,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class TaskInstance:
        dag_id, run_id = "ingest_price_quote", "run-1"

        def get_task_breadcrumbs(self, dag_id: str, run_id: str) -> list[dict[str, Any]]:
            return [{"task_id": "csv_to_parquet", "state": "failed", "duration": 1.0}]

        def xcom_pull(self, task_ids: str, key: str) -> Any:
            return None

    caplog.set_level(logging.INFO)
    ledger, batch = MemoryLedger(), claimed(world).entry.batch_id
    monkeypatch.setattr(store, "connect", lambda: world.store)
    monkeypatch.setattr(warehouse, "connect", lambda _: ledger)
    tasks.record_failure(settings, CONTRACT, {"batch_id": batch}, None, {"ti": TaskInstance()})
    (line,) = lines_of(caplog)
    assert (line["dataset"], line["batch_id"], line["state"]) == ("price_quote", batch, "failed")
    unknown = ("files_loaded", "files_rejected", "rows_read", "rejected_share", "rejected_used")
    assert [line[name] for name in unknown] == [None] * 5


def test_a_replay_has_no_freshness(world: MemoryWorld) -> None:
    files = claimed(world).entry.files
    entry = replay_entry("price_quote", files, "run-2", "1.0.0", timestamp(AT), "0" * 32)
    line = batch_line(failed_row(entry, {}, RUN), files, CONTRACT)
    assert '"age_seconds": null, "freshness_seconds": 3600, "freshness_used": null' in line


def test_a_batch_without_a_row_or_a_limit_has_no_share(world: MemoryWorld) -> None:
    manifest = claimed(world)
    none = closed_row(manifest, Metrics(Rows(0, 0, 0), metrics_of(manifest, 0).files), 0, RUN)
    assert '"rejected_share": null, "rejected_used": null' in batch_line(none, manifest.entry.files, CONTRACT)
    row = closed_row(manifest, metrics_of(manifest, 1), 0, RUN)
    strict = replace(CONTRACT, max_rejected_share=0.0)
    assert '"rejected_share": 0.01, "rejected_used": null' in batch_line(row, manifest.entry.files, strict)


def test_small_numbers_are_written_without_an_exponent_and_a_clock_that_is_slow_gives_no_negative_age(
    world: MemoryWorld,
) -> None:
    manifest = claimed(world)
    rows = Rows(10_000_000, 9_999_999, 1)
    row = closed_row(manifest, replace(metrics_of(manifest, 0), rows=rows), 0, RUN)
    assert '"rejected_share": 0.0, "rejected_used": 0.0' in batch_line(row, manifest.entry.files, CONTRACT)
    early = row | {"recorded_at": timestamp(AT - timedelta(seconds=1))}
    assert '"age_seconds": 0' in batch_line(early, manifest.entry.files, CONTRACT)
