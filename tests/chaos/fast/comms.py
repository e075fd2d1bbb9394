"""Answers what a running task asks Airflow: its supervisor and api-server in one, over the executor's state.

Whatever Airflow leaves unchecked is unchecked here: a try that was declared dead still writes XComs and asks
for runs; only how it ended is not heard.
"""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from functools import singledispatchmethod
from typing import Any

from airflow.sdk.exceptions import AirflowRuntimeError, ErrorType
from airflow.sdk.execution_time import comms

from tests.chaos.fast.state import State, Task


class Comms:
    """Stands for `SUPERVISOR_COMMS` in the process of one try.

    Args:
        dag_ids: the DAGs that there are; a run of another one cannot be asked for.
        retry_at: when the task is tried again if it failed now.
    """

    def __init__(
        self, state: State, task: Task, dag_ids: Iterable[str], retry_at: Callable[[datetime], datetime]
    ) -> None:
        self._state = state
        self._task = task
        self._dag_ids = frozenset(dag_ids)
        self._retry_at = retry_at
        # Airflow hears of a failure or a skip only when the process has ended: after its callbacks.
        self._ended: tuple[str, datetime] | None = None
        self.socket = None

    def send(self, msg: Any) -> Any:
        """Do or answer what Airflow's supervisor would."""
        return self._answer(msg)

    def finish(self) -> None:
        """Report what is reported when the process ends."""
        if self._ended is not None:
            self._state.end_try(self._task.id, *self._ended)

    @singledispatchmethod
    def _answer(self, msg: Any) -> Any:
        raise NotImplementedError(
            f"expected a message that tests/chaos/fast/comms.py answers, found {type(msg).__name__}"
        )

    @_answer.register
    def _(self, msg: comms.SetXCom) -> None:
        key = (msg.dag_id, msg.run_id, msg.task_id, _index(msg.map_index))
        self._state.push(key, msg.key, msg.value, msg.mapped_length)

    @_answer.register
    def _(self, msg: comms.DeleteXCom) -> None:
        self._state.drop((msg.dag_id, msg.run_id, msg.task_id, _index(msg.map_index)), msg.key)

    @_answer.register
    def _(self, msg: comms.GetXCom) -> comms.XComResult:
        values = dict(self._state.pull(msg.dag_id, msg.run_id, msg.task_id, msg.key))
        return comms.XComResult(key=msg.key, value=values.get(_index(msg.map_index)))

    @_answer.register
    def _(self, msg: comms.GetXComCount) -> comms.XComCountResponse:
        return comms.XComCountResponse(
            len=len(self._state.pull(msg.dag_id, msg.run_id, msg.task_id, msg.key))
        )

    @_answer.register
    def _(self, msg: comms.GetXComSequenceSlice) -> comms.XComSequenceSliceResult:
        values = [value for _, value in self._state.pull(msg.dag_id, msg.run_id, msg.task_id, msg.key)]
        return comms.XComSequenceSliceResult(root=values[msg.start : msg.stop : msg.step])

    @_answer.register
    def _(self, msg: comms.GetDRCount) -> comms.DRCount:
        return comms.DRCount(count=self._state.count_runs(msg.dag_id, msg.run_ids, msg.states))

    @_answer.register
    def _(self, msg: comms.GetTaskBreadcrumbs) -> comms.TaskBreadcrumbsResult:
        (run,) = [run for run in self._state.runs() if (run.dag_id, run.run_id) == (msg.dag_id, msg.run_id)]
        return comms.TaskBreadcrumbsResult(
            breadcrumbs=[
                _crumb(task)
                for task in self._state.tasks(run)
                if task.ended_at and task.state != "up_for_retry"
            ]
        )

    @_answer.register
    def _(self, msg: comms.TriggerDagRun) -> comms.OKResponse | comms.ErrorResponse:
        if msg.dag_id not in self._dag_ids:
            raise AirflowRuntimeError(
                comms.ErrorResponse(error=ErrorType.API_SERVER_ERROR, detail={"status_code": 404})
            )
        run_after = msg.run_after or datetime.now(UTC)
        if self._state.add_run(msg.dag_id, msg.run_id, msg.conf, run_after):
            return comms.OKResponse(ok=True)
        return comms.ErrorResponse(error=ErrorType.DAGRUN_ALREADY_EXISTS)

    @_answer.register
    def _(self, msg: comms.SucceedTask) -> None:
        self._end("success", datetime.now(UTC))

    @_answer.register
    def _(self, msg: comms.RetryTask) -> None:
        self._end("up_for_retry", datetime.now(UTC))

    @_answer.register
    def _(self, msg: comms.TaskState) -> None:
        self._ended = (str(msg.state.value), datetime.now(UTC))

    @_answer.register(comms.SetRenderedFields)
    @_answer.register(comms.SetRenderedMapIndex)
    @_answer.register(comms.MaskSecret)
    def _(self, msg: Any) -> None:
        """Only shown, or hidden, in Airflow's web page."""

    def _end(self, state: str, now: datetime) -> None:
        retry_at = self._retry_at(now) if state == "up_for_retry" else None
        if not self._state.end_try(self._task.id, state, now, retry_at):
            raise AirflowRuntimeError(
                comms.ErrorResponse(error=ErrorType.API_SERVER_ERROR, detail={"status_code": 409})
            )


def _index(map_index: int | None) -> int:
    return -1 if map_index is None else map_index


def _crumb(task: Task) -> dict[str, Any]:
    duration = (
        (task.ended_at - task.started_at).total_seconds() if task.ended_at and task.started_at else None
    )
    return {
        "task_id": task.task_id,
        "map_index": task.map_index,
        "state": task.state,
        "operator": None,
        "duration": duration,
    }
