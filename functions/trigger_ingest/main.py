"""trigger_ingest: an object lands, a run of its dataset's DAG is asked for.

The function must
- ask for run `<dataset>__<end of the batch window>` of DAG `ingest_<dataset>` for every object that is
  finalized as `<dataset>/<anything>.csv` or `.csv.gz` in the landing bucket, however often the event comes;
- acknowledge and record what can never succeed, answer 503 where it may succeed later (`errors.py`);
- answer 400, and nothing of what was sent, to a request that is no CloudEvent: nobody who may deliver events
  sends one.

It should
- write one log entry per event, with the outcome as a label: `triggered` (the run is new), `joined` (it was
  there), `ignored` (outside the path grammar), `refused` (terminal), `deferred` (transient: the event comes
  again).

Decisions
- It holds no catalogue of datasets and reads no object: a run claims what it finds in the bucket, so an event
  is only a reason to look. A lost one costs time until the next sweep, no data.
- An object of 0 bytes is a file like any other: the run says what is wrong with it.
- A request of more than 1 MiB is not read: Eventarc's own limit of an event is 512 KB.

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
from werkzeug.exceptions import HTTPException
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
MOST_REQUEST_BYTES = 2**20
# What a label may hold of a sender's own text.
MOST_ID_CHARACTERS = 200

# The framework loads this module within the application.
if flask.has_app_context():
    flask.current_app.config["MAX_CONTENT_LENGTH"] = MOST_REQUEST_BYTES


@functions_framework.cloud_event
def trigger_ingest(event: CloudEvent) -> None:
    """Handle one CloudEvent: return to acknowledge it, raise `TransientError` to have it delivered again."""
    flask.g.event = event
    attributes = event.get_attributes()
    labels = _label(attributes.get("id"))
    trace = _find_trace(attributes.get("traceparent"))

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


@functions_framework.errorhandler(TransientError)  # type: ignore[untyped-decorator]
def defer(error: TransientError) -> tuple[str, int]:
    """Have an event delivered again. It is recorded already; a traceback for each would say nothing more."""
    return str(error), 503


@functions_framework.errorhandler(Exception)  # type: ignore[untyped-decorator]
def refuse(error: Exception) -> tuple[str, int] | HTTPException:
    """Record and refuse a request that the framework could not make a CloudEvent of.

    An error that is none of the families once there is an event is a defect here: it goes on, as a crash.
    """
    if "event" in flask.g:
        raise error
    if isinstance(error, HTTPException) and error.code in (404, 405):
        return error
    write_entry(
        SEVERITIES["refused"],
        f"Expected a CloudEvent in HTTP binary mode of at most {MOST_REQUEST_BYTES} bytes, found a request "
        f"that ends in {type(error).__name__}; check who else calls the function.",
        _label(flask.request.headers.get("ce-id")) | {"outcome": "refused"},
        _find_trace(None),
    )
    return "expected a CloudEvent", 400


def _label(event_id: object) -> dict[str, str]:
    return {"event_id": str(event_id or "")[:MOST_ID_CHARACTERS]}


def _find_trace(traceparent: object) -> str | None:
    # The request's own headers name the trace that Cloud Run logs the request under.
    return find_trace(
        SETTINGS.project,
        traceparent=flask.request.headers.get("traceparent") or traceparent,
        cloud_trace_context=flask.request.headers.get("X-Cloud-Trace-Context"),
    )


def _ask_for_run(dataset: str, landed: LandedObject) -> tuple[str, str]:
    run = find_run(dataset, datetime.now(UTC), SETTINGS.batch_window_seconds, SETTINGS.run_grace_seconds)
    note = f"First asked for by {landed.uri}"
    created = KNOWN_RUNS.ensure(run.run_id, lambda: AIRFLOW.create_run(run, note))
    file = f"{landed.uri} ({landed.size} bytes)"
    if created:
        return "triggered", f"Asked for run {run.run_id} of {run.dag_id} for {file}."
    return "joined", f"Run {run.run_id} of {run.dag_id} is there already; it takes {file} too."
