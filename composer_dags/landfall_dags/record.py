"""The end of a batch: rejected files are set aside, the ledger is written, and then the journal is closed."""

import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from landfall_dags import agenda, claim, journal_object
from landfall_dags.batch_report import batch_line
from landfall_dags.errors import TerminalError
from landfall_dags.identity import split_uri
from landfall_dags.journal import RECORDED, Entry, Manifest, Open
from landfall_dags.ledger import (
    FAILED_REPEATEDLY,
    Run,
    closed_row,
    divided_row,
    error_report,
    file_rows,
    given_up,
    given_up_row,
)
from landfall_dags.metrics import REJECTED, FileResult, Metrics, Rows
from landfall_dags.pipeline import Pipeline
from landfall_dags.store import Store
from landfall_dags.warehouse import Warehouse

# Its name, with which the messages begin too, is the one to count and to alert on.
_log = logging.getLogger("landfall.batch")


def record_end(
    store: Store,
    warehouse: Warehouse,
    rejected_bucket: str,
    lake_bucket: str,
    manifest: Manifest,
    metrics: Metrics,
    rows_merged: int,
    run: Run,
    contract: Pipeline,
) -> None:
    """Record a batch that went all the way, or was refused; a repetition finds what is done and goes on.

    The journal says first that the batch is recorded: from then on nobody divides it or gives it up. Raises
    TerminalError when someone did so before.
    """
    row = closed_row(manifest, metrics, rows_merged, run)
    if _is_ours(store, warehouse, lake_bucket, manifest.entry, row["state"]):
        rejected_uris = set_aside(store, rejected_bucket, manifest, metrics)
        warehouse.merge_files(file_rows(manifest, metrics, rejected_uris, run.recorded_at))
        write_batch(warehouse, row, manifest.entry, contract)
    claim.close(store, lake_bucket, manifest.entry.dataset, manifest.entry.batch_id)


@dataclass(frozen=True)
class LedgerEndings:
    """How the batches that the claim itself ends come into the ledger, and rejected files to their bucket."""

    store: Store
    rejected_bucket: str
    connect: Callable[[], Warehouse]
    run: Callable[[], Run]
    contract: Pipeline

    def is_over(self, entry: Entry) -> bool:
        known = self._warehouse.find_batch(entry)
        return known is not None and known.is_end

    def superseded(self, manifest: Manifest) -> None:
        run = self.run()
        self._warehouse.merge_files(file_rows(manifest, None, {}, run.recorded_at))
        self._write(closed_row(manifest, None, 0, run), manifest.entry)

    def divided(self, batch: Open, parts: Sequence[Open]) -> None:
        if not self.is_over(batch.entry):
            row = divided_row(batch, parts, self._last_failure(batch), self.run())
            self._write(row, batch.entry)

    def given_up(self, batch: Open, manifest: Manifest) -> None:
        """A single file is rejected, with its last failure; of a replay only its own row says so."""
        if self.is_over(batch.entry):
            return
        failure, run = self._last_failure(batch), self.run()
        if batch.entry.replay is not None:
            self._write(given_up_row(batch, failure, run), batch.entry)
            return
        metrics = _rejecting(manifest, given_up(batch, failure))
        rejected_uris = set_aside(self.store, self.rejected_bucket, manifest, metrics)
        self._warehouse.merge_files(file_rows(manifest, metrics, rejected_uris, run.recorded_at))
        self._write(closed_row(manifest, metrics, 0, run), manifest.entry)

    def _write(self, row: dict[str, Any], entry: Entry) -> None:
        write_batch(self._warehouse, row, entry, self.contract)

    @cached_property
    def _warehouse(self) -> Warehouse:
        return self.connect()

    def _last_failure(self, batch: Open) -> str:
        known = self._warehouse.find_batch(batch.entry)
        return (known and known.detail) or f"see the log of run {batch.failed_run}"


def write_batch(warehouse: Warehouse, row: dict[str, Any], entry: Entry, contract: Pipeline) -> None:
    """Write a batch's row into the ledger, and say so in the log by what the contract promises."""
    # Said first: whoever repeats this after an interruption may find the row, and would not say it.
    _log.info(batch_line(row, entry.files, contract))
    warehouse.merge_batch(row)


def set_aside(store: Store, rejected_bucket: str, manifest: Manifest, metrics: Metrics) -> dict[str, str]:
    """Copy each rejected file from the archive to the rejected bucket, an error report beside it.

    Returns by file identity where the copy lies. What is there already stays as it is, so the report of a
    replay has the batch's id in its name: the file may have one from when it first came.
    """
    archived = {(file.source.uri, file.source.generation): file for file in manifest.files}
    replayed = f".{manifest.entry.batch_id}" if manifest.entry.replay else ""
    copies = {}
    for result in metrics.rejected_files:
        file = archived[result.uri, result.generation]
        copy_uri = f"gs://{rejected_bucket}/{split_uri(file.archive_uri)[1]}"
        made = store.copy(file.archive_uri, None, copy_uri)
        if made is None and store.find(copy_uri) is None:
            raise FileNotFoundError(
                f"{file.archive_uri}: expected the archived original of {file.source.identity}, found none. "
                "Restore it from the bucket's soft-deleted objects, then clear record_batch."
            )
        report = error_report(result, manifest.entry, file.archive_uri)
        store.create(f"{copy_uri}{replayed}.error.json", json.dumps(report, indent=2) + "\n")
        copies[file.source.identity] = copy_uri
    return copies


def _is_ours(store: Store, warehouse: Warehouse, lake_bucket: str, entry: Entry, state: str) -> bool:
    """Whether the batch is still to be recorded; False when it was, with this state."""
    known = warehouse.find_batch(entry)
    if known is not None and known.is_end:
        if known.state == state:
            return False
        raise _too_late(entry, state, known.state)
    journal = journal_object.change(
        store, lake_bucket, entry.dataset, lambda journal: agenda.decided(journal, entry.batch_id, RECORDED)
    )
    batch = journal.find(entry.batch_id)
    if batch is None or batch.fate != RECORDED:
        raise _too_late(entry, state, batch.fate if batch else "closed")
    return True


def _too_late(entry: Entry, state: str, found: str | None) -> TerminalError:
    return TerminalError(
        f"batch {entry.batch_id} of {entry.dataset}: expected it to be open and to be recorded as {state}, "
        f"found it {found}. Another run decided of it meanwhile: what this one did changes no number, and "
        "ops.batches says how its files go on."
    )


def _rejecting(manifest: Manifest, why: str) -> Metrics:
    """The metrics of a batch of which no row was read."""
    nothing = Rows(0, 0, 0)
    files = tuple(
        FileResult(file.source.uri, file.source.generation, REJECTED, FAILED_REPEATEDLY, why, nothing)
        for file in manifest.files
    )
    return Metrics(nothing, files, token_key=manifest.token_key, refusal=why)
