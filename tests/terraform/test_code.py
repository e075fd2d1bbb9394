"""The code that an apply uploads is what Composer and the clusters need: unpacked, it parses and imports."""

import hashlib
import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from localcloud.launcher.archive import zip_package
from localcloud.launcher.provision import code_objects
from tests.terraform.plan import Plan, of_type
from tests.terraform.test_settings import dag_environment
from tests.terraform.workspace import ROOT, Plans, Terraform

DAGS = ROOT / "composer_dags"
DATASETS = ROOT / "bigquery" / "datasets"
SPARK_JOBS = ROOT / "spark_jobs"
# Where Composer shows the objects of its bucket to Airflow.
MOUNT = "/home/airflow/gcs"

# Airflow's own way from a folder to DAGs, in a process that knows no other folder of ours.
PARSE = """
import json, sys
from airflow.dag_processing.dagbag import DagBag

bag = DagBag(sys.argv[1])
jobs = [task.job for dag in bag.dags.values() for task in dag.tasks if task.task_id == "csv_to_parquet"]
print(json.dumps({
    "errors": bag.import_errors,
    "dags": {name: dag.fileloc for name, dag in bag.dags.items()},
    "deferring": [
        f"{name}.{task.task_id}"
        for name, dag in bag.dags.items()
        for task in dag.tasks
        if getattr(task, "deferrable", False)
    ],
    "code": sorted({
        uri
        for job in jobs
        for uri in (job["pyspark_job"]["main_python_file_uri"], *job["pyspark_job"]["python_file_uris"])
    }),
}))
"""

# Every module of the package, from the archive and nowhere else.
IMPORT = """
import importlib, pkgutil, sys
sys.path.insert(0, sys.argv[1])
import landfall_spark

names = [name for _, name, _ in pkgutil.walk_packages(landfall_spark.__path__, "landfall_spark.")]
for name in names:
    importlib.import_module(name)
print(landfall_spark.__file__, len(names))
"""


@pytest.fixture(scope="module")
def plan(plans: Plans) -> Plan:
    return plans["local"]


