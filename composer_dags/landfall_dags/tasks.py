"""What the tasks do: each reads what it needs, decides by the pure modules, and writes."""

import json
import logging
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

from landfall_dags import agenda, claim, election, emission, journal_object, record, replay, store, warehouse
from landfall_dags.agenda import Fault, Wait
from landfall_dags.cluster import choose_shape, cluster_config, work_of
from landfall_dags.errors import BatchFault, TerminalError
from landfall_dags.identity import (
    cluster_name,
    load_job_stem,
    spark_job_stem,
    timestamp,
)
from landfall_dags.journal import Entry, Journal, Manifest, folder_uri, parse_manifest
from landfall_dags.ledger import Run, failed_row, unattended
from landfall_dags.metrics import Metrics, MetricsError
from landfall_dags.metrics import check_metrics as parse_metrics
from landfall_dags.pipeline import Pipeline, parse_pipeline
from landfall_dags.quality import WARN
from landfall_dags.refusal import refuse
from landfall_dags.settings import Settings
from landfall_dags.traces import BLAME, FAILURE, breadcrumbs, run_of

_log = logging.getLogger(__name__)
# Its name, with which the messages begin too, is the one to alert on: a line for each warning rule that a
# batch breaks.
_quality_log = logging.getLogger("landfall.quality")

P = ParamSpec("P")
R = TypeVar("R")


def _terminal_fails(function: Callable[P, R]) -> Callable[P, R]:
    @wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return function(*args, **kwargs)
        except TerminalError as error:
            raise AirflowFailException(str(error)) from error

    return run


@_terminal_fails
def claim_batch(
    settings: Settings, pipeline: Pipeline, run: str, conf: Mapping[str, Any] | None
) -> dict[str, Any]:
    """Claim what is pending, or the replay that `conf` asks for; skip, and all downstream, when nothing is.

    A batch that is open may come first; the replay is then `postponed` to another run. Returns the batch's
    names (`batch`), with whether it is `parsed` already, and the cluster that it needs (`cluster_config`).
    """
    wanted = replay.parse_replay(conf)
    objects = store.connect()
    places = claim.Places(settings.landing_bucket, settings.archive_bucket, settings.lake_bucket)

    turn = claim.Turn(run, urgent=not run.startswith(f"{pipeline.dataset}__"), now=_now)

    def connect() -> warehouse.Warehouse:
        return warehouse.connect(settings)

    def proposal(journal: Journal) -> Entry | None:
        if wanted is None:
            return claim.propose(objects, places, pipeline, journal, run, _now())
        return replay.propose(objects, places, pipeline, wanted, connect().archived_files, run, _now())

    endings = record.LedgerEndings(
        objects, settings.rejected_bucket, connect, lambda: unattended(run, timestamp(_now())), pipeline
    )
    manifest = claim.claim(objects, places, pipeline, settings.token_key, turn, proposal, endings)
    if not isinstance(manifest, Manifest):
        raise AirflowSkipException(
            _why_skipped(manifest, f"gs://{settings.landing_bucket}/{pipeline.dataset}/")
        )
    entry = manifest.entry
    folder = folder_uri(settings.lake_bucket, entry.dataset, entry.batch_id)
    cluster = cluster_name(entry.dataset, entry.batch_id)
    work = work_of((file.source for file in manifest.files), pipeline.splits)
    shape = choose_shape(work, pipeline.compute)
    is_postponed = wanted is not None and (entry.replay, entry.run_id) != (wanted.asked, run)
    return {
        "batch": {
            "batch_id": entry.batch_id,
            "folder_uri": folder,
            "arrived_on": entry.arrived_on,
            "cluster_name": cluster,
            "spark_job": spark_job_stem(cluster, run),
            "load_raw_job": load_job_stem("raw", entry.dataset, entry.batch_id),
            "load_rejected_job": load_job_stem("rejected", entry.dataset, entry.batch_id),
            "postponed": wanted.asked if wanted is not None and is_postponed else "",
            "parsed": objects.find(f"{folder}/metrics.json") is not None,
        },
        "cluster_config": cluster_config(shape, settings),
    }


def _why_skipped(wait: Wait, pending_uri: str) -> str:
    if wait.until is None:
        return f"nothing is pending in {pending_uri}"
    return (
        f"{pending_uri}: nothing to do before {timestamp(wait.until)}, for batches of the dataset failed. "
        "ops.batches says why; a run that is started by hand does not wait."
    )


@_terminal_fails
def check_metrics(batch: dict[str, Any], job_id: str | None) -> dict[str, Any]:
    """Elect the metrics of the Spark job, None for a batch that is parsed, and return what is to be done.

    They must agree with the manifest and the contract; another attempt's may have been elected before. What
    is to be done: the folder to load from, the counts of rows, the columns that raw may lack, and whether the
    batch `replaces` what its files gave before. Of a batch that is refused only the rejected rows are loaded:
    `to_load` is then 0.
    """
    objects = store.connect()
    manifest = _read_manifest(objects, batch)
    try:
        if job_id is not None:
            contract = _read_contract(objects, batch)
            election.stand(
                objects,
                batch["folder_uri"],
                job_id,
                lambda text, uri: parse_metrics(text, manifest, contract, uri),
            )
        metrics = _read_metrics(objects, batch, manifest)
    except MetricsError as error:
        # The job would say the same again of the same files.
        raise AirflowFailException(str(error)) from BatchFault(str(error))
    for rule in metrics.broken_rules(WARN):
        line = {"dataset": manifest.entry.dataset, "rule": rule.rule, "batch_id": batch["batch_id"]}
        _quality_log.warning("landfall.quality %s", json.dumps(line | {"detail": rule.sentence}))
    return {
        "output": metrics.output,
        "read": metrics.rows.read,
        "to_load": metrics.rows_to_load,
        "rejected": metrics.rows.rejected,
        "new_columns": list(metrics.new_columns),
        # A replay that is refused replaces nothing: what its files gave before stays in trusted.
        "replaces": manifest.entry.replay is not None and metrics.refusal is None,
    }


