"""What the tasks do: each reads what it needs, decides by the pure modules, and writes."""

import logging
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

from landfall_dags import claim, record, replay, store, warehouse
from landfall_dags.cluster import choose_shape, cluster_config, shape_of, work_of
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
from landfall_dags.journal import Entry, Manifest, folder_uri, parse_manifest
from landfall_dags.ledger import Run, failed_row, has_run, steps_of
from landfall_dags.metrics import Metrics
from landfall_dags.metrics import check_metrics as parse_metrics
from landfall_dags.pipeline import Pipeline, parse_pipeline
from landfall_dags.quality import WARN
from landfall_dags.refusal import refuse
from landfall_dags.settings import Settings
from landfall_dags.window import run_after, run_id, window_end

_log = logging.getLogger(__name__)
# Its name is the one to alert on: a line for each warning rule that a batch breaks.
_quality_log = logging.getLogger("landfall.quality")

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
def claim_batch(
    settings: Settings, pipeline: Pipeline, run: str, conf: Mapping[str, Any] | None
) -> dict[str, Any]:
    """Claim what is pending, or the replay that `conf` asks for; skip, and all downstream, when nothing is.

    A batch that is open comes first; the replay is then `postponed` to another run. Returns the batch's names
    (`batch`) and the cluster that it needs (`cluster_config`).
    """
    wanted = replay.parse_replay(conf)
    objects = store.connect()
    places = claim.Places(settings.landing_bucket, settings.archive_bucket, settings.lake_bucket)

    def proposal() -> Entry | None:
        if wanted is None:
            return claim.propose(objects, places, pipeline, run, _now())
        known = warehouse.connect(settings).archived_files
        return replay.propose(objects, places, pipeline, wanted, known, run, _now())

    def superseded(manifest: Manifest) -> None:
        record.record_superseded(warehouse.connect(settings), manifest, run, timestamp(_now()))

    manifest = claim.claim(objects, places, pipeline, settings.token_key, proposal, superseded)
    if manifest is None:
        raise AirflowSkipException(
            f"nothing is pending in gs://{settings.landing_bucket}/{pipeline.dataset}/"
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
        },
        "cluster_config": cluster_config(shape, settings),
    }


@_terminal_fails
def check_metrics(batch: dict[str, Any]) -> dict[str, Any]:
    """Hold the Spark job's metrics against the manifest and the contract; returns what is to be done.

    That is the counts of rows, the columns that raw may lack, and whether the batch `replaces` what its files
    gave before. Of a batch that is refused only the rejected rows are loaded: `to_load` is then 0.
    """
    objects = store.connect()
    manifest = _read_manifest(objects, batch)
    metrics = _read_metrics(objects, batch, manifest)
    for rule in metrics.broken_rules(WARN):
        _quality_log.warning("batch %s: %s", batch["batch_id"], rule.sentence)
    return {
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
    record.record_end(
        objects,
        tables,
        settings.rejected_bucket,
        settings.lake_bucket,
        manifest,
        metrics,
        tables.rows_merged(call_job, batch["batch_id"]),
        _run(batch, config, context),
    )
    return metrics.refusal


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
    _report_strays(objects, settings.landing_bucket, {pipeline.dataset for pipeline in pipelines})
    return [
        {
            "trigger_dag_id": pipeline.dag_id,
            "trigger_run_id": run_id(pipeline.dataset, end),
            "run_after": run_after(end, settings.run_grace_seconds).isoformat(),
        }
        for pipeline in pipelines
        if not context["ti"].get_dr_count(dag_id=pipeline.dag_id, states=["queued", "running"])
        and (
            _is_open(objects, settings.lake_bucket, pipeline.dataset)
            or _holds_older(objects, settings.landing_bucket, pipeline.dataset, old)
        )
    ]


def _report_strays(objects: store.Store, landing_bucket: str, datasets: set[str]) -> None:
    # The function holds no catalogue: a folder that is no dataset's is seen here.
    for folder in objects.folders(landing_bucket):
        if folder not in datasets:
            _log.warning(
                "gs://%s/%s/ is ignored: expected the name of a dataset (%s). "
                "Move its files to their dataset's folder.",
                landing_bucket,
                folder,
                ", ".join(sorted(datasets)),
            )


def _is_open(objects: store.Store, lake_bucket: str, dataset: str) -> bool:
    try:
        return claim.read_open(objects, lake_bucket, dataset) is not None
    except TerminalError:
        # The run that is asked for fails with the reason, in sight; the other datasets are swept.
        return True


def _holds_older(objects: store.Store, landing_bucket: str, dataset: str, than: str) -> bool:
    return any(
        file.created_at < than and is_pending(dataset, split_uri(file.uri)[1])
        for file in objects.list(landing_bucket, f"{dataset}/")
    )


def _now() -> datetime:
    return datetime.now(UTC)


def _read_manifest(objects: store.Store, batch: dict[str, Any]) -> Manifest:
    uri = f"{batch['folder_uri']}/manifest.json"
    return parse_manifest(_read(objects, uri, "claim_batch"), uri)


def _read_metrics(objects: store.Store, batch: dict[str, Any], manifest: Manifest) -> Metrics:
    uri = f"{batch['folder_uri']}/metrics.json"
    # The contract that the batch was claimed under: a newer one must not judge two tasks differently.
    pinned = f"{batch['folder_uri']}/pipeline.json"
    contract = parse_pipeline(_read(objects, pinned, "claim_batch"), pinned)
    metrics = parse_metrics(_read(objects, uri, "csv_to_parquet"), manifest, contract, uri)
    return refuse(metrics, contract.max_rejected_share, uri)


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
