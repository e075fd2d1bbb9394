"""What the sweep and the end of a run ask for, and what the sweep says of what is stuck."""

import json
import logging
import re
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from landfall_dags.identity import SourceFile, timestamp
from landfall_dags.journal import Journal, Open, journal_text, open_entry
from landfall_dags.pipeline import Pipeline
from landfall_dags.settings import Settings
from landfall_dags.sweep_report import Found, stuck_lines
from tests.composer_dags.worlds import MemoryWorld

NOW = datetime(2025, 11, 21, 1, 30, 30, tzinfo=UTC)
WINDOW = "price_quote__2025-11-21T01:31:00Z"
LATER = "price_quote__2025-11-21T01:41:00Z"
FILE = SourceFile("gs://landing/price_quote/a.csv", 7, 5, "AAAAAA==", None, timestamp(NOW))


class TaskInstance:
    """Airflow's answers: the runs of the dataset by id and state, and what became of the run's claim."""

    dag_id, run_id = "ingest_price_quote", "run-2"

    def __init__(self, runs: Iterable[tuple[str, str]] = (), claim: str = "success") -> None:
        self.runs, self.claim = list(runs), claim

    def get_dr_count(self, dag_id: str, states: list[str], run_ids: list[str] | None = None) -> int:
        assert dag_id == self.dag_id
        return sum(state in states and (run_ids is None or run in run_ids) for run, state in self.runs)

    def get_task_breadcrumbs(self, dag_id: str, run_id: str) -> list[dict[str, Any]]:
        assert (dag_id, run_id) == (self.dag_id, self.run_id)
        return [{"task_id": "claim_batch", "state": self.claim}]


@pytest.fixture
def world() -> MemoryWorld:
    return MemoryWorld()


@pytest.fixture
def sweep(world: MemoryWorld, monkeypatch: pytest.MonkeyPatch) -> Any:
    from landfall_dags import store, sweep

    monkeypatch.setattr(store, "connect", lambda: world.store)
    monkeypatch.setattr(sweep, "_now", lambda: NOW)
    return sweep


def put_pending(world: MemoryWorld, age: timedelta, files: int = 1) -> None:
    """Pending files that were created `age` ago; memory's generations lie in one second otherwise."""
    listed = world.memory.list
    created_at = timestamp(NOW - age)
    for number in range(files):
        world.put(f"gs://landing/price_quote/{number:03}.csv", b"id\n")

    def aged(bucket: str, prefix: str) -> Any:
        return (replace(file, created_at=created_at) for file in listed(bucket, prefix))

    world.memory.list = aged  # type: ignore[method-assign]


def put_journal(
    world: MemoryWorld,
    retry_in: timedelta | None = None,
    not_before_in: timedelta | None = None,
    claimed: timedelta = timedelta(0),
) -> str:
    """An open batch, in work or waiting; returns its id."""

    def later(wait: timedelta | None) -> str | None:
        return None if wait is None else timestamp(NOW + wait)

    entry = open_entry("price_quote", [FILE], "run-1", "1.0.0", timestamp(NOW - claimed))
    journal = Journal("price_quote", (Open(entry, 1, "run-1", later(retry_in)),), 1, later(not_before_in))
    world.put("gs://lake/journal/price_quote/open.json", journal_text(journal).encode())
    return entry.batch_id


def swept(sweep: Any, settings: Settings, pipeline: Pipeline, *runs: tuple[str, str]) -> Any:
    return sweep.find_left_behind(settings, [pipeline], {"ti": TaskInstance(runs)})


ASKED = {
    "trigger_dag_id": "ingest_price_quote",
    "trigger_run_id": WINDOW,
    "run_after": "2025-11-21T01:31:05+00:00",
}


@pytest.mark.parametrize(
    ("age", "runs", "asked"),
    [
        (126, [], True),
        (124, [], False),
        (18000, [("by hand", "running")], False),
        (18000, [(WINDOW, "queued")], False),
        (18000, [(LATER, "queued")], True),
        (18000, [(WINDOW, "failed"), (WINDOW, "success")], True),
    ],
)
def test_the_sweep_asks_for_what_no_run_is_about_to_take(
    sweep: Any,
    world: MemoryWorld,
    pipeline: Pipeline,
    settings: Settings,
    age: int,
    runs: list[tuple[str, str]],
    asked: bool,
) -> None:
    put_pending(world, timedelta(seconds=age))
    assert swept(sweep, settings, pipeline, *runs) == ([ASKED] if asked else [])