@pytest.fixture(scope="module")
def parsed(plan: Plan, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What Airflow finds in Composer's bucket with Composer's environment."""
    bucket, home = tmp_path_factory.mktemp("bucket"), tmp_path_factory.mktemp("airflow")
    for name, values in objects(plan, "composer").items():
        (bucket / name).parent.mkdir(parents=True, exist_ok=True)
        (bucket / name).write_bytes(source(values).read_bytes())
    environment = {
        name: value.replace(MOUNT, str(bucket)) for name, value in dag_environment(plan).items()
    } | {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        # Airflow's own 30 s are short where the first import meets a busy machine.
        "AIRFLOW__CORE__DAGBAG_IMPORT_TIMEOUT": "300",
        # As Airflow's processes have it; the checkout's own folders are not on it.
        "PYTHONPATH": str(bucket / "dags"),
    }
    output = run(PARSE, str(bucket / "dags"), cwd=home, environment=environment)
    found: dict[str, Any] = json.loads(output.splitlines()[-1])
    return found | {"folder": str(bucket / "dags")}


def objects(plan: Plan, purpose: str) -> dict[str, dict[str, Any]]:
    """The planned objects of a bucket, by name."""
    bucket = f"{plan['variables']['project']['value']}-{purpose}"
    found = of_type(plan, "google_storage_bucket_object").values()
    return {values["name"]: values for values in found if values["bucket"] == bucket}


def source(values: Mapping[str, Any]) -> Path:
    """The file that an object is made of, in the checkout: a plan names it as seen from the configuration."""
    return ROOT / "terraform" / values["source"]


def archived(plan: Plan) -> dict[str, bytes]:
    """The files of the Spark package's archive, as the plan hands them to the archive's provider."""
    resources = plan["prior_state"]["values"]["root_module"]["resources"]
    (archive,) = (found for found in resources if found["address"] == "data.archive_file.landfall_spark")
    return {entry["filename"]: entry["content"].encode() for entry in archive["values"]["source"]}


def run(code: str, *arguments: str, cwd: Path, environment: Mapping[str, str] | None = None) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=cwd,
        env=dict(environment) if environment is not None else {"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def deployed(folder: Path) -> set[str]:
    """Every file of a unit, but what Python leaves behind."""
    return {
        str(path.relative_to(folder))
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


def test_there_is_one_dag_for_each_dataset_and_the_sweep(parsed: dict[str, Any]) -> None:
    assert parsed["errors"] == {}
    datasets = {path.parent.name for path in DATASETS.glob("*/pipeline.json")}
    assert parsed["dags"].keys() == {*(f"ingest_{dataset}" for dataset in datasets), "sweep"}
    assert all(file.startswith(parsed["folder"]) for file in parsed["dags"].values())


def test_the_dags_submit_the_code_that_is_uploaded(parsed: dict[str, Any], plan: Plan) -> None:
    bucket = dag_environment(plan)["LANDFALL_CODE_BUCKET"]
    assert parsed["code"] == sorted(f"gs://{bucket}/{name}" for name in objects(plan, "code"))


def test_nothing_needs_the_triggerer_that_composer_has_not(parsed: dict[str, Any], plan: Plan) -> None:
    (composer,) = of_type(plan, "google_composer_environment").values()
    (workloads,) = composer["config"][0]["workloads_config"]
    assert workloads["triggerer"] == []
    assert parsed["deferring"] == []


def test_composers_bucket_gets_the_dags_and_the_rendered_contracts(plan: Plan) -> None:
    datasets = [path.parent.name for path in DATASETS.glob("*/pipeline.json")]
    contracts = {f"datasets/{name}/{file}" for name in datasets for file in ("catalog.json", "pipeline.json")}
    assert objects(plan, "composer").keys() == {f"dags/{name}" for name in deployed(DAGS) | contracts}


def test_the_local_cloud_uploads_the_same_code(plan: Plan) -> None:
    local = code_objects(SPARK_JOBS)
    uploaded = objects(plan, "code")
    assert uploaded.keys() == local.keys()
    main = "spark_jobs/csv_to_parquet.py"
    assert source(uploaded[main]).read_bytes() == local[main]


def test_the_archive_holds_what_the_local_one_holds(plan: Plan, tmp_path: Path) -> None:
    (tmp_path / "local.zip").write_bytes(zip_package(SPARK_JOBS / "landfall_spark"))
    with zipfile.ZipFile(tmp_path / "local.zip") as local:
        assert archived(plan) == {name: local.read(name) for name in local.namelist()}


def test_the_package_is_imported_from_the_archive(plan: Plan, tmp_path: Path) -> None:
    archive = tmp_path / "landfall_spark.zip"
    with zipfile.ZipFile(archive, "w") as opened:
        for name, content in archived(plan).items():
            opened.writestr(name, content)
    place, modules = run(IMPORT, str(archive), cwd=tmp_path).split()
    assert place == f"{archive}/landfall_spark/__init__.py"
    assert int(modules) == len(archived(plan)) - 1


def test_an_object_changes_exactly_when_its_file_does(plan: Plan) -> None:
    for name, values in (objects(plan, "composer") | objects(plan, "code")).items():
        assert values["content_type"], name
        assert values["source_md5hash"], name
        if not name.endswith(".zip"):
            content = source(values).read_bytes()
            assert values["source_md5hash"] == hashlib.md5(content, usedforsecurity=False).hexdigest(), name


def test_what_changed_is_uploaded_and_what_lies_about_is_not(terraform: Terraform, plan: Plan) -> None:
    workspace = terraform.copy("changed")
    for file in (
        "composer_dags/__pycache__/ingest.cpython-311.pyc",
        "composer_dags/landfall_dags/__pycache__/tasks.cpython-311.pyc",
        "composer_dags/landfall_dags/.tasks.py.swp",
        "bigquery/datasets/price_quote/notes.txt",
        "spark_jobs/landfall_spark/__pycache__/job.cpython-311.pyc",
        "spark_jobs/landfall_spark/.DS_Store",
        "spark_jobs/notebook.ipynb",
    ):
        (workspace.root / file).parent.mkdir(exist_ok=True)
        (workspace.root / file).write_bytes(b"\x00")
    for file in ("composer_dags/landfall_dags/cost.py", "spark_jobs/landfall_spark/text.py"):
        with (workspace.root / file).open("a") as opened:
            opened.write("\n")
    changed = workspace.plan("local")
    before = objects(plan, "composer") | objects(plan, "code")
    after = objects(changed, "composer") | objects(changed, "code")
    assert {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)} == {
        "dags/landfall_dags/cost.py",
        "spark_jobs/landfall_spark.zip",
    }
    assert archived(changed).keys() == archived(plan).keys()
