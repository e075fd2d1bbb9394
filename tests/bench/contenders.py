"""Every job of the bench as a command: the same input, the same cores, each in a process of its own."""

import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import duckdb
import pyarrow.parquet as pq
import pyspark

from tests.bench.files import Source
from tests.bench.measurement import BenchError

ROOT = Path(__file__).resolve().parents[2]
CONVERTERS = Path(__file__).with_name("jobs")
CORES = 2
# For naive Spark and for ours alike. All else is Spark's own default.
SPARK = {
    "spark.master": f"local[{CORES}]",
    # What the DAG gives a driver on Dataproc.
    "spark.driver.memory": "1g",
    "spark.driver.host": "127.0.0.1",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
}


@dataclass(frozen=True)
class Contender:
    """A job: its command for a source and a folder to fill, and what must be true of the folder then."""

    title: str
    command: Callable[[Source, Path], list[str]]
    check: Callable[[Source, Path], None]


def ours(properties: Mapping[str, str] | None = None) -> Contender:
    """The job as deployed: the main and the zipped package, a manifest and the real contract's pipeline."""
    return Contender(
        "landfall: typed, checked, rejects, lineage",
        lambda source, folder: _submit_ours(source, folder, properties or {}),
        _check_ours,
    )


def others(polars: Path) -> list[Contender]:
    """The ones to compare with; `polars` is a Python that has it."""
    spark = CONVERTERS / "convert_with_spark.py"

    def with_spark(types: str) -> Callable[[Source, Path], list[str]]:
        return lambda source, folder: _submit({}, spark, str(source.path), str(folder / "out"), types)

    def with_duckdb(source: Source, folder: Path) -> list[str]:
        script, output = CONVERTERS / "convert_with_duckdb.py", folder / "out.parquet"
        return [sys.executable, str(script), str(source.path), str(output), str(CORES)]

    def with_polars(source: Source, folder: Path) -> list[str]:
        script, output = CONVERTERS / "convert_with_polars.py", folder / "out.parquet"
        return [str(polars), str(script), str(source.path), str(output)]

    return [
        Contender("naive Spark: all strings", with_spark("strings"), _check_rows),
        Contender("Spark: inferSchema", with_spark("inferred"), _check_rows),
        Contender("DuckDB: types detected", with_duckdb, _check_rows),
        Contender("Polars: types detected", with_polars, _check_rows),
    ]


def environment(folder: Path) -> dict[str, str]:
    """The environment of every job: the caller's without its own Spark and Python settings."""
    own = re.compile(r"(SPARK|PYSPARK|HADOOP|YARN|POLARS)_.*|PYTHONPATH|PYTHONHOME|VIRTUAL_ENV")
    return {name: value for name, value in os.environ.items() if not own.fullmatch(name)} | {
        "POLARS_MAX_THREADS": str(CORES),
        "PYSPARK_PYTHON": sys.executable,
        "PYSPARK_DRIVER_PYTHON": sys.executable,
        "SPARK_LOCAL_DIRS": str(folder / "local"),
        "SPARK_LOCAL_IP": "127.0.0.1",
    }


def make_polars_environment(folder: Path) -> Path:
    """Make a small environment with the pinned Polars, or find it made, and return its Python."""
    lock = Path(__file__).with_name("requirements.txt")
    python, made = folder / "bin" / "python", folder / "requirements.txt"
    if made.exists() and made.read_bytes() == lock.read_bytes():
        return python
    shutil.rmtree(folder, ignore_errors=True)
    uv = Path(sys.executable).with_name("uv")
    steps: tuple[list[str | Path], ...] = (
        [uv, "--quiet", "venv", "--python", sys.executable, folder],
        [uv, "--quiet", "pip", "sync", "--require-hashes", "--python", python, lock],
    )
    for command in steps:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise BenchError(
                f"expected an environment with Polars in {folder}, found:\n{done.stderr.strip()}"
            )
    shutil.copyfile(lock, made)
    return python


def _submit(
    properties: Mapping[str, str], main: Path, *arguments: str, packages: Path | None = None
) -> list[str]:
    command = [str(Path(pyspark.__file__).parent / "bin" / "spark-submit")]
    for name, value in {**SPARK, **properties}.items():
        command += ["--conf", f"{name}={value}"]
    if packages:
        command += ["--py-files", str(packages)]
    return [*command, str(main), *arguments]


def _submit_ours(source: Source, folder: Path, properties: Mapping[str, str]) -> list[str]:
    unit = ROOT / "spark_jobs"
    archive = folder / "landfall_spark.zip"
    with zipfile.ZipFile(archive, "w") as target:
        for path in sorted((unit / "landfall_spark").rglob("*.py")):
            target.write(path, path.relative_to(unit))
    # Alone, as on a node: nothing of this checkout is importable from there.
    main = folder / "csv_to_parquet.py"
    shutil.copyfile(unit / main.name, main)
    batch = folder / "price_quote" / f"{1:032x}"
    batch.mkdir(parents=True)
    manifest = batch / "manifest.json"
    manifest.write_text(json.dumps(_manifest(source, batch.name)))
    return _submit(
        properties,
        main,
        *("--manifest", manifest.as_uri()),
        *("--pipeline", (ROOT / "bigquery/datasets/price_quote/pipeline.json").as_uri()),
        *("--output", f"{batch.as_uri()}/attempts/1"),
        packages=archive,
    )


def _manifest(source: Source, batch_id: str) -> dict[str, object]:
    day = "2026-11-21"
    file = {
        "uri": f"gs://landing/price_quote/{source.path.name}",
        "generation": 1,
        "size": source.length,
        "crc32c": "AAAAAA==",
        "md5": None,
        "created_at": f"{day}T01:26:00.654321Z",
        "archive_uri": source.path.as_uri(),
    }
    return {
        "version": 2,
        "dataset": "price_quote",
        "batch_id": batch_id,
        "run_id": f"price_quote__{day}T01:26:00Z",
        "contract_version": "1.0.0",
        "claimed_at": f"{day}T01:26:02.123456Z",
        "arrived_on": day,
        "replay": None,
        "token_key": None,
        "files": [file],
        "superseded": [],
    }


def _check_ours(source: Source, folder: Path) -> None:
    batch = next(folder.glob("price_quote/*/attempts/*"))
    metrics = json.loads((batch / "metrics.json").read_text())
    counted = {name: metrics[name] for name in ("rows_read", "rows_accepted", "rows_rejected")}
    expect(counted, {"rows_read": source.rows, "rows_accepted": source.rows, "rows_rejected": 0})
    query = f"SELECT COUNT(*), CAST(SUM(cost) AS VARCHAR) FROM '{batch}/accepted/*.parquet'"
    rows, cost = duckdb.sql(query).fetchall()[0]
    expect({"rows": rows, "cost": Decimal(cost)}, {"rows": source.rows, "cost": source.cost})


def _check_rows(source: Source, folder: Path) -> None:
    rows = sum(pq.ParquetFile(path).metadata.num_rows for path in folder.rglob("*.parquet") if path.is_file())
    expect({"rows": rows}, {"rows": source.rows})


def expect(found: Mapping[str, object], truth: Mapping[str, object]) -> None:
    """Hold what a job wrote against what the generator made; BenchError names both."""
    if found != truth:
        raise BenchError(f"expected {dict(truth)} as generated, found {dict(found)} in the Parquet")
