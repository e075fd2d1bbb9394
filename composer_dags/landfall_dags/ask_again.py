"""The end of a run: the request for the run that takes what this one left."""

from datetime import UTC, datetime
from typing import Any

from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator
from airflow.sdk.exceptions import AirflowSkipException

from landfall_dags import agenda, asking, journal_object, store
from landfall_dags.identity import is_pending, replay_run_id, split_uri
from landfall_dags.journal import Journal
from landfall_dags.settings import Settings


class AskAgainOperator(TriggerDagRunOperator):
    """Asks for the run that takes what this one left, whether it went well or not.

    That is a postponed replay, or else whatever is pending in landing or open in the journal, in the run of
    the window in which it is due.

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
        objects, now = store.connect(), datetime.now(UTC)
        journal = journal_object.read(objects, self._settings.lake_bucket, self._dataset).journal
        if replay := self.postponed or _waiting_replay(context):
            self._ask_for_replay(replay, context["run_id"], agenda.due_at(journal, now, pending=True) or now)
        else:
            self._ask_for_window(context, journal, self._is_pending(objects), now)
        super().execute(context)

    def _ask_for_replay(self, replay: str, run: str, due: datetime) -> None:
        self.conf = {"replay": replay}
        self.trigger_run_id = replay_run_id(self._dataset, run)
        self.run_after = due

    def _ask_for_window(self, context: Any, journal: Journal, pending: bool, now: datetime) -> None:
        due = agenda.due_at(journal, now, pending)
        if due is None:
            raise AirflowSkipException("nothing is open or pending")
        if due <= now and context["ti"].get_dr_count(
            dag_id=self.trigger_dag_id,
            run_ids=asking.runs_that_are_due(self._dataset, now, self._settings),
            states=["queued"],
        ):
            raise AirflowSkipException("another run is waiting for this one: it takes whatever is due")
        asked = asking.run_of(self._dataset, due, self._settings)
        self.trigger_run_id, self.run_after = asked.run_id, asked.run_after

    def _is_pending(self, objects: store.Store) -> bool:
        listed = objects.list(self._settings.landing_bucket, f"{self._dataset}/")
        return any(is_pending(self._dataset, split_uri(file.uri)[1]) for file in listed)


def _waiting_replay(context: Any) -> str:
    """The replay that a run was asked for which was told to wait, and so claimed nothing; else empty."""
    replay = (context["dag_run"].conf or {}).get("replay")
    ti = context["ti"]
    if not replay:
        return ""
    crumbs = ti.get_task_breadcrumbs(dag_id=ti.dag_id, run_id=ti.run_id)
    claim = next((crumb["state"] for crumb in crumbs if crumb["task_id"] == "claim_batch"), None)
    return str(replay) if claim == "skipped" else ""
