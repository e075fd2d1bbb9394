"""The job as a whole: run again, wrong inputs, rows that went missing, and a real spark-submit process."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from landfall_spark import metrics
from landfall_spark.errors import ConservationError, JobError, ManifestError, PipelineError
from landfall_spark.metrics import FileCounts
from tests.spark_jobs.batches import Place, stage
from tests.spark_jobs.submission import UNIT, submit

CONTRACTS = Path(__file__).resolve().parents[2] / "bigquery" / "datasets"
PIPELINE: dict[str, Any] = json.loads(
    (Path(__file__).with_name("cases") / "required" / "pipeline.json").read_text()
)
FILES = {
    "a.csv": b"id,n,day,note\n1,1,2020-01-01,x\n2,two,2020-01-01,secret words\n",
    "b.csv": b"id,n,day,note\n3,3,2020-01-03,\n",
    "c.csv": b"",
}


def test_running_again_gives_the_same_rows(place: Place) -> None:
    batch = stage(place, PIPELINE, FILES, "again")
    first = batch.run()
    rows = first.accepted(), first.rejected(), first.metrics
    assert [len(rows[0]), len(rows[1])] == [2, 1]
    second = batch.run()
    assert (second.accepted(), second.rejected(), second.metrics) == rows


def test_no_stale_output_survives_a_run(place: Place) -> None:
    batch = stage(place, PIPELINE, {"a.csv": b""}, "stale")
    folder = place.path(batch.output)
    for name in ("accepted/part-00000.parquet", "rejected/part-00007.parquet", "repeats/part-0.parquet"):
        (folder / name).parent.mkdir(parents=True)
        (folder / name).write_bytes(b"of an earlier run")
    outcome = batch.run()
    assert (outcome.accepted(), outcome.rejected()) == ([], [])
    assert outcome.metrics["rows_read"] == 0
    assert sorted(path.name for path in folder.rglob("*.*")) == [
        "metrics.json",
    ]


def test_a_failing_run_leaves_no_metrics(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    batch = stage(place, PIPELINE, FILES, "failing")
    batch.run()
    real = metrics.gather

    def lose_one(parts: Any) -> dict[int, FileCounts]:
        counts = real(parts)
        counts[0].accepted -= 1
        return counts

    monkeypatch.setattr(metrics, "gather", lose_one)
    with pytest.raises(ConservationError, match=r"expected 2 rows, .* found 0 accepted and 1 rejected"):
        batch.run()
    assert not (place.path(batch.output) / "metrics.json").exists()


def test_the_raw_text_of_a_swallowed_file_is_bounded(place: Place) -> None:
    rest = b"".join(b"%d,1,2020-01-01,x\n" % number for number in range(60_000))
    file = b'id,n,day,note\n1,1,2020-01-01,x\n2,2,2020-01-01,"never closed\n' + rest
    outcome = stage(place, PIPELINE, {"a.csv": file}, "swallowed").run()
    (row,) = outcome.rejected()
    assert [reason["code"] for reason in row["reasons"]] == ["unterminated_quote"]
    assert row["raw"].startswith('2,2,2020-01-01,"never closed\n0,1,')
    assert len(row["raw"]) == 1_000_000 < len(rest)
    assert outcome.metrics["rows_accepted"] == 1


def test_an_archived_file_that_is_gone_is_no_verdict_on_it(place: Place) -> None:
    batch = stage(place, PIPELINE, FILES, "gone")
    files = json.loads(place.path(batch.manifest).read_text())["files"]
    place.path(next(file["archive_uri"] for file in files if file["uri"].endswith("b.csv"))).unlink()
    with pytest.raises(JobError, match=r"b\.csv: expected the archived file"):
        batch.run()


@pytest.mark.parametrize(
    ("document", "change", "error", "message"),
    [
        ("manifest", {"version": 1}, ManifestError, "manifest.json: version: expected 2, found 1"),
        ("manifest", {"batch_id": 7}, ManifestError, "batch_id: expected str, found 7"),
        ("manifest", {"claimed_at": "today"}, ManifestError, "claimed_at: expected an instant such as"),
        (
            "manifest",
            {"token_key": "key"},
            ManifestError,
            "token_key: expected projects/P/secrets/S/versions/N",
        ),
        ("manifest", {"files": [{"uri": "x"}]}, ManifestError, r"files\[0\]: generation: expected int"),
        ("manifest", {"dataset": "other"}, PipelineError, "dataset: expected other, found orders"),
        (
            "manifest",
            {"batch_id": "0"},
            JobError,
            "--output: expected a URI that ends with /orders/0/attempts/",
        ),
        ("pipeline", {"columns": []}, PipelineError, "columns: expected at least one column that is not"),
        ("pipeline", {"columns": [{"name": "a", "type": "INT"}]}, PipelineError, "type: expected one of"),
        ("pipeline", {"format": {"type": "json"}}, PipelineError, "format: type: expected csv, found json"),
        ("pipeline", "{", PipelineError, "pipeline.json: expected a JSON document"),
        ("pipeline", "[]", PipelineError, r"pipeline.json: expected a JSON object, found \[\]"),
    ],
)
def test_wrong_inputs_are_named(
    place: Place, document: str, change: Any, error: type[JobError], message: str
) -> None:
    batch = stage(place, PIPELINE, FILES, f"wrong {document} {change}")
    path = place.path(getattr(batch, document))
    text = change if isinstance(change, str) else json.dumps({**json.loads(path.read_text()), **change})
    path.write_text(text)
    with pytest.raises(error, match=message):
        batch.run()


def test_a_missing_manifest_is_named(place: Place) -> None:
    batch = stage(place, PIPELINE, FILES, "missing manifest")
    place.path(batch.manifest).unlink()
    with pytest.raises(ManifestError, match=r"manifest\.json: expected a UTF-8 file"):
        batch.run()


def test_the_job_runs_as_a_process_with_the_zip_alone(place: Place) -> None:
    pipeline = json.loads((CONTRACTS / "price_quote" / "pipeline.json").read_text())
    header = ",".join(column["name"] for column in pipeline["columns"])
    quote = "TA-1,S-1,2013-07-07,0,0,Yes,1,21.9059330191461"
    content = f"{header}\n{quote}\n{quote.replace('Yes', 'maybe, Jane Doe')}\n"
    batch = stage(place, pipeline, {"a.csv": content.encode()}, "process")
    in_session = batch.run()
    rows = in_session.accepted(), in_session.rejected(), in_session.metrics

    done = submit(
        place.root, "--manifest", batch.manifest, "--pipeline", batch.pipeline, "--output", batch.output
    )

    assert done.returncode == 0, done.stderr
    again = type(in_session)(in_session.folder, json.loads((in_session.folder / "metrics.json").read_text()))
    assert (again.accepted(), again.rejected(), again.metrics) == rows
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    assert [line["message"] for line in lines] == ["batch opened", "batch written"]
    assert lines[-1]["rows_read"] == 2
    assert "Jane Doe" not in done.stdout + done.stderr


def test_a_wrong_manifest_ends_the_process_with_one_line(place: Place) -> None:
    uri, output = (place.uri("test-lake", name) for name in ("none/manifest.json", "none/attempts/job-1"))
    done = submit(place.root, "--manifest", uri, "--pipeline", uri, "--output", output)
    assert done.returncode == 1
    errors = [json.loads(line) for line in done.stdout.splitlines() if '"ERROR"' in line]
    assert [error["message"].startswith(f"{uri}: expected a UTF-8 file") for error in errors] == [True]
    assert "Traceback" not in done.stderr


def test_wrong_usage_ends_the_process_before_spark_starts() -> None:
    done = subprocess.run(
        [sys.executable, str(UNIT / "csv_to_parquet.py"), "--manifest", "x"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert "required: --pipeline, --output" in done.stderr


def test_the_unit_imports_only_what_every_node_has() -> None:
    # Spark ships with PySpark; the others are pinned by the cluster's own configuration.
    installed = {"pyspark", "numpy", "pyarrow", "google", "requests"}
    allowed = {"landfall_spark", *installed, *sys.stdlib_module_names}
    for path in UNIT.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or "."] if isinstance(node, ast.ImportFrom) else []
            assert {name.partition(".")[0] for name in names} <= allowed, path
            assert not (isinstance(node, ast.Attribute) and node.attr in ("udf", "pandas_udf")), path


@pytest.mark.parametrize("path", sorted(CONTRACTS.glob("*/pipeline.json")), ids=lambda path: path.parent.name)
def test_every_rendered_contract_is_taken(path: Path, place: Place) -> None:
    pipeline = json.loads(path.read_text())
    names = [column.get("header", column["name"]) for column in pipeline["columns"]]
    header = pipeline["format"]["delimiter"].join(names) + "\n"
    content = header.encode(pipeline["format"]["encoding"])
    outcome = stage(place, pipeline, {"a.csv": content}, f"contract {path.parent.name}").run()
    assert [(file["state"], file["reason"]) for file in outcome.metrics["files"]] == [("loaded", "no_rows")]
