"""Attempts of a batch's Spark job that race: one counts, for everyone."""

import json
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import pytest

from landfall_dags.election import attempt_uri, elected_uri, stand
from landfall_dags.errors import TerminalError
from landfall_dags.pipeline import Pipeline
from tests.composer_dags.turns import claimed
from tests.composer_dags.worlds import MemoryWorld, World

FOLDER = "gs://lake/d/0"


def accept(text: str, uri: str) -> None:
    assert uri.endswith("/metrics.json")
    if text == "wrong":
        raise TerminalError(uri)


def test_the_first_that_stands_is_elected_for_ever(world: World) -> None:
    for job in ("first", "second"):
        world.put(attempt_uri(FOLDER, job), job.encode())
    stand(world.store, FOLDER, "second", accept)
    stand(world.store, FOLDER, "first", accept)
    assert world.content(elected_uri(FOLDER)) == b"second"


def test_of_many_that_stand_at_once_one_is_elected(world: World) -> None:
    jobs = [f"job-{number}" for number in range(8)]
    for job in jobs:
        world.put(attempt_uri(FOLDER, job), job.encode())
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda job: stand(world.store, FOLDER, job, accept), jobs))
    assert world.content(elected_uri(FOLDER)).decode() in jobs
    assert len([uri for uri in world.uris("lake") if uri == elected_uri(FOLDER)]) == 1


def test_metrics_that_are_wrong_are_never_elected(world: World) -> None:
    world.put(attempt_uri(FOLDER, "bad"), b"wrong")
    with pytest.raises(TerminalError, match=r"attempts/bad/metrics\.json"):
        stand(world.store, FOLDER, "bad", accept)
    stand(world.store, FOLDER, "none", accept)
    assert elected_uri(FOLDER) not in world.uris("lake")


@pytest.fixture
def batch(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> tuple[MemoryWorld, dict[str, Any]]:
    """A claimed batch of one file, and the buckets that check_metrics sees."""
    from landfall_dags import tasks

    memory = MemoryWorld()
    memory.put("gs://landing/price_quote/a.csv", b"id\n1\n")
    manifest = claimed(memory.store, pipeline)
    monkeypatch.setattr(tasks.store, "connect", lambda: memory.store)
    folder = f"gs://lake/price_quote/{manifest.entry.batch_id}"
    return memory, {"batch_id": manifest.entry.batch_id, "folder_uri": folder}


def put_attempt(world: MemoryWorld, batch: dict[str, Any], job: str, accepted: int) -> str:
    """What a job writes of two rows in the batch's file; returns its output."""
    output = f"{batch['folder_uri']}/attempts/{job}"
    (source,) = json.loads(world.content(f"{batch['folder_uri']}/manifest.json"))["files"]
    counts = {"rows_read": 2, "rows_accepted": accepted, "rows_rejected": 0}
    file = {"state": "loaded", "reason": None, "detail": None, "missing_columns": [], "unknown_columns": []}
    document = {
        "version": 2,
        "dataset": "price_quote",
        "batch_id": batch["batch_id"],
        "output": output,
        **counts,
        "quality": [],
        "new_columns": [],
        "token_key": None,
        "files": [file | counts | {"uri": source["uri"], "generation": source["generation"]}],
    }
    world.put(f"{output}/metrics.json", json.dumps(document).encode())
    return output


def test_the_load_reads_the_elected_attempt_whoever_comes_later(
    batch: tuple[MemoryWorld, dict[str, Any]],
) -> None:
    from landfall_dags import tasks

    world, names = batch
    first, _ = (put_attempt(world, names, job, 2) for job in ("job-1", "job-2"))
    for job in ("job-1", "job-2", None):
        assert tasks.check_metrics(names, job)["output"] == first


def test_metrics_that_do_not_agree_are_the_batchs_fault_and_another_attempt_may_do_better(
    batch: tuple[MemoryWorld, dict[str, Any]],
) -> None:
    from airflow.sdk.exceptions import AirflowFailException

    from landfall_dags import tasks, traces

    world, names = batch
    put_attempt(world, names, "job-1", 1)
    with pytest.raises(AirflowFailException, match="expected rows read = accepted") as raised:
        tasks.check_metrics(names, "job-1")
    pushed: dict[str, Any] = {}
    ti = SimpleNamespace(xcom_push=pushed.__setitem__)
    traces.remember_failure({"ti": ti, "exception": raised.value})
    assert pushed["blame"] == {"fault": "batch", "suspects": []}
    second = put_attempt(world, names, "job-2", 2)
    assert tasks.check_metrics(names, "job-2")["output"] == second
