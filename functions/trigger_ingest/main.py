"""trigger_ingest: an object lands, a run of its dataset's DAG is asked for.

The function must
- ask for run `<dataset>__<end of the batch window>` of DAG `ingest_<dataset>` for every object that is
  finalized as `<dataset>/<anything>.csv` or `.csv.gz` in the landing bucket, however often the event comes;
- acknowledge and record what can never succeed, raise what may succeed later (`errors.py` says which).

It should
- write one log entry per event, with the outcome as a label: `triggered` (the run is new), `joined` (it was
  there), `ignored` (outside the path grammar), `refused` (terminal), `deferred` (transient: the event comes
  again).

Decisions
- It holds no catalogue of datasets and reads no object: a run claims what it finds in the bucket, so an event
  is only a reason to look. A lost one costs time until the next sweep, no data.
- An object of 0 bytes is a file like any other: the run says what is wrong with it.

Deployed as the folder: all that it imports is beside it or in `requirements.txt`. Environment: `settings.py`.
"""

import os
from datetime import UTC, datetime

import flask
import functions_framework
from airflow_api import AirflowApi
from cloudevents.http import CloudEvent
from errors import TerminalError, TransientError
from event import Ignored, LandedObject, find_dataset, parse_event
from known_runs import KnownRuns
from logs import find_trace, write_entry
from settings import Settings
from window import find_run

SETTINGS = Settings.from_environment(os.environ)
AIRFLOW = AirflowApi(SETTINGS.airflow_url)
KNOWN_RUNS = KnownRuns()

SEVERITIES = {
    "triggered": "INFO",
    "joined": "INFO",
    "ignored": "NOTICE",
    "deferred": "WARNING",
    "refused": "ERROR",
}


@functions_framework.cloud_event
def trigger_ingest(event: CloudEvent) -> None:
    """Handle one CloudEvent: return to acknowledge it, raise `TransientError` to have it delivered again."""
    attributes = event.get_attributes()
    labels = {"event_id": str(attributes.get("id", ""))}
    trace = find_trace(
        SETTINGS.project,
        # The request's own headers name the trace that Cloud Run logs the request under.
        traceparent=flask.request.headers.get("traceparent") or attributes.get("traceparent"),
        cloud_trace_context=flask.request.headers.get("X-Cloud-Trace-Context"),
    )

    def record(outcome: str, message: str) -> None:
        write_entry(SEVERITIES[outcome], message, labels | {"outcome": outcome}, trace)

    try:
        landed = parse_event(attributes, event.get_data(), SETTINGS.landing_bucket)
        dataset = find_dataset(landed.name)
        if isinstance(dataset, Ignored):
            record("ignored", f"Ignored {landed.uri}: {dataset.reason}.")
            return
        labels["dataset"] = dataset
        record(*_ask_for_run(dataset, landed))
    except TerminalError as error:
        record("refused", str(error))
    except TransientError as error:
        record("deferred", str(error))
        raise


def _ask_for_run(dataset: str, landed: LandedObject) -> tuple[str, str]:
    run = find_run(dataset, datetime.now(UTC), SETTINGS.batch_window_seconds, SETTINGS.run_grace_seconds)
    created = run.run_id not in KNOWN_RUNS and AIRFLOW.create_run(run, f"First asked for by {landed.uri}")
    KNOWN_RUNS.add(run.run_id)
    file = f"{landed.uri} ({landed.size} bytes)"
    if created:
        return "triggered", f"Asked for run {run.run_id} of {run.dag_id} for {file}."
    return "joined", f"Run {run.run_id} of {run.dag_id} is there already; it takes {file} too."
