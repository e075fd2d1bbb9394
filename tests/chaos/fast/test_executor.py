"""The executor over small DAGs: what Airflow promises a task, and what a dead process leaves."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.chaos.fast.executor import Executor
from tests.chaos.fast.state import State
from tests.chaos.fast.zombie import Zombie

Done = dict[str, list[str | None]]


class Bench:
    """An executor of some DAGs, and its state."""

    def __init__(self, folder: Path, *dags: Any) -> None:
        self._folder = folder
        self._dags = {dag.dag_id: dag for dag in dags}
        self.state = State(folder / "state.sqlite")
        self.restart()

    def restart(self) -> None:
        self.executor = Executor(self._folder / "state.sqlite", self._dags, self._folder)
        self.executor.recover()

    def ask(self, dag_id: str, run_id: str = "r", seconds: float = 0, **conf: Any) -> bool:
        return self.state.add_run(dag_id, run_id, conf, datetime.now(UTC) + timedelta(seconds=seconds))

    def step_until(self, condition: Callable[[], object]) -> None:
        deadline = time.monotonic() + 120
        while not condition():
            assert time.monotonic() < deadline, [
                self.states(run.dag_id, run.run_id) for run in self.state.runs()
            ]
            self.executor.step()
            time.sleep(0.01)

    def finish(self) -> None:
        self.step_until(self.executor.is_idle)

    def states(self, dag_id: str, run_id: str = "r") -> Done:
        found: Done = {}
        for task in self.tasks(dag_id, run_id):
            found.setdefault(task.task_id, []).append(task.state)
        return found

    def tasks(self, dag_id: str, run_id: str = "r") -> list[Any]:
        (run,) = [run for run in self.state.runs() if (run.dag_id, run.run_id) == (dag_id, run_id)]
        return self.state.tasks(run)

    def run_state(self, dag_id: str, run_id: str = "r") -> str:
        return {(run.dag_id, run.run_id): run.state for run in self.state.runs()}[dag_id, run_id]

    def pulled(self, dag_id: str, task_id: str, key: str = "return_value") -> list[Any]:
        return [value for _, value in self.state.pull(dag_id, "r", task_id, key)]


@pytest.fixture
def make_bench(tmp_path: Path) -> Iterator[Callable[..., Bench]]:
    made: list[Bench] = []

    def make(*dags: Any) -> Bench:
        made.append(Bench(tmp_path, *dags))
        return made[-1]

    yield make
    for bench in made:
        for task in bench.state.running():
            if task.pid:
                os.kill(task.pid, signal.SIGKILL)
        bench.state.close()


def test_a_task_gets_what_airflow_gives_it(make_bench: Callable[..., Bench]) -> None:
    from airflow.sdk import DAG, task

    def remember(context: Any) -> None:
        context["ti"].xcom_push("begun", context["ti"].start_date.isoformat())

    with DAG("given", schedule=None, max_active_runs=1, default_args={"pre_execute": remember}) as dag:

        @task(multiple_outputs=True)
        def first(**context: Any) -> dict[str, Any]:
            return {"name": context["dag_run"].conf["name"], "run": context["run_id"]}

        @task
        def second(name: str, **context: Any) -> list[Any]:
            ti = context["ti"]
            crumbs = ti.get_task_breadcrumbs(dag_id=ti.dag_id, run_id=ti.run_id)
            counted = ti.get_dr_count(dag_id=ti.dag_id, states=["running"])
            begun = ti.xcom_pull(task_ids="first", key="begun")
            absent = ti.xcom_pull(task_ids="first", key="nothing")
            named = [f"{crumb['task_id']} {crumb['state']}" for crumb in crumbs]
            return [name, ti.try_number, ti.max_tries, counted, bool(begun), absent, named]

        made: Any = first()
        second(made["name"])
    bench = make_bench(dag)
    bench.ask("given", name="n")
    bench.finish()
    assert bench.run_state("given") == "success"
    assert bench.pulled("given", "first") == [{"name": "n", "run": "r"}]
    assert bench.pulled("given", "second") == [["n", 1, 0, 1, True, None, ["first success"]]]


def test_failures_are_retried_and_then_told(make_bench: Callable[..., Bench]) -> None:
    from airflow.sdk import DAG, task
    from airflow.sdk.exceptions import AirflowFailException

    def remember(context: Any) -> None:
        context["ti"].xcom_push("failure", str(context["exception"]))

    hopeful = {"retries": 1, "retry_delay": timedelta(seconds=0.2), "on_failure_callback": remember}
    with DAG("failing", schedule=None, max_active_runs=1, default_args=hopeful) as dag:

        @task
        def mends(**context: Any) -> int:
            if context["ti"].try_number == 1:
                raise OSError("not yet")
            return int(context["ti"].try_number)

        @task
        def fails(**context: Any) -> None:
            raise OSError(f"try {context['ti'].try_number}")

        @task
        def gives_up(**context: Any) -> None:
            raise AirflowFailException(f"try {context['ti'].try_number}")

        @task
        def never() -> None: ...

        @task(trigger_rule="all_done")
        def told(**context: Any) -> list[str]:
            return [context["ti"].xcom_pull(task_ids=name, key="failure") for name in ("fails", "gives_up")]

        [mends(), fails(), gives_up()] >> never() >> told()
        told_of = [dag.get_task(name) for name in ("mends", "fails", "gives_up")]
        told_of >> dag.get_task("told")
    bench = make_bench(dag)
    bench.ask("failing")
    bench.finish()
    assert bench.states("failing") == {
        "mends": ["success"],
        "fails": ["failed"],
        "gives_up": ["failed"],
        "never": ["upstream_failed"],
        "told": ["success"],
    }
    assert bench.run_state("failing") == "success"
    assert bench.pulled("failing", "told") == [["try 2", "try 1"]]
    assert bench.pulled("failing", "mends") == [2]
    assert bench.pulled("failing", "mends", "failure") == []


def sweep_and_target() -> tuple[Any, Any]:
    from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator
    from airflow.sdk import DAG, task
    from airflow.sdk.exceptions import AirflowSkipException

    with DAG("sweeping", schedule=None, max_active_runs=1) as sweeping:

        @task
        def find(**context: Any) -> list[dict[str, Any]]:
            return [
                {"trigger_dag_id": "target", "trigger_run_id": name, "conf": {"asked": name}}
                for name in context["dag_run"].conf["names"]
            ]

        TriggerDagRunOperator.partial(
            task_id="ask", logical_date=None, skip_when_already_exists=True
        ).expand_kwargs(find())
    with DAG("target", schedule=None, max_active_runs=1) as target:

        @task
        def skips() -> None:
            raise AirflowSkipException("nothing to do")

        @task
        def follows(**context: Any) -> None: ...

        skips() >> follows()
    return sweeping, target


def test_a_mapped_task_asks_for_each_run_once(make_bench: Callable[..., Bench]) -> None:
    bench = make_bench(*sweep_and_target())
    bench.ask("sweeping", names=["a", "b", "a"])
    bench.finish()
    assert sorted(bench.states("sweeping")["ask"], key=str) == ["skipped", "success", "success"]
    assert bench.states("target", "a") == {"skips": ["skipped"], "follows": ["skipped"]}
    assert bench.run_state("target", "b") == "success"
    bench.ask("sweeping", "none", names=[])
    bench.finish()
    assert bench.states("sweeping", "none")["ask"] == ["skipped"]


def waiter(told: Path, retries: int = 1) -> Any:
    """A DAG whose task waits in its first try until the file `told` is there, or a minute."""
    from airflow.sdk import DAG, task

    again = {"retries": retries, "retry_delay": timedelta(seconds=0.1)}
    with DAG("slow", schedule=None, max_active_runs=1, default_args=again) as dag:

        @task
        def waits(**context: Any) -> int:
            number, deadline = int(context["ti"].try_number), time.monotonic() + 60
            while number == 1 and not told.exists() and time.monotonic() < deadline:
                time.sleep(0.01)
            context["ti"].xcom_push(f"end of {number}", "here")
            return number

        waits()
    return dag


def test_runs_wait_their_turn_and_their_time(make_bench: Callable[..., Bench], tmp_path: Path) -> None:
    told = tmp_path / "told"
    bench = make_bench(waiter(told))
    assert bench.ask("slow", "one")
    assert bench.ask("slow", "two")
    assert bench.ask("slow", "later", seconds=3600)
    assert not bench.ask("slow", "one")
    bench.step_until(lambda: bench.state.running())
    bench.executor.step()
    assert [bench.run_state("slow", name) for name in ("one", "two")] == ["running", "queued"]
    told.touch()
    bench.step_until(lambda: bench.run_state("slow", "two") == "success")
    assert bench.run_state("slow", "later") == "queued"


def running_pid(bench: Bench) -> int:
    bench.step_until(lambda: any(task.pid for task in bench.state.running()))
    (task,) = bench.state.running()
    return int(task.pid or 0)


def test_a_killed_try_is_tried_again_as_often_as_any(
    make_bench: Callable[..., Bench], tmp_path: Path
) -> None:
    bench = make_bench(waiter(tmp_path / "never"))
    bench.ask("slow")
    os.kill(running_pid(bench), signal.SIGKILL)
    bench.finish()
    assert bench.pulled("slow", "waits") == [2]
    assert bench.run_state("slow") == "success"


def test_a_killed_last_try_fails_its_run(make_bench: Callable[..., Bench], tmp_path: Path) -> None:
    bench = make_bench(waiter(tmp_path / "never", retries=0))
    bench.ask("slow")
    os.kill(running_pid(bench), signal.SIGKILL)
    bench.finish()
    assert bench.run_state("slow") == "failed"


def test_a_zombie_goes_on_beside_its_retry_and_is_not_heard(
    make_bench: Callable[..., Bench], tmp_path: Path
) -> None:
    told = tmp_path / "told"
    bench = make_bench(waiter(told))
    bench.ask("slow")
    running_pid(bench)
    (task,) = bench.state.running()
    zombie = Zombie(tmp_path / "state.sqlite", task, frozen=0.5, unheard=60)
    bench.step_until(lambda: bench.run_state("slow") == "success")
    assert zombie.is_alive()
    told.touch()
    bench.step_until(lambda: not zombie.is_alive())
    # Airflow takes an XCom from anyone, but how a task ended from its present try alone.
    assert bench.pulled("slow", "waits", "end of 1") == ["here"]
    assert [(task.state, task.try_number) for task in bench.tasks("slow")] == [("success", 2)]


def test_an_executor_that_died_is_followed_by_one_that_goes_on(
    make_bench: Callable[..., Bench], tmp_path: Path
) -> None:
    bench = make_bench(waiter(tmp_path / "never"))
    bench.ask("slow")
    pid = running_pid(bench)
    bench.restart()
    bench.step_until(lambda: bench.run_state("slow") == "success")
    assert [(task.state, task.try_number) for task in bench.tasks("slow")] == [("success", 2)]
    os.kill(pid, signal.SIGKILL)
