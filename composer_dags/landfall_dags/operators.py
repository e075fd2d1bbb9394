"""A batch's BigQuery jobs, each found again by whoever tries again."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, cast

from airflow.providers.google.cloud.hooks.bigquery import BigQueryHook
from airflow.providers.google.cloud.operators.bigquery import BigQueryInsertJobOperator
from airflow.sdk.exceptions import AirflowException, AirflowFailException
from google.api_core.exceptions import Conflict, GoogleAPICallError, NotFound
from google.cloud import bigquery
from google.cloud.bigquery.retry import DEFAULT_RETRY

from landfall_dags import journal_object, store
from landfall_dags.agenda import may_merge
from landfall_dags.errors import BatchFault
from landfall_dags.identity import split_uri
from landfall_dags.journal import Manifest, parse_manifest
from landfall_dags.load import JobState, first_unspent, is_batch_fault, replay_configuration, with_schema

# The provider's calls have no time limit of their own and are repeated for ten minutes, which it does not let
# one choose: so the client is called. Airflow tries again, with longer pauses than a call could wait for.
_PATIENCE: dict[str, Any] = {"retry": DEFAULT_RETRY.with_timeout(120), "timeout": 60}

# BigQuery keeps the result of a query for 24 hours; whoever records the batch reads it soon after.
_RESULT_LASTS = timedelta(hours=12)


class BatchJobOperator(BigQueryInsertJobOperator):
    """Submits a batch's job of one kind once, however often it is tried, and says whose fault its end is.

    The job's id is the stem given as `job_id` and the first number that is not spent. A job that is done
    under it is success; one that is live is waited for: two of a kind never run beside each other.
    """

    # The provider's links need XComs that only its own execute pushes.
    operator_extra_links = ()  # type: ignore[assignment]
    # The job's id once there is one, for the ledger.
    resource: str | None = None

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(deferrable=False, durable=False, **kwargs)

    def _connect(self) -> bigquery.Client:
        self.hook = BigQueryHook(
            gcp_conn_id=self.gcp_conn_id, use_legacy_sql=False, impersonation_chain=self.impersonation_chain
        )
        self._add_job_labels(self.hook)
        client: bigquery.Client = self.hook.get_client(project_id=self.project_id, location=self.location)
        return client

    def _only_job(self, client: bigquery.Client, submit: Callable[[str], Any]) -> Any:
        job_id, state = first_unspent(str(self.job_id), lambda job_id: self._state(client, job_id))
        if state is not JobState.ABSENT:
            self.log.info("job %s is %s: not submitting another", job_id, state.value)
            return self._find(client, job_id)
        try:
            return submit(job_id)
        except Conflict as conflict:
            # Submitted by someone else meanwhile, or by us with the answer lost.
            return self._expect(client, job_id, conflict)

    def _state(self, client: bigquery.Client, job_id: str) -> JobState:
        job = self._find(client, job_id)
        if job is None:
            return JobState.ABSENT
        if job.state != "DONE":
            return JobState.LIVE
        return JobState.FAILED if job.error_result else JobState.DONE

    def _find(self, client: bigquery.Client, job_id: str) -> Any:
        try:
            return client.get_job(job_id, project=self.project_id, location=self.location, **_PATIENCE)
        except NotFound:
            return None

    def _expect(self, client: bigquery.Client, job_id: str, conflict: Conflict) -> Any:
        job = self._find(client, job_id)
        if job is None:
            raise AirflowException(
                f"expected job {job_id} to be found, for its id is taken; BigQuery knows none. "
                f"Look for it in location {self.location} of project {self.project_id}."
            ) from conflict
        return job

    def _finish(self, client: bigquery.Client, job: Any, **more: Any) -> None:
        """Wait for a job; BatchFault if it failed because of what it was given."""
        self.job_id = self.resource = str(job.job_id)  # what is cancelled when the task is killed
        try:
            job.result(retry=_PATIENCE["retry"], **more)
        except GoogleAPICallError as error:
            known = self._find(client, self.job_id)
            ended: Any = known.error_result if known is not None else None
            if not ended or not is_batch_fault(ended["reason"]):
                raise
            raise BatchFault(
                f"expected job {self.job_id} to end well, found {ended['reason']}: {ended['message']}"
            ) from error


class LoadBatchOperator(BatchJobOperator):
    """Loads a batch's Parquet files.

    A failed job spends its id, and loaded nothing. No rows, no job: a table takes 1,500 load jobs a day,
    failed ones included.

    Args:
        rows: how many rows the load must bring (templated, a decimal number).
        new_columns: columns of text to add to the table where it lacks them (templated, comma between).
    """

    template_fields = (*BigQueryInsertJobOperator.template_fields, "rows", "new_columns")

    def __init__(self, *, rows: str, new_columns: str = "", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.rows = rows
        self.new_columns = new_columns

    def execute(self, context: Any) -> str | None:
        expected = int(self.rows)
        if expected == 0:
            self.log.info("no rows to load")
            return None
        client = self._connect()
        job = self._only_job(client, lambda job_id: self._load(client, job_id))
        self._finish(client, job)
        if job.output_rows != expected:
            message = (
                f"{job.source_uris}: expected load job {job.job_id} to bring {expected} rows, "
                f"found {job.output_rows}. The rows are in the table: compare the folder with its "
                "metrics.json before anything is loaded again."
            )
            raise AirflowFailException(message) from BatchFault(message)
        return self.job_id

    def _load(self, client: bigquery.Client, job_id: str) -> Any:
        load = self._configuration(client)
        return client.load_table_from_uri(
            load["load"]["sourceUris"],
            bigquery.TableReference.from_api_repr(load["load"]["destinationTable"]),
            job_id=job_id,
            project=self.project_id,
            location=self.location,
            job_config=cast(bigquery.LoadJobConfig, bigquery.LoadJobConfig.from_api_repr(load)),
            **_PATIENCE,
        )

    def _configuration(self, client: bigquery.Client) -> dict[str, Any]:
        destination = self.configuration["load"]["destinationTable"]
        table = client.get_table(bigquery.TableReference.from_api_repr(destination), **_PATIENCE)
        fields = [field.to_api_repr() for field in table.schema]
        new_columns = [name for name in self.new_columns.split(",") if name]
        return with_schema(self.configuration, fields, new_columns)


class CallTrustedOperator(BatchJobOperator):
    """Calls the procedure that brings the open batch into trusted; for a replay, the one that replaces rows.

    A call that failed, or whose result BigQuery may have forgotten, spends its id: calling again changes
    nothing. Two at once could both insert a key that is new, for BigQuery lets MERGEs that only insert pass
    each other. A batch that is closed, divided or given up is never called for again: what its files gave may
    have been replaced since.

    Args:
        replaces: `True` where that is to be done (templated).
        replay_procedure: its name.
        manifest_uri: where the batch's files are named (templated); they may be too many for an XCom.
    """

    template_fields = (*BigQueryInsertJobOperator.template_fields, "replaces", "manifest_uri")
    # The name of the manifest ends in .json, which the provider would take for a file of templates.
    template_ext = ()

    def __init__(self, *, replaces: str, replay_procedure: str, manifest_uri: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.replaces = replaces
        self.replay_procedure = replay_procedure
        self.manifest_uri = manifest_uri

    def execute(self, context: Any) -> str | None:
        manifest = self._open_manifest()
        if self.replaces == str(True):
            identities = [file.source.identity for file in manifest.files]
            self.configuration = replay_configuration(self.configuration, self.replay_procedure, identities)
        client = self._connect()
        job = self._only_job(client, lambda job_id: self._call(client, job_id))
        # A job that failed is not submitted again under an id that nobody knows.
        self._finish(client, job, job_retry=None)
        return self.job_id

    def _call(self, client: bigquery.Client, job_id: str) -> Any:
        return client.query(
            self.configuration["query"]["query"],
            job_config=cast(
                bigquery.QueryJobConfig, bigquery.QueryJobConfig.from_api_repr(self.configuration)
            ),
            job_id=job_id,
            project=self.project_id,
            location=self.location,
            job_retry=None,
            **_PATIENCE,
        )

    def _state(self, client: bigquery.Client, job_id: str) -> JobState:
        state = super()._state(client, job_id)
        if state is JobState.DONE and self._find(client, job_id).ended < datetime.now(UTC) - _RESULT_LASTS:
            return JobState.FAILED
        return state

    def _open_manifest(self) -> Manifest:
        objects = store.connect()
        stored = objects.read(self.manifest_uri)
        if stored is None:
            raise AirflowFailException(
                f"{self.manifest_uri}: expected what claim_batch wrote, found no object. Clear claim_batch."
            )
        manifest = parse_manifest(stored.text, self.manifest_uri)
        bucket, _ = split_uri(self.manifest_uri)
        journal = journal_object.read(objects, bucket, manifest.entry.dataset).journal
        batch = journal.find(manifest.entry.batch_id)
        if not may_merge(batch):
            raise AirflowFailException(
                f"{self.manifest_uri}: expected the batch to be open in the journal, found it "
                f"{batch.fate if batch else 'closed'}. ops.batches says how it ended; to bring its files "
                "into trusted again, replay them."
            )
        return manifest
