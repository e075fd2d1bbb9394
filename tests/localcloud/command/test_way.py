from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from localcloud.command import way
from localcloud.command.journal import OpenBatch
from localcloud.command.way import Way

LANDED = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
URI = "gs://landing/price_quote/a.csv"
BATCH = OpenBatch("price_quote", "ab" * 16, "run_1", LANDED + timedelta(seconds=3), frozenset({(URI, 7)}))


def moment(seconds: float) -> str:
    return (LANDED + timedelta(seconds=seconds)).isoformat()


def followed() -> Way:
    return Way("a.csv", "price_quote", URI, 7, LANDED)


def run(name: str, state: str, end: float | None = None, after: float = 2) -> dict[str, Any]:
    return {
        "dag_run_id": name,
        "state": state,
        "queued_at": moment(1),
        "run_after": moment(after),
        "end_date": None if end is None else moment(end),
    }


def task(name: str, state: str, end: float | None = None, try_number: int = 1) -> dict[str, Any]:
    end_date = None if end is None else moment(end)
    return {"task_id": name, "state": state, "end_date": end_date, "duration": 2.0, "try_number": try_number}


def test_each_step_is_noted_when_it_is_first_seen_done() -> None:
    one = followed()
    way.see_delivery(one, [{"state": "delivered", "delivered_at": moment(0.5), "attempts": 1}])
    way.see_run(one, run("run_1", "running"))
    way.see_batch(one, [BATCH])
    way.see_tasks(one, [task("create_cluster", "success", 5), task("csv_to_parquet", "running")])
    assert {step: one.seconds(step) for step in one.reached} == {
        "landed": 0,
        "event delivered": 0.5,
        "run asked for": 1,
        "claimed": 3,
        "cluster": 5,
    }
    assert one.next_step() == "Spark"
    assert one.now == "csv_to_parquet runs"


def test_where_events_cannot_be_seen_a_file_is_waited_for_from_its_run_on() -> None:
    one = Way("a.csv", "price_quote", URI, 7, LANDED, sees_event=False)
    assert one.next_step() == "run asked for"
    assert one.steps == tuple(step for step in followed().steps if step != "event delivered")


def test_loading_is_done_with_the_later_of_its_two_loads() -> None:
    one = followed()
    way.see_batch(one, [BATCH])
    way.see_tasks(one, [task("load_raw", "success", 8), task("load_rejected", "running")])
    assert "loaded" not in one.reached
    way.see_tasks(one, [task("load_raw", "success", 8), task("load_rejected", "skipped", 9)])
    assert one.seconds("loaded") == 9


def test_another_generation_of_the_same_name_is_another_file() -> None:
    one = Way("a.csv", "price_quote", URI, 8, LANDED)
    way.see_batch(one, [BATCH])
    assert "claimed" not in one.reached


def test_a_refused_event_is_told() -> None:
    one = followed()
    way.see_delivery(one, [{"state": "pending", "attempts": 3, "last_status": 503, "last_error": "busy"}])
    assert one.now == "event refused 3 times, last with 503"
    assert one.next_step() == "event delivered"


def test_before_the_claim_the_run_is_the_first_one_due_after_the_landing() -> None:
    one = followed()
    old, first, later = (
        run("old", "running", after=-1),
        run("run_1", "queued"),
        run("run_2", "queued", after=4),
    )
    assert way.choose_run(one, [later, first, old]) == first
    assert way.choose_run(one, [old]) is None


def test_after_the_claim_it_is_the_running_one_else_the_claiming_one() -> None:
    one = followed()
    later = run("run_2", "queued", after=4)
    way.see_batch(one, [BATCH])
    finishing = run("run_3", "running")
    assert way.choose_run(one, [finishing, run("run_1", "failed", 9)]) == finishing
    assert way.choose_run(one, [later, run("run_1", "failed", 9)]) == run("run_1", "failed", 9)


def test_a_failed_run_is_final_only_when_no_other_is_coming() -> None:
    one = followed()
    failed = run("run_1", "failed", 9)
    assert not way.is_lost(one, [failed])
    way.see_batch(one, [BATCH])
    assert way.is_lost(one, [failed])
    assert not way.is_lost(one, [run("run_2", "queued"), failed])


AGAIN = Way("a.csv", "price_quote", URI, 7, LANDED, f"{URI}#7")
REPLAY = replace(BATCH, replay=f"{URI}#7")


def asked(name: str, state: str, replay: str | None = AGAIN.replay, queued: float = 1) -> dict[str, Any]:
    end = 9 if state in ("success", "failed") else None
    return run(name, state, end) | {
        "queued_at": moment(queued),
        "conf": {"replay": replay} if replay else None,
    }


