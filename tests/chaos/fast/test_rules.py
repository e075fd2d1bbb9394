"""The rules of the executor beside Airflow's own."""

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from tests.chaos.fast.executor import node_of
from tests.chaos.fast.rules import (
    FAILED,
    FINISHED,
    RUNNING,
    SKIPPED,
    SUCCESS,
    UP_FOR_RETRY,
    UPSTREAM_FAILED,
    Verdict,
    decide,
    retry_at,
    run_ends,
)

STATES = (None, RUNNING, UP_FOR_RETRY, *sorted(FINISHED))
RULES = (
    "all_success",
    "one_failed",
    "all_done",
    "none_failed",
    "none_failed_min_one_success",
    "always",
)


@pytest.fixture(scope="module")
def dag() -> Any:
    """A DAG with every rule behind three tasks, and with a setup and a teardown around two."""
    from airflow.providers.standard.operators.empty import EmptyOperator
    from airflow.sdk import DAG

    with DAG("rules", schedule=None) as made:
        start, make, begin, use, other, delete = (
            EmptyOperator(task_id=name) for name in ("start", "make", "begin", "use", "other", "delete")
        )
        start >> make >> begin >> use >> delete.as_teardown(setups=make)
        use >> EmptyOperator(task_id="far") >> EmptyOperator(task_id="farther")
        for rule in RULES:
            [use, other, start] >> EmptyOperator(task_id=rule, trigger_rule=rule)
    return made


def finished(dag: Any, states: dict[str, list[str | None]]) -> Iterator[Any]:
    for task_id, (state,) in states.items():
        if state in FINISHED:
            yield SimpleNamespace(task_id=task_id, state=state, map_index=-1, task=dag.get_task(task_id))


def airflow_decides(dag: Any, task_id: str, states: dict[str, list[str | None]]) -> Verdict:
    """What Airflow's own dependency says of a task; `dag` as the scheduler reads it from its database."""
    from airflow.ti_deps.dep_context import DepContext
    from airflow.ti_deps.deps.trigger_rule_dep import TriggerRuleDep

    given: list[str] = []

    def set_state(state: Any, session: Any) -> bool:
        given.append(state.value)
        return True

    instance = SimpleNamespace(
        task=dag.get_task(task_id),
        task_id=task_id,
        map_index=-1,
        set_state=set_state,
        get_dagrun=lambda session: None,
    )
    context = DepContext(flag_upstream_failed=True, finished_tis=list(finished(dag, states)))
    # As in Airflow, all of them are asked: asking is what sets a state.
    asked = list(TriggerRuleDep()._get_dep_statuses(instance, context, session=None))  # type: ignore[arg-type]
    if given:
        return Verdict(given[-1])
    return Verdict.RUN if all(status.passed for status in asked) else Verdict.WAIT


def test_tasks_end_or_begin_as_with_airflow(dag: Any) -> None:
    from airflow.serialization.serialized_objects import DagSerialization

    stored = DagSerialization.from_dict(DagSerialization.to_dict(dag))
    nodes = [node_of(dag, task) for task in dag.tasks]
    seeded = random.Random(1)  # noqa: S311
    seen = set()
    for _ in range(500):
        states: dict[str, list[str | None]] = {node.task_id: [seeded.choice(STATES)] for node in nodes}
        for node in nodes:
            expected = airflow_decides(stored, node.task_id, states)
            assert decide(node, states) is expected, (node, states)
            seen.add((node.rule, expected))
    assert len(seen) > 15


@pytest.mark.parametrize(
    ("far", "delete", "expected"),
    [
        (SUCCESS, FAILED, SUCCESS),
        (SKIPPED, SUCCESS, SUCCESS),
        (UPSTREAM_FAILED, SUCCESS, FAILED),
        (None, SUCCESS, None),
    ],
)
def test_a_run_ends_as_its_last_tasks_but_not_as_its_teardown(
    dag: Any, far: str | None, delete: str, expected: str | None
) -> None:
    nodes = [node_of(dag, task) for task in dag.tasks]
    states: dict[str, list[str | None]] = {node.task_id: [SUCCESS] for node in nodes}
    assert run_ends(nodes, states | {"farther": [far], "delete": [delete]}) == expected


def test_retries_wait_as_with_airflow() -> None:
    from airflow.models.taskinstance import TaskInstance

    for attempt in range(1, 8):
        instance = SimpleNamespace(
            retry_delay_override=None,
            task=SimpleNamespace(
                retry_delay=timedelta(seconds=3),
                retry_exponential_backoff=2,
                max_retry_delay=timedelta(seconds=60),
            ),
            try_number=attempt,
            dag_id="ingest_d",
            task_id="claim_batch",
            logical_date=None,
            end_date=datetime(2026, 1, 1, tzinfo=UTC),
        )
        ours = retry_at(
            instance.end_date,
            attempt,
            "ingest_d#claim_batch#None",
            timedelta(seconds=3),
            2,
            timedelta(seconds=60),
        )
        assert ours == TaskInstance.next_retry_datetime(instance)  # type: ignore[arg-type,no-untyped-call]
