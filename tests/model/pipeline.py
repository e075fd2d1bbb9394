"""One run of a dataset's DAG as an actor: its steps in their order, each the project's own function."""

import json
from datetime import UTC, datetime
from typing import Any

from landfall_dags import agenda, claim, election, journal_object, metrics, record
from landfall_dags.agenda import Fault
from landfall_dags.claim import Places, Turn
from landfall_dags.cost import Cost
from landfall_dags.errors import TerminalError
from landfall_dags.identity import load_job_stem
from landfall_dags.journal import Manifest, folder_uri
from landfall_dags.ledger import Run
from landfall_dags.load import JobState, first_unspent
from landfall_dags.pipeline import Pipeline, parse_pipeline
from tests.composer_dags.conftest import pipeline_document
from tests.model.world import ARCHIVE, LAKE, LANDING, REJECTED, CallRefusedError

DATASET = "price_quote"
PLACES = Places(LANDING, ARCHIVE, LAKE)
NOW = datetime(2025, 11, 21, 1, 30, tzinfo=UTC)


def make_pipeline(runs: int) -> Pipeline:
    """A contract whose batches are divided after so many failures, and whose pauses are over at once."""
    document = pipeline_document(DATASET) | {
        "isolation": {"runs": runs, "pause_seconds": 0, "max_pause_seconds": 0},
    }
    return parse_pipeline(json.dumps(document), "pipeline.json")


def run_dag(view: Any, pipeline: Pipeline, run_id: str) -> bool:
    """Do what a run does; whether it found a batch to work on."""
    manifest = claim_batch(view, pipeline, run_id)
    if manifest is None:
        return False
    try:
        work(view, manifest, run_id)
    except (BatchFaultError, CallRefusedError):
        fail(view, pipeline, manifest, run_id, Fault.BATCH)
    except TerminalError:
        fail(view, pipeline, manifest, run_id, Fault.SURROUNDINGS)
    return True


class BatchFaultError(Exception):
    """The batch itself made a step fail."""


def claim_batch(view: Any, pipeline: Pipeline, run_id: str) -> Manifest | None:
    found = claim.claim(
        view,
        PLACES,
        pipeline,
        None,
        Turn(run_id, urgent=False, now=lambda: NOW),
        lambda journal: claim.propose(view, PLACES, pipeline, journal, run_id, NOW),
        record.LedgerEndings(view, REJECTED, lambda: view, lambda: _run(run_id), pipeline),
    )
    return found if isinstance(found, Manifest) else None


def work(view: Any, manifest: Manifest, run_id: str) -> None:
    """From the Spark job to the closed journal."""
    batch_id = manifest.entry.batch_id
    folder = folder_uri(LAKE, DATASET, batch_id)
    if view.find(election.elected_uri(folder)) is None:
        _parse(view, folder, f"{run_id}-{batch_id[:6]}")
    contract = parse_pipeline(view.read(f"{folder}/pipeline.json").text, "pipeline.json")
    elected = view.read(election.elected_uri(folder))
    found = metrics.check_metrics(elected.text, manifest, contract, election.elected_uri(folder))
    _load(view, load_job_stem("raw", DATASET, batch_id), folder)
    if not agenda.may_merge(journal_object.read(view, LAKE, DATASET).journal.find(batch_id)):
        return
    merged = view.call_trusted(batch_id, found.rows_to_load)
    record.record_end(view, view, REJECTED, LAKE, manifest, found, merged, _run(run_id), contract)


def fail(view: Any, pipeline: Pipeline, manifest: Manifest, run_id: str, fault: Fault) -> None:
    """What record_failure does to the journal."""
    batch_id = manifest.entry.batch_id
    journal_object.change(
        view,
        LAKE,
        DATASET,
        lambda journal: agenda.failed(journal, batch_id, run_id, fault, (), pipeline.isolation, NOW),
    )


def _parse(view: Any, folder: str, attempt: str) -> None:
    state = view.run_spark(folder, attempt)
    if state == "ERROR":
        raise BatchFaultError(f"job {attempt} ended as ERROR")
    election.stand(view, folder, attempt, lambda *_: None)


def _load(view: Any, stem: str, folder: str) -> None:
    job_id, state = first_unspent(stem, lambda job: JobState.DONE if view.find_load(job) else JobState.ABSENT)
    if state is JobState.ABSENT:
        view.insert_load(job_id, folder)


def _run(run_id: str) -> Run:
    return Run(run_id, "2025-11-21T01:31:00.000000Z", None, Cost(None, None), ())
