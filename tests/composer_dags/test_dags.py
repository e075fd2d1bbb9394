"""The DAGs as Airflow parses them."""

import json
import os
import subprocess
import sys
from copy import copy
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.composer_dags.conftest import ENVIRONMENT, PARSE_SECONDS, pipeline_document

DAGS = Path(__file__).resolve().parents[2] / "composer_dags"
DATASETS = ("bill_of_materials", "comp_boss", "price_quote")


@pytest.fixture(scope="module")
def datasets_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("datasets")
    for dataset in DATASETS:
        (folder / dataset).mkdir()
        (folder / dataset / "pipeline.json").write_text(json.dumps(pipeline_document(dataset)))
    return folder


@pytest.fixture(scope="module")
def dags(datasets_dir: Path) -> dict[str, Any]:
    from airflow.dag_processing.dagbag import DagBag

    with pytest.MonkeyPatch.context() as patch:
        environment = ENVIRONMENT | PARSE_SECONDS | {"LANDFALL_DATASETS_DIR": str(datasets_dir)}
        for name, value in environment.items():
            patch.setenv(name, value)
        bag = DagBag(str(DAGS))
    assert bag.import_errors == {}
    return dict(bag.dags)


@pytest.fixture(scope="module")
def ingest(dags: dict[str, Any]) -> Any:
    return dags["ingest_price_quote"]


def test_there_is_one_dag_for_each_dataset_and_the_sweep(dags: dict[str, Any]) -> None:
    assert sorted(dags) == [*(f"ingest_{dataset}" for dataset in DATASETS), "sweep"]


def test_one_run_at_a_time_and_only_when_asked(ingest: Any) -> None:
    assert ingest.max_active_runs == 1
    assert ingest.catchup is False
    assert ingest.schedule is None
    assert ingest.is_paused_upon_creation is False
    assert ingest.tags == {"landfall", "ingest", "price_quote"}
    assert "What suppliers ask for." in ingest.doc_md


def test_the_way_of_a_batch(ingest: Any) -> None:
    assert {task.task_id: sorted(task.downstream_task_ids) for task in ingest.tasks} == {
        "claim_batch": ["check_metrics", "create_cluster", "record_batch"],
        "create_cluster": ["csv_to_parquet", "delete_cluster"],
        "csv_to_parquet": ["check_metrics", "delete_cluster"],
        "delete_cluster": [],
        "check_metrics": ["load_raw", "load_rejected"],
        "load_raw": ["call_trusted"],
        "load_rejected": ["call_trusted"],
        "call_trusted": ["record_batch"],
        "record_batch": ["record_failure", "report_refusal"],
        "record_failure": ["ask_again"],
        "ask_again": [],
        "report_refusal": [],
    }


def test_the_cluster_is_deleted_whatever_happened_and_nothing_waits_for_it(ingest: Any) -> None:
    create, delete = ingest.get_task("create_cluster"), ingest.get_task("delete_cluster")
    assert create.is_setup
    assert delete.is_teardown
    assert delete.trigger_rule == "all_done_setup_success"
    assert delete.on_failure_fail_dagrun is False
    assert create.cluster_name == delete.cluster_name


def test_every_task_is_tried_as_often_as_the_contract_says_with_growing_pauses(ingest: Any) -> None:
    for task in ingest.tasks:
        assert task.retries == 2
        assert task.retry_delay == timedelta(seconds=10)
        assert task.retry_exponential_backoff == 2
        assert task.max_retry_delay == timedelta(seconds=300)


def test_each_try_of_the_job_has_a_folder_of_its_own(ingest: Any) -> None:
    task = copy(ingest.get_task("csv_to_parquet"))
    batch = {"spark_job": "lf-d-0-ab", "folder_uri": "gs://lake/d/0", "cluster_name": "lf-d-0"}
    ti = SimpleNamespace(xcom_pull=lambda **_: batch, try_number=2)
    task.render_template_fields({"ti": ti})
    arguments = task.job["pyspark_job"]["args"]
    assert arguments[arguments.index("--output") + 1] == "gs://lake/d/0/attempts/lf-d-0-ab-2"
    assert f"{task.attempts_uri}/{task.job['reference']['job_id']}" == "gs://lake/d/0/attempts/lf-d-0-ab-2"


def test_nothing_waits_in_the_triggerer_and_bigquery_guesses_nothing(ingest: Any) -> None:
    for task_id in ("create_cluster", "csv_to_parquet", "delete_cluster", "load_raw", "call_trusted"):
        assert ingest.get_task(task_id).deferrable is False
    load = ingest.get_task("load_rejected").configuration["load"]
    assert load["destinationTable"]["tableId"] == "rejected_rows_price_quote"
    assert load["autodetect"] is False


def test_the_spark_job_is_told_where_the_secrets_are_and_no_secret(ingest: Any) -> None:
    arguments = ingest.get_task("csv_to_parquet").job["pyspark_job"]["args"]
    assert arguments[::2] == ["--manifest", "--pipeline", "--output", "--secrets-url"]
    assert arguments[-1] == "https://secretmanager.googleapis.com"


