"""What a job that fails says of the files that it was at."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from pyspark.taskcontext import TaskContext

from landfall_spark import failures, job, packing, storage
from landfall_spark.errors import JobError, SurroundingsError, TaskError
from landfall_spark.manifest import SourceFile, parse_manifest
from tests.spark_jobs.batches import Batch, Place, stage

PIPELINE: dict[str, Any] = json.loads(
    (Path(__file__).with_name("cases") / "required" / "pipeline.json").read_text()
)
FILES = dict.fromkeys(("a.csv", "b.csv", "c.csv"), b"id,n,day,note\n1,1,2020-01-01,x\n")


class InThisProcess:
    """As much of Spark as maps: each item once or, where it fails, once more."""

    sparkContext = property(lambda self: self)  # noqa: N815 - PySpark's name

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._patch = monkeypatch

    def broadcast(self, value: Any) -> Any:
        return SimpleNamespace(value=value, destroy=lambda: None)

    def parallelize(self, items: list[Any], _: int) -> Any:
        def collect(work: Callable[[Any], Any]) -> list[Any]:
            return [self._attempt(work, item) for item in items]

        return SimpleNamespace(map=lambda work: SimpleNamespace(collect=lambda: collect(work)))

    def _attempt(self, work: Callable[[Any], Any], item: Any) -> Any:
        for number in range(2):
            context = SimpleNamespace(attemptNumber=lambda number=number: number)
            self._patch.setattr(TaskContext, "get", lambda context=context: context)
            try:
                return work(item)
            except TaskError as problem:
                last = problem
        # Spark hands on the text of a worker's error, and neither its type nor what it carries.
        raise RuntimeError(str(last))


@pytest.fixture
def batch(place: Place, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Batch:
    """A batch of three files, a task each."""
    monkeypatch.setattr(packing, "TASK_BYTES", 1)
    return stage(place, PIPELINE, FILES, request.node.name)


def run(batch: Batch, monkeypatch: pytest.MonkeyPatch, **fails: Exception) -> dict[str, Any] | None:
    """Run the job; reading a file fails as told. Returns its failure.json, None where there is none."""
    read = storage.read_range

    def read_or_fail(uri: str, *bounds: Any) -> Any:
        if (problem := fails.get(Path(uri).stem)) is not None:
            raise problem
        return read(uri, *bounds)

    monkeypatch.setattr(storage, "read_range", read_or_fail)
    session: Any = InThisProcess(monkeypatch)
    if fails:
        with pytest.raises(RuntimeError, match="expected to read and write its rows"):
            job.run(session, batch.manifest, batch.pipeline, batch.output, lambda _: pytest.fail())
    else:
        job.run(session, batch.manifest, batch.pipeline, batch.output, lambda _: pytest.fail())
    return report(batch)


def report(batch: Batch) -> dict[str, Any] | None:
    written = batch.place.path(batch.output) / "failure.json"
    return json.loads(written.read_text()) if written.exists() else None


def manifest_files(batch: Batch) -> tuple[SourceFile, ...]:
    text = batch.place.path(batch.manifest).read_text()
    return parse_manifest(text, batch.manifest).files


def named(batch: Batch, *names: str) -> list[dict[str, Any]]:
    files = manifest_files(batch)
    return [{"uri": file.uri, "generation": file.generation} for file in files if file.uri.endswith(names)]


def test_a_file_that_makes_its_task_fail_is_named(batch: Batch, monkeypatch: pytest.MonkeyPatch) -> None:
    found = run(batch, monkeypatch, b=ValueError("Jane Doe"))
    assert found is not None
    assert (found["fault"], found["files"]) == ("batch", named(batch, "b.csv"))
    assert "found ValueError" in found["error"]
    assert "Jane" not in json.dumps(found)


def test_storage_that_fails_blames_no_file(batch: Batch, monkeypatch: pytest.MonkeyPatch) -> None:
    found = run(batch, monkeypatch, b=ConnectionError())
    assert found is not None
    assert (found["fault"], found["files"]) == ("surroundings", [])


def test_a_file_at_fault_counts_for_more_than_an_outage(
    batch: Batch, monkeypatch: pytest.MonkeyPatch
) -> None:
    failures_folder = batch.place.path(batch.output) / failures.FOLDER
    failures_folder.mkdir(parents=True)
    for name, fault in (("task-1", "surroundings"), ("task-2", "batch")):
        note = {"fault": fault, "files": named(batch, "c.csv") if fault == "batch" else [], "error": name}
        (failures_folder / f"{name}.json").write_text(json.dumps(note))
    failures.report(batch.output, RuntimeError("of Spark"))
    assert report(batch) == {"fault": "batch", "files": named(batch, "c.csv"), "error": "task-2"}


def test_a_task_that_is_tried_again_notes_its_files_first_and_forgets_them_when_it_succeeds(
    batch: Batch, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = manifest_files(batch)[:2]
    note = batch.place.path(batch.output) / failures.FOLDER / "task-00000.json"
    for number, is_noted in ((0, False), (1, True)):
        context = SimpleNamespace(attemptNumber=lambda number=number: number)
        monkeypatch.setattr(TaskContext, "get", lambda context=context: context)
        with failures.noted(batch.output, "task-00000", files):
            assert note.exists() is is_noted
            if is_noted:
                assert json.loads(note.read_text())["files"] == named(batch, "a.csv", "b.csv")
    assert not note.exists()


def test_a_job_that_succeeds_leaves_no_word_of_an_earlier_one(
    batch: Batch, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        assert run(batch, patch, a=ValueError()) is not None
    assert run(batch, monkeypatch) is None
    assert sorted(path.name for path in batch.place.path(batch.output).iterdir()) == [
        "accepted",
        "metrics.json",
    ]


def test_an_original_that_is_missing_is_named(batch: Batch, monkeypatch: pytest.MonkeyPatch) -> None:
    batch.place.path(manifest_files(batch)[2].archive_uri).unlink()
    with pytest.raises(JobError, match="expected the archived file"):
        batch.run()
    found = report(batch)
    assert found is not None
    assert (found["fault"], found["files"]) == ("batch", named(batch, "c.csv"))


def test_a_key_that_is_withheld_blames_no_file(place: Place) -> None:
    pipeline = {**PIPELINE, "columns": [dict(one) for one in PIPELINE["columns"]]}
    pipeline["columns"][-1]["protection"] = {"method": "tokenise"}
    batch = stage(place, pipeline, FILES, "withheld")

    def withhold(_: str) -> Any:
        raise SurroundingsError("the key is withheld")

    with pytest.raises(SurroundingsError):
        job.run(place.session, batch.manifest, batch.pipeline, batch.output, withhold)
    assert report(batch) == {"fault": "surroundings", "files": [], "error": "the key is withheld"}


def test_a_worker_of_spark_leaves_its_word_where_the_driver_finds_it(
    batch: Batch, monkeypatch: pytest.MonkeyPatch
) -> None:
    inspect = job._inspect_files

    def inspect_and_lose(*arguments: Any) -> Any:
        found = inspect(*arguments)
        batch.place.path(manifest_files(batch)[1].archive_uri).unlink()
        return found

    monkeypatch.setattr(job, "_inspect_files", inspect_and_lose)
    with pytest.raises(Exception, match="found FileNotFoundError"):
        batch.run()
    found = report(batch)
    assert found is not None
    assert (found["fault"], found["files"]) == ("batch", named(batch, "b.csv"))
