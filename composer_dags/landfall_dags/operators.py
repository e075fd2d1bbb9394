"""The Google provider's operators, where a batch needs them to find what an earlier attempt left."""

from datetime import UTC, datetime
from typing import Any

from airflow.providers.google.cloud.hooks.bigquery import BigQueryHook
from airflow.providers.google.cloud.hooks.dataproc import DataprocHook
from airflow.providers.google.cloud.operators.bigquery import BigQueryInsertJobOperator
from airflow.providers.google.cloud.operators.dataproc import DataprocSubmitJobOperator
from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator
from airflow.sdk.exceptions import AirflowException, AirflowFailException, AirflowSkipException
from google.api_core.exceptions import Conflict, NotFound
from google.cloud import bigquery
from google.cloud.dataproc_v1.types import ListJobsRequest

from landfall_dags import claim, store
from landfall_dags.identity import is_pending, replay_run_id, split_uri
from landfall_dags.journal import Manifest, parse_manifest
from landfall_dags.load import JobState, first_unspent, replay_configuration, with_schema
from landfall_dags.settings import Settings
from landfall_dags.window import run_after, run_id, window_end

# The provider's ten seconds between two looks at a job are a good part of a small batch's time.
_POLL_SECONDS = 2


class SparkJobOperator(DataprocSubmitJobOperator):
    """Runs one job on the batch's cluster, and never two at once.

    A worker that dies leaves its job running; the next attempt waits for that job instead of writing the same
    output beside it. A task that is killed cancels the job.
    """

    def __init__(self, **kwargs: Any) -> None:
        # Asynchronous for the provider's part only: the waiting is done here.
        super().__init__(asynchronous=True, deferrable=False, **kwargs)

    def execute(self, context: Any) -> str:
        self.hook = DataprocHook(gcp_conn_id=self.gcp_conn_id, impersonation_chain=self.impersonation_chain)
        self.job_id = self._live_job(self.hook)
        if self.job_id is None:
            super().execute(context)
        else:
            self.log.info("waiting for job %s, which an earlier attempt left running", self.job_id)
        try:
            self.hook.wait_for_job(
                job_id=self.job_id, region=self.region, project_id=self.project_id, wait_time=_POLL_SECONDS
            )
        except AirflowException as error:
            job = self.hook.get_job(job_id=self.job_id, region=self.region, project_id=self.project_id)
            # The provider's message is the whole job; the ledger has room for what matters.
            raise AirflowException(
                f"expected Spark job {self.job_id} to end as DONE, found {job.status.state.name}: "
                f"{job.status.details} Driver output: {job.driver_output_resource_uri}"
            ) from error
        return str(self.job_id)

    def _live_job(self, hook: DataprocHook) -> str | None:
        jobs = hook.get_job_client(region=self.region).list_jobs(
            request={
                "project_id": self.project_id,
                "region": self.region,
                "cluster_name": self.job["placement"]["cluster_name"],
                "job_state_matcher": ListJobsRequest.JobStateMatcher.ACTIVE,
            }
        )
        return next((job.reference.job_id for job in jobs), None)


class LoadBatchOperator(BigQueryInsertJobOperator):
    """Loads a batch's Parquet files once, however often it is tried.

    The job's id is the stem given as `job_id` and the first number that no failed job has spent. A job that
    is done under it is success without loading again; one that is live is waited for. No rows, no job: a
    table takes 1,500 load jobs a day, failed ones included.

    Args:
        rows: how many rows the load must bring (templated, a decimal number).
        new_columns: columns of text to add to the table where it lacks them (templated, comma between).
    """

    template_fields = (*BigQueryInsertJobOperator.template_fields, "rows", "new_columns")
    # The provider's links need XComs that only its own execute pushes.
    operator_extra_links = ()  # type: ignore[assignment]

    def __init__(self, *, rows: str, new_columns: str = "", **kwargs: Any) -> None:
        super().__init__(deferrable=False, **kwargs)
        self.rows = rows
        self.new_columns = new_columns

    def execute(self, context: Any) -> str | None:
        expected = int(self.rows)
        if expected == 0:
            self.log.info("no rows to load")
            return None
        self.hook = BigQueryHook(
            gcp_conn_id=self.gcp_conn_id, use_legacy_sql=False, impersonation_chain=self.impersonation_chain
        )
        job = self._only_job(self.hook, stem=str(self.job_id))
        self.job_id = str(job.job_id)  # what is cancelled when the task is killed
        job.result(retry=self.result_retry)
        if job.output_rows != expected:
            raise AirflowFailException(
                f"{job.source_uris}: expected load job {job.job_id} to bring {expected} rows, "
                f"found {job.output_rows}. The rows are in the table: compare the folder with its "
                "metrics.json before anything is loaded again."
            )
        return self.job_id

    def _only_job(self, hook: BigQueryHook, stem: str) -> Any:
        while True:
            job_id, state = first_unspent(stem, lambda job_id: self._state(hook, job_id))
            if state is not JobState.ABSENT:
                self.log.info("job %s is %s: not loading again", job_id, state.value)
                return hook.get_job(job_id=job_id, project_id=self.project_id, location=self.location)
            try:
                return hook.insert_job(
                    configuration=self._configuration(hook),
                    job_id=job_id,
                    project_id=self.project_id,
                    location=self.location,
                    nowait=True,
                )
            except Conflict as conflict:
                # Submitted by someone else meanwhile, or by us with the answer lost: look again.
                if self._state(hook, job_id) is JobState.ABSENT:
                    raise AirflowException(
                        f"expected load job {job_id} to be found, for its id is taken; BigQuery knows none. "
                        f"Look for it in location {self.location} of project {self.project_id}."
                    ) from conflict

    def _state(self, hook: BigQueryHook, job_id: str) -> JobState:
        try:
            job = hook.get_job(job_id=job_id, project_id=self.project_id, location=self.location)
        except NotFound:
            return JobState.ABSENT
        if job.state != "DONE":
            return JobState.LIVE
        return JobState.FAILED if job.error_result else JobState.DONE

    def _configuration(self, hook: BigQueryHook) -> dict[str, Any]:
        client = hook.get_client(project_id=self.project_id, location=self.location)
        destination = self.configuration["load"]["destinationTable"]
        table = client.get_table(bigquery.TableReference.from_api_repr(destination))
        fields = [field.to_api_repr() for field in table.schema]
        new_columns = [name for name in self.new_columns.split(",") if name]
        return with_schema(self.configuration, fields, new_columns)


