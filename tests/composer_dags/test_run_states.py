"""How runs end, as Airflow's own scheduler judges them: its database, its trigger rules, no task executed."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.composer_dags.conftest import ENVIRONMENT, PARSE_SECONDS, pipeline_document

DAGS = Path(__file__).resolve().parents[2] / "composer_dags"
CLUSTER = ("create_cluster", "csv_to_parquet", "delete_cluster")
LOAD = ("check_metrics", "load_raw", "load_rejected", "call_trusted", "record_batch")
# What the tasks that run come to, where that is not success: record_failure runs only after a failure.
SCENARIOS: dict[str, dict[str, str]] = {
    "all goes well": {"report_refusal": "skipped"},
    "nothing is pending": {"claim_batch": "skipped"},
    "nothing is pending, and nothing left to ask for": {"claim_batch": "skipped", "ask_again": "skipped"},
    "the claim fails": {"claim_batch": "failed"},
    "the cluster fails": {"create_cluster": "failed"},
    "the job fails": {"csv_to_parquet": "failed"},
    "the metrics do not agree": {"check_metrics": "failed"},
    "a load fails": {"load_raw": "failed"},
    "the record fails": {"record_batch": "failed"},
    "the batch is parsed": {"create_cluster": "skipped", "report_refusal": "skipped"},
    "the batch is parsed, and fails": {"create_cluster": "skipped", "call_trusted": "failed"},
    "the batch is refused": {"report_refusal": "failed"},
    "the cluster cannot be deleted": {"delete_cluster": "failed", "report_refusal": "skipped"},
}
SCHEDULE = """
import json, sys
from airflow.utils.db import initdb
initdb()
from airflow.dag_processing.bundles.manager import DagBundlesManager
from airflow.dag_processing.dagbag import BundleDagBag, sync_bag_to_db
from airflow.models.dagbag import DBDagBag
from airflow.utils import timezone
from airflow.utils.session import create_session
from airflow.utils.state import DagRunState
from airflow.utils.types import DagRunTriggeredByType, DagRunType

with create_session() as session:
    manager = DagBundlesManager()
    manager.sync_bundles_to_db(session=session)
    session.commit()
    (bundle,) = manager.get_all_dag_bundles()
    bundle.initialize()
    bag = BundleDagBag(dag_folder=bundle.path, bundle_path=bundle.path, bundle_name=bundle.name)
    sync_bag_to_db(bag, bundle.name, bundle.version, session=session)
    session.commit()
    dag = DBDagBag().get_latest_version_of_dag("ingest_price_quote", session=session)
    ends = {}
    for number, (name, outcomes) in enumerate(json.load(sys.stdin).items()):
        run = dag.create_dagrun(
            run_id=f"price_quote__{number}", logical_date=None, data_interval=None,
            run_after=timezone.utcnow(), run_type=DagRunType.MANUAL, state=DagRunState.RUNNING,
            triggered_by=DagRunTriggeredByType.TEST, session=session,
        )
        run.dag = dag
        while run.state == DagRunState.RUNNING:
            ready, _ = run.update_state(session=session)
            for ti in ready:
                ti.state = outcomes.get(ti.task_id, "success")
            session.commit()
        tis = run.get_task_instances(session=session)
        ends[name] = {"run": str(run.state), **{ti.task_id: str(ti.state) for ti in tis}}
print(json.dumps(ends))
"""


@pytest.fixture(scope="module")
def ends(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, str]]:
    """The state of the run and of its tasks, by scenario."""
    home = tmp_path_factory.mktemp("airflow")
    (home / "datasets" / "price_quote").mkdir(parents=True)
    (home / "datasets" / "price_quote" / "pipeline.json").write_text(json.dumps(pipeline_document()))
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__DAGS_FOLDER": str(DAGS),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        **PARSE_SECONDS,
        **ENVIRONMENT,
        "LANDFALL_DATASETS_DIR": str(home / "datasets"),
    }
    done = subprocess.run(
        [sys.executable, "-c", SCHEDULE],
        input=json.dumps(SCENARIOS),
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found: dict[str, dict[str, str]] = json.loads(done.stdout.splitlines()[-1])
    return found


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_a_run_fails_exactly_when_a_step_of_it_failed(ends: dict[str, dict[str, str]], scenario: str) -> None:
    failed = "failed" in {state for task, state in SCENARIOS[scenario].items() if task != "delete_cluster"}
    assert ends[scenario]["run"] == ("failed" if failed else "success")


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_every_run_asks_for_the_next_and_every_failure_is_recorded_before(
    ends: dict[str, dict[str, str]], scenario: str
) -> None:
    end, outcomes = ends[scenario], SCENARIOS[scenario]
    assert end["ask_again"] == outcomes.get("ask_again", "success")
    counts = set(outcomes) & {"claim_batch", *CLUSTER[:2], *LOAD}
    failed = any(outcomes[task] == "failed" for task in counts)
    assert end["record_failure"] == ("success" if failed else "skipped")


def test_a_run_without_a_batch_skips_everything(ends: dict[str, dict[str, str]]) -> None:
    end = ends["nothing is pending"]
    assert {end[task] for task in (*CLUSTER, *LOAD, "report_refusal")} == {"skipped"}


def test_a_batch_that_is_parsed_makes_no_cluster_and_is_loaded(ends: dict[str, dict[str, str]]) -> None:
    end = ends["the batch is parsed"]
    assert {end[task] for task in CLUSTER} == {"skipped"}
    assert {end[task] for task in LOAD} == {"success"}


def test_a_cluster_is_deleted_when_its_job_failed_and_nothing_is_loaded(
    ends: dict[str, dict[str, str]],
) -> None:
    end = ends["the job fails"]
    assert end["delete_cluster"] == "success"
    assert {end[task] for task in LOAD} == {"upstream_failed"}
