"""What the function and a sender of replays are answered."""

from pathlib import Path
from typing import Any

import pytest

from localcloud.metadata.airflow_token import read_expiry
from tests.chaos.fast.api import Api, make_token
from tests.chaos.fast.state import State

ASKED = {"logical_date": None, "dag_run_id": "d__1", "run_after": "2026-01-01T00:00:02+00:00", "note": "n"}


@pytest.fixture
def states(tmp_path: Path) -> list[State]:
    return [State(tmp_path / f"executor-{number}.sqlite") for number in (1, 2)]


def test_a_run_is_queued_once_with_every_executor(tmp_path: Path, states: list[State]) -> None:
    api = Api(tmp_path, ["ingest_d"])
    assert [api.ask_for_run("ingest_d", ASKED)[0] for _ in range(2)] == [200, 409]
    for state in states:
        (run,) = state.runs("queued")
        assert (run.dag_id, run.run_id, run.run_after.isoformat()) == (
            "ingest_d",
            ASKED["dag_run_id"],
            ASKED["run_after"],
        )


@pytest.mark.parametrize(
    ("dag_id", "body", "status"),
    [
        ("ingest_other", ASKED, 404),
        ("ingest_d", {"dag_run_id": "d__1"}, 422),
        ("ingest_d", ASKED | {"dag_run_id": "d 1"}, 422),
        ("ingest_d", ASKED | {"run_after": "soon"}, 422),
        ("ingest_d", [], 422),
    ],
)
def test_what_airflow_refuses_is_refused(
    tmp_path: Path, states: list[State], dag_id: str, body: Any, status: int
) -> None:
    assert Api(tmp_path, ["ingest_d"]).ask_for_run(dag_id, body)[0] == status
    assert states[0].runs() == []


def test_a_run_that_no_executor_would_have_is_to_be_asked_for_again(tmp_path: Path) -> None:
    assert Api(tmp_path, ["ingest_d"]).ask_for_run("ingest_d", ASKED)[0] == 503


def test_the_token_is_one_that_the_metadata_server_takes() -> None:
    assert read_expiry(make_token()) > 0
