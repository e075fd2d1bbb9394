"""What the tasks do: each reads what it needs, decides by the pure modules, and writes."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

from landfall_dags import claim, record, store, warehouse
from landfall_dags.cluster import choose_shape, cluster_config, expanded_bytes, shape_of
from landfall_dags.cost import Cost, estimate
from landfall_dags.errors import TerminalError
from landfall_dags.identity import (
    cluster_name,
    is_pending,
    load_job_stem,
    spark_job_stem,
    split_uri,
    timestamp,
)
from landfall_dags.journal import Manifest, folder_uri, parse_manifest
from landfall_dags.ledger import Run, failed_row, has_run, steps_of
from landfall_dags.metrics import Metrics
from landfall_dags.metrics import check_metrics as parse_metrics
from landfall_dags.pipeline import Pipeline
from landfall_dags.settings import Settings
from landfall_dags.window import run_after, run_id, window_end

STARTED, FAILURE = "started_at", "failure"
_MOST_FAILURE = 1000  # characters
P = ParamSpec("P")
R = TypeVar("R")


def remember_start(context: Any) -> None:
    """Before a task: note when it started, for the ledger; Airflow tells others only how long it took."""
    context["ti"].xcom_push(STARTED, context["ti"].start_date.isoformat())


def remember_failure(context: Any) -> None:
    """After a task's last failure: note why, for the ledger."""
    context["ti"].xcom_push(FAILURE, str(context.get("exception") or "")[:_MOST_FAILURE])


def _terminal_fails(function: Callable[P, R]) -> Callable[P, R]:
    @wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return function(*args, **kwargs)
        except TerminalError as error:
            raise AirflowFailException(str(error)) from error

    return run


@_terminal_fails
def claim_batch(settings: Settings, pipeline: Pipeline, run: str) -> dict[str, Any]:
    """Claim what is pending; skip, and with it everything downstream, when nothing is.

    Returns the batch's names and sizes (`batch`) and the cluster that it needs (`cluster_config`).
    """

    def superseded(manifest: Manifest) -> None:
        record.record_superseded(warehouse.connect(settings), manifest, run, timestamp(_now()))

    places = claim.Places(settings.landing_bucket, settings.archive_bucket, settings.lake_bucket)
    manifest = claim.claim(store.connect(), places, pipeline, run, _now, superseded)
    if manifest is None:
        raise AirflowSkipException(
            f"nothing is pending in gs://{settings.landing_bucket}/{pipeline.dataset}/"
        )
    entry = manifest.entry
    folder = folder_uri(settings.lake_bucket, entry.dataset, entry.batch_id)
    cluster = cluster_name(entry.dataset, entry.batch_id)
    shape = choose_shape(expanded_bytes(file.source for file in manifest.files), pipeline.compute)
    return {
        "batch": {
            "batch_id": entry.batch_id,
            "folder_uri": folder,
            "arrived_on": entry.arrived_on,
            "files": len(manifest.files),
            "superseded": len(manifest.superseded),
            "bytes": manifest.bytes,
            "cluster_name": cluster,
            "spark_job": spark_job_stem(cluster, run),
            "load_raw_job": load_job_stem("raw", entry.dataset, entry.batch_id),
            "load_rejected_job": load_job_stem("rejected", entry.dataset, entry.batch_id),
        },
        "cluster_config": cluster_config(shape, settings),
    }


@_terminal_fails
def check_metrics(batch: dict[str, Any]) -> dict[str, int]:
    """Hold the Spark job's metrics against the manifest; returns the counts of rows."""
    rows = _read_metrics(store.connect(), batch, _read_manifest(store.connect(), batch)).rows
    return {"read": rows.read, "accepted": rows.accepted, "rejected": rows.rejected}


@_terminal_fails
def record_batch(
    settings: Settings, batch: dict[str, Any], config: dict[str, Any], call_job: str, context: Any
) -> None:
    """Write the ledger, set rejected files aside, and close the journal."""
    objects, tables = store.connect(), warehouse.connect(settings)
    manifest = _read_manifest(objects, batch)
    metrics = _read_metrics(objects, batch, manifest)
    record.record_success(
        objects,
        tables,
        settings.rejected_bucket,
        settings.lake_bucket,
        manifest,
        metrics,
        tables.rows_merged(call_job),
        _run(batch, config, context),
    )


