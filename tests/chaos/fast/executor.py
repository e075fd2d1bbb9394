"""Runs the real DAGs as Airflow's scheduler would, each try of a task in a forked process.

Airflow and the DAG files are imported once; a try costs a fork. Killed at any moment, an executor that is
started anew goes on where the state says: what was being tried is tried again, beside what may still run.
"""

import argparse
import functools
import importlib
import os
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.chaos.fast import rules
from tests.chaos.fast.state import QUEUED, RUNNING, UP_FOR_RETRY, Run, State, Task

DAGS = Path(__file__).resolve().parents[3] / "composer_dags"
# As many tasks at once as the local cloud's Airflow runs.
_PARALLEL = 4
_PAUSE_SECONDS, _IDLE_SECONDS = 0.03, 0.1


class Executor:
    """Executes runs of `dags` (by their ids) out of the state at `path`; tries write their logs to `logs`."""

    def __init__(self, path: Path, dags: Mapping[str, Any], logs: Path) -> None:
        self._dags = dags
        self._logs = logs
        self._state = State(path)
        self._nodes = {dag_id: [node_of(dag, task) for task in dag.tasks] for dag_id, dag in dags.items()}
        self._children: dict[int, Task] = {}

    def recover(self) -> None:
        """Take over from an executor that died."""
        self._state.forget_running()

    def step(self) -> None:
        """Take note of what ended, and start whatever may start now."""
        self._reap()
        self._admit()
        for run in self._state.runs(RUNNING):
            self._advance(run)

    def is_idle(self) -> bool:
        """Whether no run is queued or running, and no try under way."""
        return not self._children and not self._state.runs(QUEUED, RUNNING)

    def _reap(self) -> None:
        for pid in list(self._children):
            ended, status = os.waitpid(pid, os.WNOHANG)
            if ended:
                task = self._children.pop(pid)
                if status != 0:
                    self._fail(task)

    def _fail(self, task: Task) -> None:
        """Count a try that died without a word as failed, as Airflow does: no callback is run."""
        now = datetime.now(UTC)
        if task.may_retry:
            self._state.end_try(task.id, UP_FOR_RETRY, now, self._next_try(task, now))
        else:
            self._state.end_try(task.id, rules.FAILED, now)

    def _admit(self) -> None:
        now = datetime.now(UTC)
        active = [run.dag_id for run in self._state.runs(RUNNING)]
        for run in self._state.runs(QUEUED):
            dag = self._dags.get(run.dag_id)
            if dag and run.run_after <= now and active.count(run.dag_id) < dag.max_active_runs:
                self._state.start_run(run, {task.task_id: task.retries for task in dag.tasks}, now)
                active.append(run.dag_id)

    def _advance(self, run: Run) -> None:
        nodes = self._nodes[run.dag_id]
        while True:
            tasks = self._state.tasks(run)
            states = _states(tasks)
            if ended := rules.run_ends(nodes, states):
                self._state.end_run(run, ended, datetime.now(UTC))
                return
            changes = [self._settle(run, node, tasks, states) for node in nodes]
            if not any(changes):
                break
        for node in nodes:
            for task in tasks:
                if task.task_id == node.task_id and self._may_run(task, node, states):
                    self._launch(run, task)

    def _settle(self, run: Run, node: rules.Node, tasks: list[Task], states: rules.States) -> bool:
        """End without running, or expand, what can be by now; returns whether anything changed."""
        changed = False
        for task in tasks:
            if task.task_id != node.task_id or task.state not in (None, UP_FOR_RETRY):
                continue
            verdict = rules.decide(node, states)
            if verdict in (rules.Verdict.SKIP, rules.Verdict.UPSTREAM_FAILED):
                self._state.end_task(task, verdict.value, datetime.now(UTC))
                changed = True
            elif verdict is rules.Verdict.RUN and self._waits_for_expansion(run, task):
                self._state.expand(run, task, self._length(run, task))
                changed = True
        return changed

    def _may_run(self, task: Task, node: rules.Node, states: rules.States) -> bool:
        if len(self._children) >= _PARALLEL or rules.decide(node, states) is not rules.Verdict.RUN:
            return False
        if task.state == UP_FOR_RETRY:
            return task.retry_at is None or task.retry_at < datetime.now(UTC)
        return task.state is None

    def _launch(self, run: Run, task: Task) -> None:
        task = self._state.begin_try(task, datetime.now(UTC))
        log = self._logs / f"{run.run_id}.{task.task_id}.{task.map_index}.{task.try_number}.log"
        path = self._state.path
        # SQLite's connections do not survive a fork.
        self._state.close()
        pid = os.fork()
        if pid == 0:
            from tests.chaos.fast.attempt import run_as_child

            run_as_child(log, path, self._dags[run.dag_id], run, task, tuple(self._dags))
        self._state = State(path)
        self._children[pid] = task
        self._state.note_pid(task.id, pid)

    def _waits_for_expansion(self, run: Run, task: Task) -> bool:
        return task.map_index < 0 and self._dags[run.dag_id].get_task(task.task_id).is_mapped

    def _length(self, run: Run, task: Task) -> int:
        mapped = self._dags[run.dag_id].get_task(task.task_id)
        (source,) = {operator.task_id for operator in mapped.iter_mapped_dependencies()}
        length = self._state.length(run, source)
        if length is None:
            raise RuntimeError(
                f"{run.run_id}: expected {source} to have pushed what {task.task_id} maps, found nothing"
            )
        return length

    def _next_try(self, task: Task, now: datetime) -> datetime:
        from tests.chaos.fast.attempt import next_try

        return next_try(self._dags[task.dag_id].get_task(task.task_id), task, now)


