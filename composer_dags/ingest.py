"""One DAG for each dataset: what is pending in landing becomes rows in raw and trusted, and in the ledger."""

import os
from datetime import timedelta
from typing import Any

from airflow.sdk import DAG, task

from landfall_dags import tasks, traces
from landfall_dags.ask_again import AskAgainOperator
from landfall_dags.cluster import AUTO_DELETE_SECONDS
from landfall_dags.cluster_operators import CreateClusterOperator, DeleteClusterOperator, SparkJobOperator
from landfall_dags.load import call_configuration, load_configuration
from landfall_dags.operators import CallTrustedOperator, LoadBatchOperator
from landfall_dags.pipeline import Pipeline, load_pipelines
from landfall_dags.settings import Settings

SPARK_MAIN = "spark_jobs/csv_to_parquet.py"
SPARK_PACKAGE = "spark_jobs/landfall_spark.zip"
# Job ids are never free again, so each try of each run has its own; it names the folder of the job's output.
JOB_TRY = "-{{ ti.try_number }}"
# Also rendered in a run whose claim failed or was skipped.
POSTPONED = "{{ (ti.xcom_pull(task_ids='claim_batch', key='batch') or {}).get('postponed', '') }}"


def batch(field: str) -> str:
    return f"{{{{ ti.xcom_pull(task_ids='claim_batch', key='batch')['{field}'] }}}}"


def found(field: str) -> str:
    return f"{{{{ ti.xcom_pull(task_ids='check_metrics')['{field}'] }}}}"


def spark_job(settings: Settings) -> dict[str, Any]:
    return {
        "reference": {"project_id": settings.project, "job_id": batch("spark_job") + JOB_TRY},
        "placement": {"cluster_name": batch("cluster_name")},
        "pyspark_job": {
            "main_python_file_uri": f"gs://{settings.code_bucket}/{SPARK_MAIN}",
            "python_file_uris": [f"gs://{settings.code_bucket}/{SPARK_PACKAGE}"],
            "args": [
                "--manifest",
                batch("folder_uri") + "/manifest.json",
                "--pipeline",
                batch("folder_uri") + "/pipeline.json",
                "--output",
                batch("folder_uri") + "/attempts/" + batch("spark_job") + JOB_TRY,
                "--secrets-url",
                settings.secrets_url,
            ],
        },
    }