class CallTrustedOperator(BigQueryInsertJobOperator):
    """Calls the procedure that brings the open batch into trusted; for a replay, the one that replaces rows.

    A batch that is closed is never called for again: what its files gave may have been replaced since.

    Args:
        replaces: `True` where that is to be done (templated).
        replay_procedure: its name.
        manifest_uri: where the batch's files are named (templated); they may be too many for an XCom.
    """

    template_fields = (*BigQueryInsertJobOperator.template_fields, "replaces", "manifest_uri")
    # The name of the manifest ends in .json, which the provider would take for a file of templates.
    template_ext = ()

    def __init__(self, *, replaces: str, replay_procedure: str, manifest_uri: str, **kwargs: Any) -> None:
        # A durable operator remembers its job by run and task: a run that is cleared, and then claims
        # another batch, would take the old batch's call for its own.
        super().__init__(deferrable=False, durable=False, **kwargs)
        self.replaces = replaces
        self.replay_procedure = replay_procedure
        self.manifest_uri = manifest_uri

    def execute(self, context: Any) -> Any:
        manifest = self._open_manifest()
        if self.replaces == str(True):
            identities = [file.source.identity for file in manifest.files]
            self.configuration = replay_configuration(self.configuration, self.replay_procedure, identities)
        return super().execute(context)

    def _open_manifest(self) -> Manifest:
        objects = store.connect()
        stored = objects.read(self.manifest_uri)
        if stored is None:
            raise AirflowFailException(
                f"{self.manifest_uri}: expected what claim_batch wrote, found no object. Clear claim_batch."
            )
        manifest = parse_manifest(stored.text, self.manifest_uri)
        bucket, _ = split_uri(self.manifest_uri)
        entry = claim.read_open(objects, bucket, manifest.entry.dataset)
        if entry is None or entry.batch_id != manifest.entry.batch_id:
            raise AirflowFailException(
                f"{self.manifest_uri}: expected the journal of the batch to be open, found it closed. "
                "ops.batches says how the batch ended; to bring its files into trusted again, replay them."
            )
        return manifest


class AskAgainOperator(TriggerDagRunOperator):
    """Asks for the run that takes what this one left: a postponed replay, or what is pending in landing.

    Args:
        postponed: the replay that this run was asked for and had to put off (templated; else empty).
    """

    template_fields = (*TriggerDagRunOperator.template_fields, "postponed")
    # The provider's link needs an XCom that a skipped task never pushes.
    operator_extra_links = ()  # type: ignore[assignment]

    def __init__(self, *, dataset: str, settings: Settings, postponed: str, **kwargs: Any) -> None:
        super().__init__(
            trigger_dag_id=f"ingest_{dataset}", logical_date=None, skip_when_already_exists=True, **kwargs
        )
        self.postponed = postponed
        self._dataset = dataset
        self._settings = settings

    def execute(self, context: Any) -> None:
        if self.postponed:
            self.conf = {"replay": self.postponed}
            self.trigger_run_id = replay_run_id(self._dataset, context["run_id"])
        else:
            self._ask_for_window(context)
        super().execute(context)

    def _ask_for_window(self, context: Any) -> None:
        if context["ti"].get_dr_count(dag_id=self.trigger_dag_id, states=["queued"]):
            raise AirflowSkipException("another run is waiting for this one: it takes whatever is pending")
        listed = store.connect().list(self._settings.landing_bucket, f"{self._dataset}/")
        if not any(is_pending(self._dataset, split_uri(file.uri)[1]) for file in listed):
            raise AirflowSkipException("nothing is pending")
        end = window_end(datetime.now(UTC), self._settings.batch_window_seconds)
        self.trigger_run_id = run_id(self._dataset, end)
        self.run_after = run_after(end, self._settings.run_grace_seconds)
