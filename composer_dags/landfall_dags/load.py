"""BigQuery jobs: their configuration, the id a batch may be loaded under, and whose fault an end is. Pure."""

from collections.abc import Callable, Iterable, Sequence
from enum import Enum
from itertools import count
from typing import Any

# Why a job ends through no fault of what it was given: outages, quotas, permissions, someone's cancelling.
_SURROUNDINGS = frozenset(
    {
        "accessDenied",
        "backendError",
        "billingNotEnabled",
        "blocked",
        "internalError",
        "jobBackendError",
        "jobInternalError",
        "jobRateLimitExceeded",
        "notFound",
        "quotaExceeded",
        "rateLimitExceeded",
        "resourceInUse",
        "stopped",
        "tableUnavailable",
        "timeout",
    }
)


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


def is_batch_fault(reason: str) -> bool:
    """Whether a job that ended with this reason of BigQuery's failed because of the batch."""
    return reason not in _SURROUNDINGS


def load_configuration(project: str, table: str, uris: str, labels: dict[str, str]) -> dict[str, Any]:
    """Append the Parquet files at `uris` to `dataset.table`, which must exist; BigQuery guesses nothing.

    `with_schema` completes it when the load is submitted.
    """
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


def with_schema(
    configuration: dict[str, Any], table_fields: Sequence[dict[str, Any]], new_columns: Iterable[str]
) -> dict[str, Any]:
    """The load with the table's own schema, and the new columns that the table does not have yet.

    BigQuery takes types and modes from the schema. It would guess them from the Parquet otherwise, where
    every column is optional. Its names of columns know no case.
    """
    known = {field["name"].casefold() for field in table_fields}
    added = [
        {"name": name, "type": "STRING", "mode": "NULLABLE"}
        for name in new_columns
        if name.casefold() not in known
    ]
    # A load that names the policy tag of a column is taken for one that sets it, which its account may not.
    fields = [{key: value for key, value in field.items() if key != "policyTags"} for field in table_fields]
    load = {**configuration["load"], "schema": {"fields": [*fields, *added]}}
    if added:
        load["schemaUpdateOptions"] = ["ALLOW_FIELD_ADDITION"]
    return {**configuration, "load": load}


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


def replay_configuration(
    configuration: dict[str, Any], procedure: str, identities: Iterable[str]
) -> dict[str, Any]:
    """The call made one of a replay's procedure, which also takes the batch's files as `uri#generation`."""
    query = configuration["query"]
    files = {
        "name": "identities",
        "parameterType": {"type": "ARRAY", "arrayType": {"type": "STRING"}},
        "parameterValue": {"arrayValues": [{"value": identity} for identity in identities]},
    }
    replay = {
        "query": f"CALL {procedure}(@batch_id, @arrived_on, @expected_rows, @identities)",
        "queryParameters": [*query["queryParameters"], files],
    }
    return {**configuration, "query": {**query, **replay}}


def _parameter(name: str, kind: str, value: str) -> dict[str, Any]:
    return {"name": name, "parameterType": {"type": kind}, "parameterValue": {"value": value}}
