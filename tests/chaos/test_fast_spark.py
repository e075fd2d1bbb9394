"""The stand-in for spark-submit gives byte for byte what Spark gives."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.spark_jobs.batches import Batch, Place, stage
from tests.spark_jobs.submission import submit

STAND_IN = Path(__file__).with_name("fast_spark")
CASE = Path(__file__).resolve().parents[1] / "spark_jobs" / "cases" / "duplicate_keys_rejected"
# What the job asks of Spark SQL: keys that a file repeats, and values that the batch repeats.
RULE = {
    **{"rule": "one_n", "metric": "duplicateValues", "columns": ["n"]},
    **{"operator": "mustBe", "threshold": [0], "unit": "rows", "severity": "warn"},
}


def test_same_bytes_as_spark(tmp_path: Path) -> None:
    real, fast = (_stage(tmp_path / name) for name in ("real", "fast"))
    done = submit(real.place.root, *_arguments(real))
    assert done.returncode == 0, done.stdout + done.stderr
    main = real.place.root / "csv_to_parquet.py"
    package = main.with_name("landfall_spark.zip")
    done = _run("--conf", "spark.master=local[2]", "--py-files", str(package), str(main), *_arguments(fast))
    assert done.returncode == 0, done.stdout + done.stderr
    files = _contents(real)
    assert {Path(name).parts[0] for name in files} == {"accepted", "rejected", "metrics.json"}
    assert _contents(fast) == files
    (rule,) = json.loads(files["metrics.json"])["quality"]
    assert rule["found"] > 0


@pytest.mark.parametrize(("failures", "code"), [(3, 0), (4, 1)])
def test_a_task_is_tried_as_often_as_on_a_cluster(tmp_path: Path, failures: int, code: int) -> None:
    main = tmp_path / "main.py"
    main.write_text(f"""
from pyspark.sql import SparkSession
tries = []
def work(number):
    tries.append(number)
    if tries.count(2) <= {failures}:
        raise OSError("gone")
    return number * 10
print(SparkSession.builder.getOrCreate().sparkContext.parallelize([2, 1], 2).map(work).collect())
""")
    done = _run(str(main))
    assert done.returncode == code, done.stderr
    assert (done.stdout == "[20, 10]\n") == (code == 0)


def _stage(root: Path) -> Batch:
    root.mkdir()
    pipeline: dict[str, Any] = json.loads((CASE / "pipeline.json").read_text()) | {"quality": [RULE]}
    inputs = {path.name: path.read_bytes() for path in sorted((CASE / "inputs").iterdir())}
    return stage(Place(None, root), pipeline, inputs, "same")  # type: ignore[arg-type]


def _arguments(batch: Batch) -> list[str]:
    names = ("manifest", "pipeline", "output")
    return [word for name in names for word in (f"--{name}", getattr(batch, name))]


def _run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(STAND_IN), *arguments], capture_output=True, text=True, timeout=180, check=False
    )


def _contents(batch: Batch) -> dict[str, bytes]:
    """What the job wrote, by the names in its folder; the folder's own place is not part of it."""
    folder, place = batch.place.path(batch.output), str(batch.place.root).encode()
    return {
        path.relative_to(folder).as_posix(): path.read_bytes().replace(place, b"")
        for path in folder.rglob("*")
        if path.is_file() and path.name not in ("manifest.json", "pipeline.json")
    }