@_terminal_fails
def record_batch(
    settings: Settings, batch: dict[str, Any], config: dict[str, Any], call_job: str, context: Any
) -> str | None:
    """Write the ledger, set rejected files aside, and close the journal.

    Returns why the batch was refused, None when it was not.
    """
    objects, tables = store.connect(), warehouse.connect(settings)
    manifest = _read_manifest(objects, batch)
    metrics = _read_metrics(objects, batch, manifest)
    rows_merged, run = tables.rows_merged(call_job, batch["batch_id"]), run_of(batch, config, context, _now())
    contract = _read_contract(objects, batch)
    record.record_end(
        objects,
        tables,
        settings.rejected_bucket,
        settings.lake_bucket,
        manifest,
        metrics,
        rows_merged,
        run,
        contract,
    )
    _tell_lineage(settings, manifest, metrics, rows_merged, run, contract)
    return metrics.refusal


def _tell_lineage(
    settings: Settings, manifest: Manifest, metrics: Metrics, rows_merged: int, run: Run, contract: Pipeline
) -> None:
    def events(namespace: str) -> Iterable[Any]:
        # Imported by the thread that tells: an Airflow without OpenLineage can record a batch too.
        from landfall_dags import lineage
        from landfall_dags.lineage_facets import read_catalog

        places = lineage.Places(settings.project, settings.landing_bucket, namespace)
        catalog = read_catalog(settings.datasets_dir, contract)
        return lineage.events(lineage.Batch(manifest, metrics, rows_merged, run, contract, catalog), places)

    emission.emit(events)


def report_refusal(refusal: str | None) -> None:
    """Fail, so that someone is told, once a refused batch is closed and holds up nothing."""
    if refusal is None:
        raise AirflowSkipException("the batch was not refused")
    raise AirflowFailException(refusal)


@_terminal_fails
def record_failure(
    settings: Settings,
    pipeline: Pipeline,
    batch: dict[str, Any] | None,
    config: dict[str, Any] | None,
    context: Any,
) -> None:
    """Count the failure of the run's batch, and write into the ledger why; skip when it is not open.

    A run whose claim failed has the batch that is in work.
    """
    objects, ti = store.connect(), context["ti"]
    batch_id = batch["batch_id"] if batch else _in_work(objects, settings.lake_bucket, pipeline.dataset)
    failed = [crumb["task_id"] for crumb in breadcrumbs(context) if crumb["state"] == "failed"]
    fault, suspects = _blame([ti.xcom_pull(task_ids=task, key=BLAME) for task in failed])
    journal = journal_object.change(
        objects,
        settings.lake_bucket,
        pipeline.dataset,
        lambda journal: agenda.failed(
            journal, batch_id, ti.run_id, fault, suspects, pipeline.isolation, _now()
        ),
    )
    still_open = journal.find(batch_id)
    if still_open is None:
        raise AirflowSkipException("no batch of this run is open")
    reasons = {task: ti.xcom_pull(task_ids=task, key=FAILURE) for task in failed}
    row = failed_row(still_open.entry, reasons, run_of(batch or {}, config, context, _now()))
    record.write_batch(warehouse.connect(settings), row, still_open.entry, pipeline)


def _in_work(objects: store.Store, lake_bucket: str, dataset: str) -> str:
    journal = journal_object.read(objects, lake_bucket, dataset).journal
    return next((batch.batch_id for batch in journal.batches if batch.retry_at is None), "")


def _blame(blames: Iterable[Mapping[str, Any] | None]) -> tuple[Fault, tuple[str, ...]]:
    """Whose fault it was that the run failed, by what its tasks said; the batch's if one of them says so."""
    of_batch = [blame for blame in blames if blame and Fault(blame["fault"]) is Fault.BATCH]
    suspects = tuple(identity for blame in of_batch for identity in blame["suspects"])
    return (Fault.BATCH if of_batch else Fault.SURROUNDINGS), suspects


def _now() -> datetime:
    return datetime.now(UTC)


def _read_manifest(objects: store.Store, batch: dict[str, Any]) -> Manifest:
    uri = f"{batch['folder_uri']}/manifest.json"
    return parse_manifest(_read(objects, uri, "claim_batch"), uri)


def _read_contract(objects: store.Store, batch: dict[str, Any]) -> Pipeline:
    # The contract that the batch was claimed under: a newer one must not judge two tasks differently.
    pinned = f"{batch['folder_uri']}/pipeline.json"
    return parse_pipeline(_read(objects, pinned, "claim_batch"), pinned)


def _read_metrics(objects: store.Store, batch: dict[str, Any], manifest: Manifest) -> Metrics:
    uri = election.elected_uri(batch["folder_uri"])
    contract = _read_contract(objects, batch)
    metrics = parse_metrics(_read(objects, uri, "csv_to_parquet"), manifest, contract, uri)
    return refuse(metrics, contract.max_rejected_share, uri)


def _read(objects: store.Store, uri: str, writer: str) -> str:
    stored = objects.read(uri)
    if stored is None:
        raise TerminalError(
            f"{uri}: expected what {writer} wrote, found no object. Clear {writer} to write it again."
        )
    return stored.text
