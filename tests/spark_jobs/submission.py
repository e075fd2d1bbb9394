"""How Spark is started here: the properties from outside, and a real spark-submit process."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pyspark

UNIT = Path(__file__).resolve().parents[2] / "spark_jobs"


def properties(root: Path) -> dict[str, str]:
    """Spark's properties for two cores on loopback; what it keeps lies under `root`."""
    return {
        "spark.master": "local[2]",
        "spark.driver.memory": "512m",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC",
        # Two hundred by default, for a handful of rows.
        "spark.sql.shuffle.partitions": "2",
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.sql.warehouse.dir": f"file://{root}/warehouse",
    }


def submit(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the main with the package as a zip, as Dataproc does; nothing of this checkout is importable."""
    archive = root / "landfall_spark.zip"
    with zipfile.ZipFile(archive, "w") as target:
        for path in sorted((UNIT / "landfall_spark").glob("*.py")):
            target.write(path, f"landfall_spark/{path.name}")
    main = root / "csv_to_parquet.py"
    main.write_bytes((UNIT / main.name).read_bytes())
    settings = [word for name, value in properties(root).items() for word in ("--conf", f"{name}={value}")]
    program = Path(pyspark.__file__).parent / "bin" / "spark-submit"
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return subprocess.run(
        [str(program), *settings, "--py-files", str(archive), str(main), *arguments],
        env={**environment, "PYSPARK_PYTHON": sys.executable, "PYSPARK_DRIVER_PYTHON": sys.executable},
        cwd=root,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
