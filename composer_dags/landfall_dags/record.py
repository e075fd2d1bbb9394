"""The end of a batch: rejected files are set aside, the ledger is written, and then the journal is closed."""

import json

from landfall_dags import claim
from landfall_dags.cost import Cost
from landfall_dags.identity import split_uri
from landfall_dags.journal import Manifest
from landfall_dags.ledger import Run, closed_row, error_report, file_rows
from landfall_dags.metrics import Metrics
from landfall_dags.store import Store
from landfall_dags.warehouse import Warehouse


def record_end(
    store: Store,
    warehouse: Warehouse,
    rejected_bucket: str,
    lake_bucket: str,
    manifest: Manifest,
    metrics: Metrics,
    rows_merged: int,
    run: Run,
) -> None:
    """Record a batch that went all the way, or was refused; a repetition finds what is done and goes on."""
    rejected_uris = set_aside(store, rejected_bucket, manifest, metrics)
    warehouse.merge_files(file_rows(manifest, metrics, rejected_uris, run.recorded_at))
    warehouse.merge_batch(closed_row(manifest, metrics, rows_merged, run))
    claim.close(store, lake_bucket, manifest.entry.dataset, manifest.entry.batch_id)


def record_superseded(warehouse: Warehouse, manifest: Manifest, run_id: str, recorded_at: str) -> None:
    """Record a batch of which no file was left to archive."""
    run = Run(run_id, recorded_at, None, Cost(0.0, 0.0), ())
    warehouse.merge_files(file_rows(manifest, None, {}, recorded_at))
    warehouse.merge_batch(closed_row(manifest, None, 0, run))


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