def node_of(dag: Any, task: Any) -> rules.Node:
    """What the rules need to know of an operator in its DAG."""
    upstream = frozenset(task.upstream_task_ids)
    above = frozenset(task_id for task_id in upstream if dag.get_task(task_id).is_setup)
    needed = (
        frozenset() if task.is_teardown else {setup.task_id for setup in task.get_upstreams_only_setups()}
    )
    ignorable = task.is_teardown and not task.on_failure_fail_dagrun
    leads_on = any(
        not below.is_teardown or below.on_failure_fail_dagrun
        for below in (dag.get_task(task_id) for task_id in task.downstream_task_ids)
    )
    return rules.Node(
        task_id=task.task_id,
        rule=str(getattr(task.trigger_rule, "value", task.trigger_rule)),
        upstream=upstream,
        setups=frozenset(needed) - upstream,
        setups_above=above,
        scope=_scope(dag, task, above) if task.is_teardown else frozenset(),
        is_teardown=task.is_teardown,
        counts_for_run=not ignorable and not leads_on,
    )


def _scope(dag: Any, teardown: Any, setups: frozenset[str]) -> frozenset[str]:
    indirect = teardown.get_flat_relative_ids(upstream=True) - set(teardown.upstream_task_ids)
    below = (dag.get_task(setup).get_flat_relative_ids(upstream=False) for setup in setups)
    return frozenset(indirect & set().union(*below))


@functools.cache
def load_dags(folder: Path) -> Mapping[str, Any]:
    """Import the DAG files of a folder, by DAG id."""
    from airflow.dag_processing.dagbag import DagBag

    bag = DagBag(str(folder))
    if bag.import_errors:
        raise RuntimeError(f"{folder}: expected DAG files without errors, found {bag.import_errors}")
    return dict(bag.dags)


def preload() -> None:
    """Import what every try would import otherwise, and point Dataproc's hooks at the local part."""
    local = importlib.import_module("localcloud.airflow.airflow_local_settings")
    for module in local._IMPORTED_BY_DAGS:
        importlib.import_module(module)
    importlib.import_module("tests.chaos.fast.attempt").set_up_logs()
    load_dags(DAGS)
    # A local cluster and its job take no minutes: whoever waits for one looks often.
    vars(importlib.import_module("landfall_dags.cluster_operators"))["POLL_SECONDS"] = _PAUSE_SECONDS * 3


def _states(tasks: list[Task]) -> dict[str, list[str | None]]:
    states: dict[str, list[str | None]] = {}
    for task in tasks:
        states.setdefault(task.task_id, []).append(task.state)
    return states


def main(arguments: Sequence[str]) -> None:
    """Execute until SIGTERM."""
    parser = argparse.ArgumentParser(prog="executor", description=__doc__)
    parser.add_argument("--state", type=Path, required=True, help="SQLite file with runs, tasks and XComs")
    parser.add_argument("--logs", type=Path, required=True, help="folder for the logs of tries")
    given = parser.parse_args(arguments)
    given.logs.mkdir(parents=True, exist_ok=True)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    executor = Executor(given.state, load_dags(DAGS), given.logs)
    executor.recover()
    while True:
        executor.step()
        time.sleep(_IDLE_SECONDS if executor.is_idle() else _PAUSE_SECONDS)
