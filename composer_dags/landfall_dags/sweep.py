"""The sweep: what lost events and outages left behind gets its run, and what is stuck is said aloud."""

import logging
from datetime import UTC, datetime, timedelta
from typing import Any

from landfall_dags import agenda, asking, journal_object, store
from landfall_dags.errors import TerminalError
from landfall_dags.identity import is_pending, split_uri, timestamp
from landfall_dags.journal import open_uri
from landfall_dags.pipeline import Pipeline
from landfall_dags.settings import Settings
from landfall_dags.sweep_report import Found, dataset_line, stuck_lines, sweep_line

_log = logging.getLogger(__name__)
# Their names, with which the messages begin too, are the ones to alert on: a line of the first, and none of
# the last. What all datasets have to say would not fit into one line: Composer cuts at 4096 characters.
_stuck_log = logging.getLogger("landfall.stuck")
_dataset_log = logging.getLogger("landfall.dataset")
_sweep_log = logging.getLogger("landfall.sweep")


def find_left_behind(settings: Settings, pipelines: list[Pipeline], context: Any) -> list[dict[str, Any]]:
    """The runs to ask for: one for each dataset with something due, and no run that is about to take it."""
    objects, now = store.connect(), _now()
    _report_strays(objects, settings.landing_bucket, {pipeline.dataset for pipeline in pipelines})
    wanted = []
    for pipeline in pipelines:
        found = _look(objects, settings, pipeline.dataset)
        for line in stuck_lines(found, pipeline.freshness_seconds, now):
            _stuck_log.warning(line)
        is_wanted = _is_left(found, settings, now) and not _is_coming(pipeline, settings, context, now)
        if is_wanted:
            wanted.append(pipeline)
        _dataset_log.info(dataset_line(found, pipeline.freshness_seconds, is_wanted, now))
    _sweep_log.info(sweep_line(len(pipelines), len(wanted)))
    return [_request(pipeline, settings, now) for pipeline in wanted]


def _look(objects: store.Store, settings: Settings, dataset: str) -> Found:
    listed = objects.list(settings.landing_bucket, f"{dataset}/")
    pending = tuple(file for file in listed if is_pending(dataset, split_uri(file.uri)[1]))
    where = open_uri(settings.lake_bucket, dataset)
    try:
        journal = journal_object.read(objects, settings.lake_bucket, dataset).journal
    except TerminalError:
        # The run that is asked for fails with the reason, in sight; the other datasets are swept.
        return Found(dataset, pending, None, where)
    return Found(dataset, pending, journal, where)


def _is_left(found: Found, settings: Settings, now: datetime) -> bool:
    if found.journal is None:
        return True
    # A file of the last two windows still has its own run to come.
    old = timestamp(now - timedelta(seconds=2 * settings.batch_window_seconds + settings.run_grace_seconds))
    due = agenda.due_at(found.journal, now, pending=any(file.created_at < old for file in found.pending))
    return due is not None and due <= now


def _is_coming(pipeline: Pipeline, settings: Settings, context: Any, now: datetime) -> bool:
    count, dag_id = context["ti"].get_dr_count, pipeline.dag_id
    due = asking.runs_that_are_due(pipeline.dataset, now, settings)
    return bool(
        count(dag_id=dag_id, states=["running"]) or count(dag_id=dag_id, run_ids=due, states=["queued"])
    )


def _request(pipeline: Pipeline, settings: Settings, now: datetime) -> dict[str, Any]:
    asked = asking.run_of(pipeline.dataset, now, settings)
    return {
        "trigger_dag_id": pipeline.dag_id,
        "trigger_run_id": asked.run_id,
        "run_after": asked.run_after.isoformat(),
    }


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


def _now() -> datetime:
    return datetime.now(UTC)