def build(pipeline: Pipeline, settings: Settings) -> DAG:
    dataset = pipeline.dataset
    labels = {"landfall_dataset": dataset, "landfall_batch": batch("batch_id")}
    dataproc: dict[str, Any] = {
        "project_id": settings.project,
        "region": settings.region,
        "cluster_name": batch("cluster_name"),
    }
    bigquery: dict[str, Any] = {"project_id": settings.project, "location": settings.bigquery_location}
    with DAG(
        dag_id=pipeline.dag_id,
        description=pipeline.description.partition("\n")[0],
        doc_md=f"{pipeline.description}\n\nOwner: {pipeline.owner} · contract {pipeline.contract_version} · "
        f"`{pipeline.raw_table}` → `{pipeline.trusted_table}`\n",
        tags=["landfall", "ingest", dataset],
        schedule=None,
        catchup=False,
        max_active_runs=1,
        is_paused_upon_creation=False,
        default_args={
            "owner": pipeline.owner,
            "retries": pipeline.retries.attempts - 1,
            "retry_delay": timedelta(seconds=pipeline.retries.delay_seconds),
            "retry_exponential_backoff": 2,
            "max_retry_delay": timedelta(seconds=pipeline.retries.max_delay_seconds),
            "execution_timeout": timedelta(seconds=AUTO_DELETE_SECONDS),
            "pre_execute": traces.remember_start,
            "on_failure_callback": traces.remember_failure,
        },
    ) as dag:

        @task(multiple_outputs=True)
        def claim_batch(**context: Any) -> dict[str, Any]:
            return tasks.claim_batch(settings, pipeline, context["run_id"], context["dag_run"].conf)

        @task(trigger_rule="none_failed_min_one_success")
        def check_metrics(batch: dict[str, Any], job_id: str | None) -> dict[str, Any]:
            return tasks.check_metrics(batch, job_id)

        @task
        def record_batch(
            batch: dict[str, Any], config: dict[str, Any], call_job: Any, **context: Any
        ) -> str | None:
            return tasks.record_batch(settings, batch, config, call_job, context)

        @task
        def report_refusal(refusal: str | None) -> None:
            tasks.report_refusal(refusal)

        @task(trigger_rule="one_failed")
        def record_failure(**context: Any) -> None:
            claimed, config = (
                context["ti"].xcom_pull(task_ids="claim_batch", key=key)
                for key in ("batch", "cluster_config")
            )
            tasks.record_failure(settings, pipeline, claimed, config, context)

        claimed: Any = claim_batch()
        create_cluster = CreateClusterOperator(
            task_id="create_cluster",
            parsed=batch("parsed"),
            cluster_config=claimed["cluster_config"],
            labels=labels,
            **dataproc,
        )
        csv_to_parquet = SparkJobOperator(
            task_id="csv_to_parquet",
            job=spark_job(settings),
            attempts_uri=batch("folder_uri") + "/attempts",
            project_id=settings.project,
            region=settings.region,
        )
        delete_cluster = DeleteClusterOperator(
            task_id="delete_cluster",
            cluster_uuid="{{ ti.xcom_pull(task_ids='create_cluster') }}",
            **dataproc,
        )
        job_id: Any = csv_to_parquet.output
        checked = check_metrics(claimed["batch"], job_id)
        load_raw = LoadBatchOperator(
            task_id="load_raw",
            job_id=batch("load_raw_job"),
            rows=found("to_load"),
            new_columns="{{ ti.xcom_pull(task_ids='check_metrics')['new_columns'] | join(',') }}",
            configuration=load_configuration(
                settings.project, pipeline.raw_table, found("output") + "/accepted/*.parquet", labels
            ),
            **bigquery,
        )
        load_rejected = LoadBatchOperator(
            task_id="load_rejected",
            job_id=batch("load_rejected_job"),
            rows=found("rejected"),
            configuration=load_configuration(
                settings.project, pipeline.rejected_table, found("output") + "/rejected/*.parquet", labels
            ),
            **bigquery,
        )
        call_trusted = CallTrustedOperator(
            task_id="call_trusted",
            job_id=f"landfall_call_trusted_{dataset}_" + batch("batch_id"),
            configuration=call_configuration(
                pipeline.procedure, batch("batch_id"), batch("arrived_on"), found("to_load"), labels
            ),
            replaces=found("replaces"),
            replay_procedure=pipeline.replay_procedure,
            manifest_uri=batch("folder_uri") + "/manifest.json",
            **bigquery,
        )
        recorded: Any = record_batch(claimed["batch"], claimed["cluster_config"], call_trusted.output)
        ask_again = AskAgainOperator(
            task_id="ask_again",
            trigger_rule="all_done",
            dataset=dataset,
            settings=settings,
            postponed=POSTPONED,
        )

        claimed >> create_cluster >> csv_to_parquet >> delete_cluster.as_teardown(setups=create_cluster)
        checked >> [load_raw, load_rejected] >> call_trusted >> recorded
        # Whatever failed before, record_batch is then failed or upstream_failed: one edge sees it all. What
        # is due next follows from the failure, once it is counted.
        recorded >> record_failure() >> ask_again
        # A leaf, by which Airflow judges a run: upstream_failed whenever ask_again follows a failure.
        report_refusal(recorded)
    return dag


SETTINGS = Settings.from_environment(os.environ)
for contract in load_pipelines(SETTINGS.datasets_dir):
    build(contract, SETTINGS)
