"""Every case folder: its inputs through the real job, its rows and counts held against what it expects."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.spark_jobs.batches import CLAIMED_AT, CREATED_AT, LINEAGE, Outcome, Place, plain, stage

CASES = sorted(path for path in Path(__file__).with_name("cases").iterdir())
EXPECTED = {"pipeline.json", "expect_accepted.json", "expect_rejected.json", "expect_metrics.json"}


def _inputs(case: Path) -> dict[str, bytes]:
    files = {path.name: path for path in case.iterdir() if path.name not in EXPECTED}
    if set(files) == {"inputs"}:
        files = {path.relative_to(case / "inputs").as_posix(): path for path in case.glob("inputs/**/*.*")}
    elif set(files) != {"input.csv"}:
        raise AssertionError(f"{case}: expected input.csv or inputs/, found {sorted(files)}")
    return {name: path.read_bytes() for name, path in sorted(files.items())}


def _expected(case: Path, name: str) -> Any:
    return json.loads((case / f"expect_{name}.json").read_text())


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_case(case: Path, place: Place) -> None:
    pipeline, inputs = json.loads((case / "pipeline.json").read_text()), _inputs(case)
    outcome = stage(place, pipeline, inputs, f"case {case.name}").run()
    prefix = f"gs://landing/{pipeline['dataset']}/"
    columns = [column["name"] for column in pipeline["columns"]]

    accepted = [
        [row["_source_uri"].removeprefix(prefix), row["_source_row"], *(plain(row[name]) for name in columns)]
        for row in outcome.accepted()
    ]
    assert accepted == _expected(case, "accepted")
    assert _rejected(outcome, prefix) == _expected(case, "rejected")
    assert _metrics(outcome, prefix) == _expected(case, "metrics")
    _check_lineage(outcome, columns)


def _rejected(outcome: Outcome, prefix: str) -> list[dict[str, Any]]:
    rows = outcome.rejected()
    assert all(reason["detail"] for row in rows for reason in row["reasons"])
    return [
        {
            "file": row["source_uri"].removeprefix(prefix),
            "row": row["source_row"],
            "raw": row["raw"],
            "reasons": [[reason["code"], reason["column"], reason["value"]] for reason in row["reasons"]],
        }
        for row in rows
    ]


def _metrics(outcome: Outcome, prefix: str) -> dict[str, Any]:
    metrics = outcome.metrics
    for name in ("rows_read", "rows_accepted", "rows_rejected"):
        assert metrics[name] == sum(file[name] for file in metrics["files"])
    files = {}
    for file in metrics["files"]:
        rows = [file["rows_read"], file["rows_accepted"], file["rows_rejected"]]
        assert rows[0] == rows[1] + rows[2]
        assert (file["reason"] is None) == (file["detail"] is None)
        files[file["uri"].removeprefix(prefix)] = [file["state"], file["reason"], *rows]
    return {"rejected_rows_by_reason": metrics["rejected_rows_by_reason"], "files": files}


def _check_lineage(outcome: Outcome, columns: list[str]) -> None:
    generations = {file["uri"]: file["generation"] for file in outcome.metrics["files"]}
    for row in outcome.accepted():
        assert list(row) == [*columns, *LINEAGE]
        assert row["_batch_id"] == outcome.metrics["batch_id"]
        assert row["_source_generation"] == generations[row["_source_uri"]]
        assert plain(row["_source_created_at"]) == CREATED_AT
        assert plain(row["_ingested_at"]) == CLAIMED_AT
    for row in outcome.rejected():
        assert list(row) == [
            "dataset",
            "batch_id",
            "source_uri",
            "source_generation",
            "source_row",
            "raw",
            "reasons",
            "ingested_at",
        ]
        assert (row["dataset"], row["batch_id"]) == (outcome.metrics["dataset"], outcome.metrics["batch_id"])
        assert row["source_generation"] == generations[row["source_uri"]]
        assert plain(row["ingested_at"]) == CLAIMED_AT
