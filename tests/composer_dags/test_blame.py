"""Whose fault a failed task is."""

import json
from typing import Any

import pytest

from landfall_dags.agenda import Fault
from landfall_dags.blame import MOST_SUSPECTS, Failure, blame_of, parse_failure
from landfall_dags.errors import BatchFault, TerminalError
from landfall_dags.load import is_batch_fault


def caused_by(cause: Exception) -> Exception:
    error = RuntimeError("no other try")
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "fault", "suspects"),
    [
        (None, "surroundings", []),
        (TimeoutError(), "surroundings", []),
        (TerminalError("x"), "surroundings", []),
        (BatchFault("x"), "batch", []),
        (BatchFault("x", ["gs://landing/d/a.csv#7"]), "batch", ["gs://landing/d/a.csv#7"]),
        (caused_by(BatchFault("x", ["a#1"])), "batch", ["a#1"]),
        (caused_by(TerminalError("x")), "surroundings", []),
    ],
)
def test_only_what_says_so_is_the_batchs_fault(
    error: Exception | None, fault: str, suspects: list[str]
) -> None:
    assert blame_of(error) == {"fault": fault, "suspects": suspects}


def test_what_a_task_passes_on_stays_small() -> None:
    blame = blame_of(BatchFault("x", [f"gs://landing/d/{number}.csv#7" for number in range(10_000)]))
    assert len(blame["suspects"]) == MOST_SUSPECTS


def test_a_jobs_own_word_is_understood() -> None:
    files = [{"uri": "gs://landing/d/a.csv", "generation": 7}]
    text = json.dumps({"fault": "batch", "files": files, "error": "after row 7"})
    assert parse_failure(text) == Failure(Fault.BATCH, ("gs://landing/d/a.csv#7",), "after row 7")


@pytest.mark.parametrize(
    "document",
    [
        "{",
        "[]",
        "{}",
        {"fault": "mine", "files": [], "error": ""},
        {"fault": "batch", "files": [7], "error": ""},
    ],
)
def test_what_is_no_word_of_a_job_blames_nobody(document: Any) -> None:
    assert parse_failure(document if isinstance(document, str) else json.dumps(document)) is None


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        ("invalid", True),
        ("invalidQuery", True),
        ("resourcesExceeded", True),
        ("backendError", False),
        ("quotaExceeded", False),
        ("stopped", False),
    ],
)
def test_what_a_batch_can_do_about_the_end_of_a_bigquery_job(reason: str, expected: bool) -> None:
    assert is_batch_fault(reason) is expected
