"""One try of a task, in a process of its own: Airflow's own task runner over the executor's state."""

import logging
import os
import sys
import traceback
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid5

import structlog
from airflow.sdk import DagRunState, TaskInstanceState
from airflow.sdk.api.datamodels._generated import DagRun, DagRunType, TIRunContext
from airflow.sdk.execution_time import task_runner

from tests.chaos.fast.comms import Comms
from tests.chaos.fast.rules import retry_at
from tests.chaos.fast.state import Run, State, Task

_DAG_VERSION = uuid5(UUID(int=0), "landfall")


def run(path: Path, dag: Any, run: Run, task: Task, dag_ids: Iterable[str]) -> int:
    """Try `task` of `dag` to its end; `path` is the state's. Returns the exit code of the process."""
    state = State(path)
    operator = dag.get_task(task.task_id)
    comms = Comms(state, task, dag_ids, lambda now: next_try(operator, task, now))
    task_runner.SUPERVISOR_COMMS = comms  # type: ignore[assignment]
    instance = _instance(operator, run, task, state)
    log = structlog.get_logger("task")
    context = instance.get_template_context()
    ended, _, error = task_runner.run(instance, context, log)
    context["exception"] = error
    task_runner.finalize(instance, ended, context, log, error)
    comms.finish()
    return int(instance._terminal_state_send_failed)


def run_as_child(log: Path, *arguments: Any) -> None:
    """Be the child of a fork: `run`, with the output in `log`; never returns."""
    code = 1
    try:
        output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.dup2(output, 1)
        os.dup2(output, 2)
        code = run(*arguments)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        # What the executor has open is not the child's to close.
        os._exit(code)


def next_try(operator: Any, task: Task, now: datetime) -> datetime:
    """When the task is tried again if this try failed now."""
    name = f"{task.dag_id}#{task.task_id}#None"
    delay, longest = operator.retry_delay, operator.max_retry_delay
    if not isinstance(delay, timedelta):
        delay = timedelta(seconds=delay)
    return retry_at(now, task.try_number, name, delay, operator.retry_exponential_backoff, longest)


def set_up_logs() -> None:
    """Let what tasks log go to the standard output of their process."""
    logging.basicConfig(
        stream=sys.stdout,
        level=logging.INFO,
        force=True,
        format="%(asctime)s %(levelname)s %(name)s %(message)s",
    )


def _instance(operator: Any, run: Run, task: Task, state: State) -> Any:
    return task_runner.RuntimeTaskInstance.model_construct(
        id=UUID(task.id),
        task_id=task.task_id,
        dag_id=task.dag_id,
        run_id=task.run_id,
        try_number=task.try_number,
        map_index=task.map_index,
        dag_version_id=_DAG_VERSION,
        task=operator,
        bundle_instance=None,
        _ti_context_from_server=TIRunContext(
            dag_run=_dag_run(run),
            max_tries=task.max_tries,
            should_retry=task.may_retry,
            xcom_keys_to_clear=state.pushed(task.key),
        ),
        max_tries=task.max_tries,
        start_date=task.started_at or datetime.now(UTC),
        state=TaskInstanceState.RUNNING,
    )


def _dag_run(run: Run) -> DagRun:
    return DagRun(
        dag_id=run.dag_id,
        run_id=run.run_id,
        logical_date=None,
        data_interval_start=None,
        data_interval_end=None,
        run_after=run.run_after,
        start_date=run.started_at,
        end_date=None,
        run_type=DagRunType.MANUAL,
        state=DagRunState.RUNNING,
        conf=run.conf,
        consumed_asset_events=[],
        partition_key=None,
    )
