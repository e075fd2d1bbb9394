"""Every case folder: its inputs through the real job, its rows and counts held against what it expects.

A case `cases/<case>/` holds, and nothing else:

- `pipeline.json`, version 2; a contract that tokenises gets the key `TOKEN_KEY` of batches.py.
- one of `input.csv`, `inputs/` (any folders in it; names end with .csv or .csv.gz) and `inputs.py`, whose
  `make() -> dict[str, bytes]` gives name and content of each file: for what is too large or odd to commit.
- `expect_accepted.json`: a row each, by file and number: [file, row, value…], with values in the order of the
  Parquet: the contract's columns without dropped ones, then `_rescued` or the columns that `evolve` added.
  Decimals are strings without zeros at the end, dates and times ISO strings; an instant ends with Z.
- `expect_rejected.json`: {"file", "row", "raw", "reasons": [[code, column, value]…]} each; with "text_offset"
  and "text_bytes" these are compared too.
- `expect_metrics.json`: {"rejected_rows_by_reason": {code: rows}, "files": {file: [state, reason, read,
  accepted, rejected]}}; compared too where they are there: "missing_columns" and "unknown_columns" ({file:
  [name…]}, files without any left out), "new_columns" ([name…]), "quality" ([[rule, found, total, passed]…]).

Anywhere in an `expect_*`, {"repeat": text, "times": n} stands for the text so many times.
"""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest

from tests.spark_jobs.batches import CLAIMED_AT, CREATED_AT, LINEAGE, Outcome, Place, plain, stage

CASES = sorted(path for path in Path(__file__).with_name("cases").iterdir())
EXPECTED = {"pipeline.json", "expect_accepted.json", "expect_rejected.json", "expect_metrics.json"}
REJECTED = [
    "dataset",
    "batch_id",
    "source_uri",
    "source_generation",
    "source_row",
    "raw",
    "reasons",
    "ingested_at",
    "text_offset",
    "text_bytes",
]


def _inputs(case: Path) -> dict[str, bytes]:
    files = {path.name: path for path in case.iterdir() if path.name not in {*EXPECTED, "__pycache__"}}
    if set(files) == {"inputs.py"}:
        return dict(sorted(_make_inputs(files["inputs.py"]).items()))
    if set(files) == {"inputs"}:
        files = {path.relative_to(case / "inputs").as_posix(): path for path in case.glob("inputs/**/*.*")}
    elif set(files) != {"input.csv"}:
        raise AssertionError(f"{case}: expected input.csv, inputs/ or inputs.py, found {sorted(files)}")
    return {name: path.read_bytes() for name, path in sorted(files.items())}


def _make_inputs(program: Path) -> dict[str, bytes]:
    spec = importlib.util.spec_from_file_location(f"inputs_of_{program.parent.name}", program)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    made: dict[str, bytes] = module.make()
    return made


def _expected(case: Path, name: str) -> Any:
    return json.loads((case / f"expect_{name}.json").read_text(), object_hook=_repeat)


def _repeat(value: dict[str, Any]) -> Any:
    return value["repeat"] * value["times"] if set(value) == {"repeat", "times"} else value


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_case(case: Path, place: Place) -> None:
    pipeline, inputs = json.loads((case / "pipeline.json").read_text()), _inputs(case)
    outcome = stage(place, pipeline, inputs, f"case {case.name}").run()
    prefix = f"gs://landing/{pipeline['dataset']}/"
    columns = _columns(pipeline, outcome.metrics["new_columns"])

    accepted = [
        [row["_source_uri"].removeprefix(prefix), row["_source_row"], *(plain(row[name]) for name in columns)]
        for row in outcome.accepted()
    ]
    assert accepted == _expected(case, "accepted")
    rejected = _expected(case, "rejected")
    assert _rejected(outcome, prefix, rejected) == rejected
    metrics = _expected(case, "metrics")
    found = _metrics(outcome, prefix)
    assert {name: found[name] for name in metrics} == metrics
    assert {"rejected_rows_by_reason", "files"} <= set(metrics)
    _check_lineage(outcome, columns)


def _columns(pipeline: dict[str, Any], new_columns: list[str]) -> list[str]:
    """The columns of accepted rows before lineage."""
    kept = [
        column["name"]
        for column in pipeline["columns"]
        if column.get("protection", {}).get("method") != "drop"
    ]
    rescued = ["_rescued"] if pipeline["format"]["unknown_columns"] == "rescue" else []
    return [*kept, *rescued, *new_columns]


def _rejected(outcome: Outcome, prefix: str, expected: list[dict[str, Any]]) -> list[dict[str, Any]]:
    rows = outcome.rejected()
    assert all(reason["detail"] for row in rows for reason in row["reasons"])
    found = [
        {
            "file": row["source_uri"].removeprefix(prefix),
            "row": row["source_row"],
            "raw": row["raw"],
            "reasons": [[reason["code"], reason["column"], reason["value"]] for reason in row["reasons"]],
            "text_offset": row["text_offset"],
            "text_bytes": row["text_bytes"],
        }
        for row in rows
    ]
    # Where a case says nothing of a row's place, its place is not compared.
    always = {"file", "row", "raw", "reasons"}
    named = [{*always, *row} for row in expected] + [always] * len(found)
    return [
        {name: value for name, value in row.items() if name in names}
        for row, names in zip(found, named, strict=False)
    ]


def _metrics(outcome: Outcome, prefix: str) -> dict[str, Any]:
    """What a case may expect of the metrics, once they agree with themselves."""
    metrics = outcome.metrics
    for name in ("rows_read", "rows_accepted", "rows_rejected"):
        assert metrics[name] == sum(file[name] for file in metrics["files"])
    found: dict[str, Any] = {"files": {}, "missing_columns": {}, "unknown_columns": {}}
    for file in metrics["files"]:
        name = file["uri"].removeprefix(prefix)
        rows = [file["rows_read"], file["rows_accepted"], file["rows_rejected"]]
        assert rows[0] == rows[1] + rows[2]
        assert (file["reason"] is None) == (file["detail"] is None)
        found["files"][name] = [file["state"], file["reason"], *rows]
        for kind in ("missing_columns", "unknown_columns"):
            if file[kind]:
                found[kind][name] = file[kind]
    found["quality"] = [
        [rule["rule"], rule["found"], rule["total"], rule["passed"]] for rule in metrics["quality"]
    ]
    names = ("rejected_rows_by_reason", "new_columns")
    return {**found, **{name: metrics[name] for name in names}}


def _check_lineage(outcome: Outcome, columns: list[str]) -> None:
    generations = {file["uri"]: file["generation"] for file in outcome.metrics["files"]}
    for row in outcome.accepted():
        assert list(row) == [*columns, *LINEAGE]
        assert row["_batch_id"] == outcome.metrics["batch_id"]
        assert row["_source_generation"] == generations[row["_source_uri"]]
        assert plain(row["_source_created_at"]) == CREATED_AT
        assert plain(row["_ingested_at"]) == CLAIMED_AT
    for row in outcome.rejected():
        assert list(row) == REJECTED
        assert (row["dataset"], row["batch_id"]) == (outcome.metrics["dataset"], outcome.metrics["batch_id"])
        assert row["source_generation"] == generations[row["source_uri"]]
        assert plain(row["ingested_at"]) == CLAIMED_AT
