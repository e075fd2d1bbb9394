"""The Google provider's own operators, unmodified, in a process with Airflow's start-up hook."""

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

from google.cloud.dataproc_v1.types import JobStatus

HERE = Path(__file__).parent
HOOK = HERE.parents[2] / "localcloud" / "airflow" / "airflow_local_settings.py"

MAIN = """
import pathlib, sys
from helper import typed
from pyspark.sql import SparkSession
spark = SparkSession.builder.getOrCreate()
source, target = sys.argv[1:]
typed(spark.read.option("header", True).csv(source)).coalesce(1).write.mode("overwrite").parquet(target)
back = spark.read.parquet(target)
print("ROWS", back.count(), "SUM", back.selectExpr("sum(price)").first()[0])
print("FROM", back.first()["source"])
print("FILE", pathlib.Path("note.txt").read_text())
print("CONF", spark.conf.get("spark.sql.shuffle.partitions"), spark.conf.get("spark.sql.ansi.enabled"))
"""
HELPER = """
from pyspark.sql import functions as F

def typed(rows):
    price = F.col("price").cast("decimal(38,18)").alias("price")
    return rows.select(price, F.input_file_name().alias("source"))
"""


def test_cluster_job_and_teardown_by_the_operators(dataproc: Any, tmp_path: Path) -> None:
    lines = "".join(f"{number}.000000000000000001\n" for number in range(1000))
    dataproc.put("operators/in/rows.csv", f"price\n{lines}")
    dataproc.put("operators/main.py", MAIN)
    dataproc.put("operators/note.txt", "staged")
    with zipfile.ZipFile(dataproc.buckets / "test-data" / "operators" / "package.zip", "w") as package:
        package.writestr("helper.py", HELPER)
    (tmp_path / "config").mkdir()
    shutil.copy(HOOK, tmp_path / "config")
    environment = os.environ | {
        "AIRFLOW_HOME": str(tmp_path),
        "AIRFLOW__CORE__UNIT_TEST_MODE": "False",
        "AIRFLOW_CONN_GOOGLE_CLOUD_DEFAULT": json.dumps(
            {"conn_type": "google_cloud_platform", "extra": {"is_anonymous": True}}
        ),
        "DATAPROC_EMULATOR_HOST": dataproc.address,
    }
    ran = subprocess.run(
        [sys.executable, str(HERE / "run_operators.py")],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=400,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    job = dataproc.get_job(ran.stdout.split("JOB ")[1].split()[0])
    output = dataproc.path(job.driver_output_resource_uri + ".000000000").read_text()
    assert job.status.state == JobStatus.State.DONE, output
    assert "ROWS 1000 SUM 499500.000000000000001000" in output
    assert "FROM gs://test-data/operators/in/rows.csv" in output
    assert "FILE staged" in output
    assert "CONF 3 true" in output
    assert "dropped properties that only a cluster has: spark.executor.instances" in output
    written = sorted(path.name for path in (dataproc.buckets / "test-data" / "operators" / "out").iterdir())
    assert [name.rpartition(".")[2] for name in written] == ["_SUCCESS", "parquet"]
    left = dataproc.clusters.list_clusters(request={**dataproc.scope, "filter": "clusterName = operators"})
    assert not list(left)
    assert "ASYNC RUNNING" in ran.stdout