@_terminal_fails
def record_failure(
    settings: Settings,
    pipeline: Pipeline,
    batch: dict[str, Any] | None,
    config: dict[str, Any] | None,
    context: Any,
) -> None:
    """Write into the ledger that the open batch failed, and why; skip when no batch was claimed."""
    entry = claim.read_open(store.connect(), settings.lake_bucket, pipeline.dataset)
    if entry is None or (batch is not None and batch["batch_id"] != entry.batch_id):
        raise AirflowSkipException("no batch of this run is open")
    ti = context["ti"]
    failed = [crumb["task_id"] for crumb in _breadcrumbs(context) if crumb["state"] == "failed"]
    reasons = {task: ti.xcom_pull(task_ids=task, key=FAILURE) for task in failed}
    row = failed_row(entry, reasons, _run(batch or {}, config, context))
    warehouse.connect(settings).merge_batch(row)


def find_left_behind(settings: Settings, pipelines: list[Pipeline], context: Any) -> list[dict[str, Any]]:
    """The runs to ask for: one for each dataset with an open journal or an old file, and no run coming."""
    now = _now()
    end = window_end(now, settings.batch_window_seconds)
    # A file of the last two windows still has its own run to come.
    old = timestamp(now - timedelta(seconds=2 * settings.batch_window_seconds + settings.run_grace_seconds))
    objects = store.connect()
    asked = []
    for pipeline in pipelines:
        dataset = pipeline.dataset
        if context["ti"].get_dr_count(dag_id=pipeline.dag_id, states=["queued", "running"]):
            continue
        if claim.read_open(objects, settings.lake_bucket, dataset) is not None or any(
            file.created_at < old and is_pending(dataset, split_uri(file.uri)[1])
            for file in objects.list(settings.landing_bucket, f"{dataset}/")
        ):
            asked.append(
                {
                    "trigger_dag_id": pipeline.dag_id,
                    "trigger_run_id": run_id(dataset, end),
                    "run_after": run_after(end, settings.run_grace_seconds).isoformat(),
                }
            )
    return asked


def _now() -> datetime:
    return datetime.now(UTC)


def _read_manifest(objects: store.Store, batch: dict[str, Any]) -> Manifest:
    return parse_manifest(_read(objects, f"{batch['folder_uri']}/manifest.json", "claim_batch"))


def _read_metrics(objects: store.Store, batch: dict[str, Any], manifest: Manifest) -> Metrics:
    uri = f"{batch['folder_uri']}/metrics.json"
    return parse_metrics(_read(objects, uri, "csv_to_parquet"), manifest, uri)


def _read(objects: store.Store, uri: str, writer: str) -> str:
    stored = objects.read(uri)
    if stored is None:
        raise TerminalError(
            f"{uri}: expected what {writer} wrote, found no object. Clear {writer} to write it again."
        )
    return stored.text


def _run(batch: dict[str, Any], config: dict[str, Any] | None, context: Any) -> Run:
    ti, now = context["ti"], _now()
    crumbs = _breadcrumbs(context)
    started = {
        crumb["task_id"]: datetime.fromisoformat(text)
        for crumb in crumbs
        if has_run(crumb) and (text := ti.xcom_pull(task_ids=crumb["task_id"], key=STARTED))
    }
    steps = steps_of(crumbs, started)
    finished = {step.task: step.finished_at for step in steps}
    cost = Cost(None, None)
    if config is not None and "create_cluster" in started:
        # Deleting goes on beside the load: until it is done, the cluster costs until now.
        ended = finished.get("delete_cluster")
        lived = (datetime.fromisoformat(ended) if ended else now) - started["create_cluster"]
        cost = estimate(shape_of(config), lived.total_seconds())
    return Run(ti.run_id, timestamp(now), batch.get("cluster_name"), cost, steps)


def _breadcrumbs(context: Any) -> list[dict[str, Any]]:
    ti = context["ti"]
    return list(ti.get_task_breadcrumbs(dag_id=ti.dag_id, run_id=ti.run_id))
