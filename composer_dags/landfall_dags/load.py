"""Load jobs: their configuration, and the one id under which a batch may be loaded now. Pure."""

from collections.abc import Callable
from enum import Enum
from itertools import count
from typing import Any


class JobState(Enum):
    """What BigQuery knows of a job id."""

    ABSENT = "absent"
    LIVE = "live"
    DONE = "done"
    FAILED = "failed"


def first_unspent(stem: str, state_of: Callable[[str], JobState]) -> tuple[str, JobState]:
    """The first of `<stem>_1`, `<stem>_2`, … that did not fail, and its state.

    Ids are unique for ever, so a job that failed spends its id (it loaded nothing: a load job is atomic). An
    id that is live or done is the batch's one load: to be waited for, never doubled.
    """
    for attempt in count(1):
        job_id = f"{stem}_{attempt}"
        state = state_of(job_id)
        if state is not JobState.FAILED:
            return job_id, state
    raise AssertionError("unreachable: the attempts are endless")


def load_configuration(project: str, table: str, uris: str, labels: dict[str, str]) -> dict[str, Any]:
    """Append the Parquet files at `uris` to `dataset.table`, which must exist; BigQuery guesses nothing."""
    dataset, _, name = table.partition(".")
    return {
        "load": {
            "sourceUris": [uris],
            "sourceFormat": "PARQUET",
            "destinationTable": {"projectId": project, "datasetId": dataset, "tableId": name},
            "writeDisposition": "WRITE_APPEND",
            "createDisposition": "CREATE_NEVER",
            "autodetect": False,
            "parquetOptions": {"enableListInference": True},
            "decimalTargetTypes": ["NUMERIC", "BIGNUMERIC"],
        },
        "labels": labels,
    }


def call_configuration(
    procedure: str, batch: str, arrived_on: str, rows: str, labels: dict[str, str]
) -> dict[str, Any]:
    """Call a trusted procedure for one batch: its id, the day it arrived (YYYY-MM-DD), its accepted rows."""
    return {
        "query": {
            "query": f"CALL {procedure}(@batch_id, @arrived_on, @expected_rows)",
            "useLegacySql": False,
            "parameterMode": "NAMED",
            "queryParameters": [
                _parameter("batch_id", "STRING", batch),
                _parameter("arrived_on", "DATE", arrived_on),
                _parameter("expected_rows", "INT64", rows),
            ],
        },
        "labels": labels,
    }


def _parameter(name: str, kind: str, value: str) -> dict[str, Any]:
    return {"name": name, "parameterType": {"type": kind}, "parameterValue": {"value": value}}
