"""Finds what lost events and outages left behind, in landing or in the journal, and asks for its run."""

import os
from typing import Any

from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator
from airflow.sdk import DAG, task

from landfall_dags import tasks
from landfall_dags.pipeline import load_pipelines
from landfall_dags.settings import Settings

SETTINGS = Settings.from_environment(os.environ)
PIPELINES = load_pipelines(SETTINGS.datasets_dir)

with DAG(
    dag_id="sweep",
    description="Asks for the runs of what was left behind.",
    doc_md=__doc__,
    tags=["landfall"],
    schedule="*/10 * * * *",
    catchup=False,
    max_active_runs=1,
    is_paused_upon_creation=False,
):

    @task
    def find_left_behind(**context: Any) -> list[dict[str, Any]]:
        return tasks.find_left_behind(SETTINGS, PIPELINES, context)

    TriggerDagRunOperator.partial(
        task_id="ask_for_run", logical_date=None, skip_when_already_exists=True
    ).expand_kwargs(find_left_behind())
