"""How a batch is divided into tasks, and what only all its rows show: repeated keys and quality rules."""

from __future__ import annotations

import gzip
import hashlib
import hmac
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from landfall_spark import packing, survey, task
from landfall_spark.errors import ManifestError, TaskError
from landfall_spark.header import Layout
from landfall_spark.manifest import parse_manifest
from landfall_spark.pipeline import parse_pipeline
from landfall_spark.survey import Split
from landfall_spark.task import Batch, Task
from tests.spark_jobs.batches import TOKEN_KEY, Outcome, Place, stage

COLUMNS: list[dict[str, Any]] = [
    {"name": "id", "type": "STRING", "required": True},
    {"name": "n", "type": "INT64", "required": False},
]
PIPELINE: dict[str, Any] = {
    "version": 2,
    "dataset": "orders",
    "format": {
        "type": "csv",
        "delimiter": ",",
        "quote": '"',
        "encoding": "UTF-8",
        "header": True,
        "null_tokens": [""],
        "unknown_columns": "reject",
        "max_text_bytes": 1 << 30,
    },
    "columns": COLUMNS,
    "key": ["id"],
    "duplicate_keys": "keep_last",
}


@pytest.fixture
def many_tasks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ranges and tasks of a kilobyte; both are decided on the driver."""
    monkeypatch.setattr(survey, "RANGE_BYTES", 1000)
    monkeypatch.setattr(packing, "TASK_BYTES", 1000)


def _parts(outcome: Outcome, kind: str) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (outcome.folder / kind).glob("*")}


def _rejected(outcome: Outcome) -> list[tuple[str, int, list[str]]]:
    return [
        (
            row["source_uri"].rpartition("/")[2],
            row["source_row"],
            [reason["code"] for reason in row["reasons"]],
        )
        for row in outcome.rejected()
    ]


def test_a_large_file_in_many_tasks_is_the_file_in_one(
    place: Place, many_tasks: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    line_breaks = '"' + "line\n" * 150 + '"'
    rows = [f"{line_breaks if number % 40 == 7 else number},{number}\n" for number in range(600)]
    rows[300] = "torn\n"
    files = {"a.csv": ("id,n\n" + "".join(rows)).encode(), "b.csv": b"id,n\nlast,1\n"}
    in_many = stage(place, PIPELINE, files, "in many").run()
    monkeypatch.undo()
    in_one = stage(place, PIPELINE, files, "in one").run()

    assert [len(_parts(outcome, "accepted")) > 5 for outcome in (in_many, in_one)] == [True, False]
    assert len(_parts(in_many, "rejected")) == 1
    lineage = {"_batch_id", "batch_id"}
    for found, expected in (
        (in_many.accepted(), in_one.accepted()),
        (in_many.rejected(), in_one.rejected()),
    ):
        assert [{name: row[name] for name in row.keys() - lineage} for row in found] == [
            {name: row[name] for name in row.keys() - lineage} for row in expected
        ]
    assert in_many.metrics["files"] == in_one.metrics["files"]
    assert [file["rows_read"] for file in in_many.metrics["files"]] == [600, 1]


def test_running_again_writes_the_same_bytes(place: Place, many_tasks: None) -> None:
    content = b"id,n\n" + b"".join(b"%d,%d\n" % (number % 900, number) for number in range(1000)) + b"x\n"
    batch = stage(place, {**PIPELINE, "duplicate_keys": "reject"}, {"a.csv": content}, "same bytes")
    first = batch.run()
    written = _parts(first, "accepted"), _parts(first, "rejected")
    second = batch.run()
    assert (_parts(second, "accepted"), _parts(second, "rejected")) == written


def test_the_first_row_of_a_key_in_a_file_stays(place: Place, many_tasks: None) -> None:
    rows = [f"{number % 250},{number}" for number in range(500)]
    rows[0] = "0,x"
    files = {"a.csv": ("id,n\n" + "\n".join(rows)).encode(), "b.csv": b"id,n\n1,1\n2,2\n1,3\n"}
    outcome = stage(place, {**PIPELINE, "duplicate_keys": "reject"}, files, "repeated").run()

    # Row 1 is rejected for its type, so that row 251 is the first of its key.
    assert [(row["_source_row"], row["id"]) for row in outcome.accepted()][:250] == [
        *((number + 1, str(number)) for number in range(1, 250)),
        (251, "0"),
    ]
    assert _rejected(outcome) == [
        ("a.csv", 1, ["bad_type"]),
        *(("a.csv", number, ["duplicate_key_in_file"]) for number in range(252, 501)),
        ("b.csv", 3, ["duplicate_key_in_file"]),
    ]
    last = outcome.rejected()[-1]
    assert last["raw"] == "1,3"
    assert last["reasons"][0]["detail"] == "expected each key once in a file, found that of row 1 again"
    assert outcome.metrics["rejected_rows_by_reason"] == {"bad_type": 1, "duplicate_key_in_file": 250}
    assert not (outcome.folder / "repeats").exists()


def test_a_file_that_breaks_off_leaves_its_neighbours_whole(place: Place) -> None:
    whole = gzip.compress(b"id,n\n" + b"".join(b"%d,1\n" % number for number in range(60_000)))
    files = {"a.csv": b"id,n\na,1\n", "b.csv.gz": whole[:-20_000], "c.csv": b"id,n\nc,1\nc,x\n"}
    # More than a head, so that the end shows only in the task.
    assert len(files["b.csv.gz"]) > 64 * 1024
    outcome = stage(place, PIPELINE, files, "breaks off").run()
    assert [(row["id"], row["_source_row"]) for row in outcome.accepted()] == [("a", 1), ("c", 1)]
    assert _rejected(outcome) == [("c.csv", 2, ["bad_type"])]
    assert [(file["state"], file["reason"], file["rows_read"]) for file in outcome.metrics["files"]] == [
        ("loaded", None, 1),
        ("rejected", "unreadable", 0),
        ("loaded", None, 2),
    ]


def test_quality_is_measured_on_the_rows_that_are_accepted(place: Place, many_tasks: None) -> None:
    rules = [
        {"rule": "enough", "metric": "rowCount", "columns": [], "operator": "mustBe", "threshold": [300]},
        {"rule": "filled", "metric": "nullValues", "columns": ["n"], "unit": "percent"},
        {"rule": "known", "metric": "invalidValues", "columns": ["id"], "pattern": "[0-9]+"},
        {"rule": "unique", "metric": "duplicateValues", "columns": ["n"]},
        {"rule": "unique rows", "metric": "duplicateValues", "columns": ["id", "n"]},
    ]
    defaults = {"operator": "mustBe", "threshold": [0], "unit": "rows", "severity": "warn"}
    rows = [f"{number},{number % 100 or ''}" for number in range(300)] + ["x,7", "x,7", "1,none"]
    content = ("id,n\n" + "\n".join(rows)).encode()
    pipeline = {**PIPELINE, "duplicate_keys": "reject", "quality": [{**defaults, **rule} for rule in rules]}
    outcome = stage(place, pipeline, {"a.csv": content}, "quality").run()
    assert [(rule["rule"], rule["found"], rule["total"]) for rule in outcome.metrics["quality"]] == [
        ("enough", 301, 301),
        ("filled", 100 * 3 / 301, 301),
        ("known", 1, 301),
        ("unique", 199, 301),
        ("unique rows", 0, 301),
    ]
    assert [rule["passed"] for rule in outcome.metrics["quality"]] == [False, False, False, False, True]


def test_a_batch_without_rows_answers_its_rules(place: Place) -> None:
    rule = {
        "rule": "unique",
        "metric": "duplicateValues",
        "columns": ["n"],
        "operator": "mustBe",
        "threshold": [0],
        "severity": "fail",
    }
    pipeline = {**PIPELINE, "duplicate_keys": "reject", "quality": [rule]}
    outcome = stage(place, pipeline, {"a.csv": b""}, "no rows").run()
    assert [(rule["found"], rule["total"], rule["passed"]) for rule in outcome.metrics["quality"]] == [
        (0, 0, True)
    ]


def _tokenising() -> dict[str, Any]:
    protected = {"name": "id", "type": "STRING", "required": True, "protection": {"method": "tokenise"}}
    return {**PIPELINE, "columns": [protected, COLUMNS[1]]}


def test_tokens_are_made_with_the_key_of_the_manifest(place: Place) -> None:
    outcome = stage(place, _tokenising(), {"a.csv": b"id,n\nJane,1\n"}, "tokens").run()
    token = hmac.new(TOKEN_KEY, b"Jane", hashlib.sha256).hexdigest()
    assert [row["id"] for row in outcome.accepted()] == [token]
    assert outcome.metrics["token_key"] == "projects/test/secrets/token-key/versions/1"
    written = b"".join(path.read_bytes() for path in outcome.folder.rglob("*.*"))
    assert TOKEN_KEY not in written


def test_a_contract_that_tokenises_needs_a_key(place: Place) -> None:
    batch = stage(place, _tokenising(), {"a.csv": b"id,n\nJane,1\n"}, "no key")
    path = place.path(batch.manifest)
    path.write_text(json.dumps({**json.loads(path.read_text()), "token_key": None}))
    with pytest.raises(ManifestError, match=r"manifest\.json: token_key: expected the version of a secret"):
        batch.run()


def test_an_error_in_a_task_says_where_and_nothing_of_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise pa.ArrowInvalid("cannot cast Jane Doe")

    source = tmp_path / "a.csv"
    source.write_bytes(b"id,n\nJane Doe,1\n")
    entry = {
        "uri": "gs://landing/orders/a.csv",
        "generation": 7,
        "size": 16,
        "created_at": "2026-11-21T00:00:00Z",
        "archive_uri": f"file://{source}",
    }
    manifest = {
        "version": 2,
        "dataset": "orders",
        "batch_id": "0",
        "claimed_at": "2026-11-21T00:00:00Z",
        "files": [entry],
    }
    batch = Batch(
        parse_manifest(json.dumps(manifest), "manifest.json"),
        parse_pipeline(json.dumps(PIPELINE), "pipeline.json"),
        f"file://{tmp_path}/0",
        {0: Layout(2, (0, 1), (), ())},
        {},
    )
    monkeypatch.setattr(task, "judge", fail)
    with pytest.raises(TaskError) as caught:
        task.run(Task(0, (Split(0, 0, None, 1, 5),)), batch, None)
    assert str(caught.value).startswith(
        "gs://landing/orders/a.csv#7, from row 1: expected to read and write its rows, found ArrowInvalid ("
    )
    assert "Jane" not in str(caught.value)
    assert caught.value.__suppress_context__