@pytest.mark.parametrize(
    ("retry_in", "not_before_in", "asked"),
    [(None, None, True), (None, 60, False), (-1, None, True), (60, None, False), (-1, 60, False)],
)
def test_the_sweep_asks_for_an_open_batch_when_it_is_due(
    sweep: Any,
    world: MemoryWorld,
    pipeline: Pipeline,
    settings: Settings,
    retry_in: int | None,
    not_before_in: int | None,
    asked: bool,
) -> None:
    retry, not_before = (
        None if seconds is None else timedelta(seconds=seconds) for seconds in (retry_in, not_before_in)
    )
    put_journal(world, retry, not_before)
    assert swept(sweep, settings, pipeline) == ([ASKED] if asked else [])


def test_a_damaged_journal_gets_a_run_that_says_so_and_the_sweep_goes_on(
    sweep: Any, world: MemoryWorld, pipeline: Pipeline, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    world.put("gs://lake/journal/price_quote/open.json", b'{"version": 99}')
    assert swept(sweep, settings, pipeline) == [ASKED]
    assert lines_of(caplog, "landfall.stuck") == [
        {
            "dataset": "price_quote",
            "state": "unreadable",
            "age_seconds": 0,
            "freshness_seconds": 3600,
            "uri": "gs://lake/journal/price_quote/open.json",
        }
    ]


def lines_of(caplog: pytest.LogCaptureFixture, name: str) -> list[dict[str, Any]]:
    messages = [record.getMessage() for record in caplog.records if record.name == name]
    assert all(message.startswith(f"{name} ") for message in messages)
    return [json.loads(message.removeprefix(f"{name} ")) for message in messages]


def test_what_is_older_than_the_contracts_freshness_raises_a_line_that_can_be_matched(
    sweep: Any, world: MemoryWorld, pipeline: Pipeline, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    put_pending(world, timedelta(seconds=3601))
    batch = put_journal(world, retry_in=timedelta(seconds=60), claimed=timedelta(hours=2))
    caplog.set_level(logging.INFO)
    swept(sweep, settings, pipeline)
    shared = {"dataset": "price_quote", "freshness_seconds": 3600}
    (line,) = lines_of(caplog, "landfall.dataset")
    assert (line["stuck"], line["age_seconds"], line["freshness_used"]) == (2, 7200, 2.0)
    uri = "gs://landing/price_quote/000.csv"
    assert lines_of(caplog, "landfall.stuck") == [
        shared | {"batch_id": batch, "age_seconds": 7200, "state": "waiting"},
        shared | {"uri": uri, "age_seconds": 3601, "state": "pending"},
    ]


def test_what_is_fresh_raises_no_line_and_every_sweep_says_what_it_saw(
    sweep: Any, world: MemoryWorld, pipeline: Pipeline, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    put_pending(world, timedelta(seconds=3600))
    put_journal(world)
    swept(sweep, settings, pipeline)
    assert lines_of(caplog, "landfall.stuck") == []
    counts = {"pending": 1, "open": 1, "waiting": 0, "stuck": 0, "asked": True}
    ages = {"age_seconds": 3600, "freshness_seconds": 3600, "freshness_used": 1.0}
    assert lines_of(caplog, "landfall.dataset") == [{"dataset": "price_quote", **counts, **ages}]
    assert lines_of(caplog, "landfall.sweep") == [{"datasets": 1, "asked": 1}]


def test_where_nothing_waits_the_age_is_nought_and_the_sweep_still_comes_to_its_end(
    sweep: Any, pipeline: Pipeline, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    swept(sweep, settings, pipeline)
    (line,) = lines_of(caplog, "landfall.dataset")
    assert (line["pending"], line["age_seconds"], line["freshness_used"]) == (0, 0, 0.0)
    assert lines_of(caplog, "landfall.sweep") == [{"datasets": 1, "asked": 0}]


def test_the_lines_of_a_dataset_are_bounded_and_the_oldest_come_first() -> None:
    files = tuple(
        replace(FILE, generation=number, created_at=timestamp(NOW - timedelta(hours=2, seconds=number)))
        for number in range(30)
    )
    found = Found("d", files, Journal("d"), "gs://lake/journal/d/open.json")
    lines = [json.loads(line.partition(" ")[2]) for line in stuck_lines(found, 60, NOW)]
    assert [line["age_seconds"] for line in lines[:-1]] == list(range(7229, 7209, -1))
    assert lines[-1] == {"dataset": "d", "state": "all", "count": 30}


def test_the_sweep_names_folders_of_no_dataset(
    sweep: Any, world: MemoryWorld, pipeline: Pipeline, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    world.put("gs://landing/prise_quote/a.csv", b"id\n")
    world.put("gs://landing/price_quote/a.csv", b"id\n")
    swept(sweep, settings, pipeline)
    (line,) = [record.getMessage() for record in caplog.records if "ignored" in record.getMessage()]
    assert line.startswith(
        "gs://landing/prise_quote/ is ignored: expected the name of a dataset (price_quote)"
    )


@pytest.fixture
def ask(world: MemoryWorld, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The end of a run: what it asks for."""
    from airflow.sdk.exceptions import DagRunTriggerException

    from landfall_dags import ask_again

    monkeypatch.setattr(ask_again.store, "connect", lambda: world.store)
    monkeypatch.setattr(ask_again, "datetime", SimpleNamespace(now=lambda _: NOW))

    def ask(
        *runs: tuple[str, str],
        postponed: str = "",
        run: str = "run-2",
        claim: str = "success",
        conf: Any = None,
    ) -> Any:
        operator = ask_again.AskAgainOperator(
            task_id="ask_again", dataset="price_quote", settings=settings, postponed=postponed
        )
        ti = TaskInstance(runs, claim)
        with pytest.raises(DagRunTriggerException) as raised:
            operator.execute({"ti": ti, "run_id": run, "dag_run": SimpleNamespace(conf=conf)})
        assert raised.value.trigger_dag_id == "ingest_price_quote"
        assert raised.value.logical_date is None
        assert raised.value.skip_when_already_exists is True
        return raised.value

    return ask


def refused(ask: Any, *runs: tuple[str, str]) -> str:
    from airflow.sdk.exceptions import AirflowSkipException

    with pytest.raises(AirflowSkipException) as raised:
        ask(*runs)
    return str(raised.value)


def test_nothing_is_asked_for_when_nothing_is_left(ask: Any, world: MemoryWorld) -> None:
    world.put("gs://landing/price_quote/a.txt", b"no file of the dataset")
    assert refused(ask, (WINDOW, "running")) == "nothing is open or pending"


def test_what_is_pending_is_asked_for_in_the_next_window_unless_a_run_is_about_to_take_it(
    ask: Any, world: MemoryWorld
) -> None:
    world.put("gs://landing/price_quote/a.csv", b"id\n")
    assert "another run is waiting" in refused(ask, (WINDOW, "running"), (WINDOW, "queued"))
    asked = ask((WINDOW, "running"), (LATER, "queued"))
    assert (asked.dag_run_id, asked.run_after) == (WINDOW, datetime(2025, 11, 21, 1, 31, 5, tzinfo=UTC))


def test_a_failed_batch_is_asked_for_when_it_is_due(ask: Any, world: MemoryWorld) -> None:
    put_journal(world, retry_in=timedelta(minutes=10))
    asked = ask()
    assert (asked.dag_run_id, asked.run_after) == (LATER, datetime(2025, 11, 21, 1, 41, 5, tzinfo=UTC))
    world.put("gs://landing/price_quote/new.csv", b"id\n")
    assert ask((LATER, "queued")).dag_run_id == WINDOW, "new files do not wait for the failed batch"


def test_a_dataset_that_has_to_pause_is_asked_for_after_the_pause(ask: Any, world: MemoryWorld) -> None:
    put_journal(world, not_before_in=timedelta(minutes=10))
    world.put("gs://landing/price_quote/new.csv", b"id\n")
    assert ask().dag_run_id == LATER


def test_a_postponed_replay_is_asked_for_again_whoever_else_waits(ask: Any) -> None:
    runs = ((WINDOW, "queued"),)
    asked, again = (ask(*runs, postponed="ab" * 16, run="run-1") for _ in range(2))
    other = ask(*runs, postponed="ab" * 16, run="run-2")
    assert asked.conf == {"replay": "ab" * 16}
    assert asked.dag_run_id == again.dag_run_id != other.dag_run_id
    assert re.fullmatch(r"price_quote__replay_[0-9a-f]{16}", asked.dag_run_id)


def test_a_replay_that_had_to_wait_is_asked_for_again_when_the_dataset_may_go_on(
    ask: Any, world: MemoryWorld
) -> None:
    put_journal(world, not_before_in=timedelta(minutes=10))
    asked = ask(claim="skipped", conf={"replay": "ab" * 16})
    assert asked.conf == {"replay": "ab" * 16}
    assert asked.run_after == NOW + timedelta(minutes=10)
    assert ask(claim="failed", conf={"replay": "ab" * 16}).conf is None, "one that cannot be is not repeated"
