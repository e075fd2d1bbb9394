"""What the tasks of a run leave for the one that records it: when they started, what, and why they failed."""

from datetime import datetime
from typing import Any

from landfall_dags.blame import blame_of
from landfall_dags.cluster import shape_of
from landfall_dags.cost import Cost, estimate
from landfall_dags.identity import timestamp
from landfall_dags.ledger import Run, has_run, steps_of

STARTED, FAILURE, BLAME, RESOURCE = "started_at", "failure", "blame", "resource"
# They return the id of the job that they started.
_JOB_TASKS = frozenset({"csv_to_parquet", "load_raw", "load_rejected", "call_trusted"})
_MOST_FAILURE = 1000  # characters


def remember_start(context: Any) -> None:
    """Before a task: note when it started, for the ledger; Airflow tells others only how long it took."""
    context["ti"].xcom_push(STARTED, context["ti"].start_date.isoformat())


def remember_failure(context: Any) -> None:
    """After a task's last failure: note why and of which job for the ledger, whose fault for the journal."""
    error = context.get("exception")
    context["ti"].xcom_push(FAILURE, str(error or "")[:_MOST_FAILURE])
    context["ti"].xcom_push(BLAME, blame_of(error))
    if resource := getattr(context.get("task"), "resource", None):
        context["ti"].xcom_push(RESOURCE, resource)


def breadcrumbs(context: Any) -> list[dict[str, Any]]:
    """What Airflow says of each task of the run: its id, its state, how long it took."""
    ti = context["ti"]
    return list(ti.get_task_breadcrumbs(dag_id=ti.dag_id, run_id=ti.run_id))


def run_of(batch: dict[str, Any], config: dict[str, Any] | None, context: Any, now: datetime) -> Run:
    """The run so far, by what its tasks left; `config` is its cluster's, None where it made none."""
    ti = context["ti"]
    ran = [crumb for crumb in breadcrumbs(context) if has_run(crumb)]
    started = {
        crumb["task_id"]: datetime.fromisoformat(text)
        for crumb in ran
        if (text := ti.xcom_pull(task_ids=crumb["task_id"], key=STARTED))
    }
    steps = steps_of(ran, started, {crumb["task_id"]: _resource(ti, crumb, batch) for crumb in ran})
    finished = {step.task: step.finished_at for step in steps}
    cost = Cost(None, None)
    if config is not None and "create_cluster" in started:
        # Deleting goes on beside the load: until it is done, the cluster costs until now.
        ended = finished.get("delete_cluster")
        lived = (datetime.fromisoformat(ended) if ended else now) - started["create_cluster"]
        cost = estimate(shape_of(config), lived.total_seconds())
    return Run(ti.run_id, timestamp(now), batch.get("cluster_name"), cost, steps)


def _resource(ti: Any, crumb: dict[str, Any], batch: dict[str, Any]) -> str | None:
    """The cluster or job that a task started, by what it left when it ended."""
    task = crumb["task_id"]
    if task == "create_cluster":
        return batch.get("cluster_name")
    if task not in _JOB_TASKS:
        return None
    pushed = ti.xcom_pull(task_ids=task, key="return_value" if crumb["state"] == "success" else RESOURCE)
    return None if pushed is None else str(pushed)
