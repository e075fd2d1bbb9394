"""Asks for the runs of what was left behind, says what is stuck, and deletes clusters that no run will."""

import os
from typing import Any

from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator
from airflow.sdk import DAG, task

from landfall_dags import sweep, sweep_clusters
from landfall_dags.pipeline import load_pipelines
from landfall_dags.settings import Settings

SETTINGS = Settings.from_environment(os.environ)
PIPELINES = load_pipelines(SETTINGS.datasets_dir)

with DAG(
    dag_id="sweep",
    description="Asks for the runs of what was left behind, and deletes the clusters that were.",
    doc_md=__doc__,
    tags=["landfall"],
    schedule="*/10 * * * *",
    catchup=False,
    max_active_runs=1,
    is_paused_upon_creation=False,
):

    @task
    def find_left_behind(**context: Any) -> list[dict[str, Any]]:
        return sweep.find_left_behind(SETTINGS, PIPELINES, context)

    @task
    def delete_left_clusters(**context: Any) -> list[str]:
        return sweep_clusters.delete_left_clusters(SETTINGS, context)

    TriggerDagRunOperator.partial(
        task_id="ask_for_run", logical_date=None, skip_when_already_exists=True
    ).expand_kwargs(find_left_behind())
    delete_left_clusters()