def test_a_replay_begins_when_it_is_asked_for() -> None:
    one = replace(AGAIN, reached={})
    assert one.next_step() == "run asked for"
    way.see_run(one, asked("run_1", "running"))
    way.see_batch(one, [REPLAY])
    assert {step: one.seconds(step) for step in one.reached} == {"run asked for": 1, "claimed": 3}


@pytest.mark.parametrize(
    "other", [BATCH, replace(REPLAY, replay="ab" * 16), replace(REPLAY, claimed_at=LANDED)]
)
def test_another_batch_with_the_same_file_is_not_the_replay(other: OpenBatch) -> None:
    one = replace(AGAIN, reached={}, began_at=LANDED + timedelta(seconds=1))
    way.see_batch(one, [other])
    assert one.batch is None


def test_the_run_of_a_replay_is_the_newest_that_was_asked_for_it() -> None:
    other, before = asked("other", "running", replay=None), asked("before", "failed", queued=-5)
    first, second = asked("first", "success"), asked("second", "queued")
    assert way.choose_run(AGAIN, [other, second, first, before]) == second
    assert way.choose_run(AGAIN, [other, before]) is None


def test_a_replay_that_fails_before_its_claim_is_lost() -> None:
    assert way.is_lost(AGAIN, [asked("first", "failed")])
    assert not way.is_lost(AGAIN, [asked("second", "queued"), asked("first", "failed")])
    assert not way.is_lost(AGAIN, [asked("first", "success"), asked("other", "failed", replay=None)])


def test_a_task_that_waits_for_another_try_is_told() -> None:
    one = followed()
    way.see_batch(one, [BATCH])
    way.see_tasks(one, [task("csv_to_parquet", "up_for_retry", 6, try_number=2)])
    assert one.now == "csv_to_parquet waits to be tried again, try 2"


def test_a_batch_that_failed_says_when_it_is_tried_again() -> None:
    one = followed()
    way.see_batch(one, [replace(BATCH, failures=2, retry_at=LANDED + timedelta(minutes=2))])
    way.see_tasks(one, [task("create_cluster", "running")])
    assert one.now == f"failed 2 times; tried again at {LANDED.astimezone() + timedelta(minutes=2):%H:%M:%S}"
    way.see_batch(one, [BATCH])
    way.see_tasks(one, [task("create_cluster", "running")])
    assert one.now == "create_cluster runs"


def test_a_file_is_followed_into_the_part_that_has_it() -> None:
    one = followed()
    way.see_batch(one, [BATCH])
    other = replace(BATCH, batch_id="cd" * 16, files=frozenset({("gs://landing/price_quote/b.csv", 8)}))
    part = replace(BATCH, batch_id="ef" * 16)
    way.see_batch(one, [other, part])
    assert one.batch == part
    assert one.seconds("claimed") == 3


def ended(name: str, state: str, seconds: float) -> dict[str, Any]:
    return {
        "task": name,
        "state": state,
        "finished_at": LANDED + timedelta(seconds=seconds),
        "seconds": 2.0,
        "resource": None,
    }


def test_the_steps_of_the_ledger_are_those_of_the_way() -> None:
    one = followed()
    steps = [
        ended("claim_batch", "success", 3),
        ended("create_cluster", "success", 5),
        ended("load_raw", "success", 9),
        ended("load_rejected", "success", 8),
        ended("call_trusted", "failed", 11),
    ]
    way.see_steps(one, steps)
    assert {step: one.seconds(step) for step in one.reached} == {"landed": 0, "cluster": 5, "loaded": 9}
    assert way.find_stop(steps) == "trusted"
    assert way.find_stop(steps[:-1]) is None
    half = followed()
    way.see_steps(half, [ended("load_raw", "success", 9), ended("load_rejected", "failed", 8)])
    assert list(half.reached) == ["landed"]


@pytest.mark.parametrize(
    ("failed", "stop"),
    [
        (["csv_to_parquet"], "Spark"),
        (["check_metrics"], "loaded"),
        (["record_batch"], "recorded"),
        # Its end is nobody's way.
        (["delete_cluster"], None),
        (["load_raw", "csv_to_parquet"], "Spark"),
    ],
)
def test_a_way_stops_at_the_first_step_that_failed(failed: list[str], stop: str | None) -> None:
    assert way.find_stop([ended(name, "failed", 1) for name in failed]) == stop


def test_what_nobody_told_of_is_not_waited_for_once_something_later_is_seen() -> None:
    one = followed()
    way.see_batch(one, [BATCH])
    assert one.next_step() == "cluster"