def test_what_is_decided_in_a_run_reaches_the_tasks_as_text(ingest: Any) -> None:
    """Fields that Airflow renders from what claim_batch and check_metrics return."""
    rendered = {
        ("load_raw", "new_columns"): "a,b",
        ("load_rejected", "new_columns"): "",
        ("call_trusted", "replaces"): "True",
        ("ask_again", "postponed"): "",
        ("create_cluster", "parsed"): "True",
        ("delete_cluster", "cluster_uuid"): "0-1-2",
    }
    pushed = {
        ("claim_batch", "batch"): {"postponed": "", "parsed": True},
        ("create_cluster", None): "0-1-2",
        ("check_metrics", None): {"new_columns": ["a", "b"], "replaces": True},
    }
    context = {"ti": SimpleNamespace(xcom_pull=lambda task_ids, key=None: pushed[task_ids, key])}
    for (task_id, field), text in rendered.items():
        task = ingest.get_task(task_id)
        assert field in task.template_fields
        assert task.render_template(getattr(task, field), context) == text


def test_what_is_loaded_is_the_output_of_the_elected_attempt(ingest: Any) -> None:
    found = {"output": "gs://lake/d/0/attempts/j-1", "to_load": 3, "rejected": 1, "new_columns": []}
    ti = SimpleNamespace(xcom_pull=lambda task_ids, key=None: {"check_metrics": found}.get(task_ids, {}))
    for task_id, kind in (("load_raw", "accepted"), ("load_rejected", "rejected")):
        load = ingest.get_task(task_id).configuration["load"]
        rendered = ingest.get_task(task_id).render_template(load["sourceUris"], {"ti": ti})
        assert rendered == [f"gs://lake/d/0/attempts/j-1/{kind}/*.parquet"]


def test_a_run_that_claimed_nothing_has_postponed_nothing(ingest: Any) -> None:
    task = ingest.get_task("ask_again")
    context = {"ti": SimpleNamespace(xcom_pull=lambda task_ids, key=None: None)}
    assert task.render_template(task.postponed, context) == ""


def test_the_name_of_a_manifest_is_no_file_of_templates(ingest: Any) -> None:
    """The provider takes a field that ends in .json for the name of one, and reads it."""
    task = copy(ingest.get_task("call_trusted"))
    task.template_fields = ("manifest_uri",)
    task.resolve_template_files()
    pushed = {"folder_uri": "gs://lake/price_quote/ab"}
    task.render_template_fields({"ti": SimpleNamespace(xcom_pull=lambda **_: pushed)})
    assert task.manifest_uri == "gs://lake/price_quote/ab/manifest.json"


def test_the_contract_names_the_procedure_of_a_batch_and_that_of_a_replay(ingest: Any) -> None:
    call = ingest.get_task("call_trusted")
    assert call.configuration["query"]["query"].startswith("CALL ops.sp_trusted_price_quote(")
    assert call.replay_procedure == "ops.sp_replay_price_quote"


def test_the_sweep_comes_every_ten_minutes(dags: dict[str, Any]) -> None:
    sweep = dags["sweep"]
    assert sweep.schedule == "*/10 * * * *"
    assert (sweep.max_active_runs, sweep.catchup) == (1, False)
    assert {task.task_id: task.downstream_task_ids for task in sweep.tasks} == {
        "find_left_behind": {"ask_for_run"},
        "ask_for_run": set(),
        "delete_left_clusters": set(),
    }


def test_the_dags_can_be_serialized(dags: dict[str, Any]) -> None:
    from airflow.serialization.serialized_objects import DagSerialization

    for dag in dags.values():
        assert DagSerialization.to_dict(dag)["dag"]["dag_id"] == dag.dag_id


PARSE = """
import socket, sys, time
import airflow.providers.google.cloud.operators.bigquery, airflow.providers.google.cloud.operators.dataproc
import airflow.sdk, airflow.providers.standard.operators.trigger_dagrun
from airflow.sdk import Connection, Variable

def refuse(what):
    def refused(*arguments, **named):
        raise AssertionError(f"parsing must not touch {what}")
    return refused

socket.socket.connect = socket.getaddrinfo = refuse("the network")
Variable.get = refuse("a Variable")
Connection.get = refuse("a Connection")
sys.path.insert(0, sys.argv[1])
import landfall_dags.ask_again, landfall_dags.operators, landfall_dags.sweep, landfall_dags.tasks
for module in ("tasks", "ask_again", "sweep"):
    getattr(landfall_dags, module).datetime = None
import ingest, sweep
print(len(list(ingest.SETTINGS.datasets_dir.glob("*/pipeline.json"))), sweep.PIPELINES[0].dag_id)
"""


def test_parsing_reads_files_and_the_environment_only(datasets_dir: Path, tmp_path: Path) -> None:
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "AIRFLOW_HOME": str(tmp_path),
        **ENVIRONMENT,
        "LANDFALL_DATASETS_DIR": str(datasets_dir),
    }
    parsed = subprocess.run(
        [sys.executable, "-c", PARSE, str(DAGS)], env=environment, capture_output=True, text=True, check=False
    )
    assert parsed.returncode == 0, parsed.stderr
    assert parsed.stdout.splitlines()[-1] == "3 ingest_bill_of_materials"
