"""What a local cloud can be made to suffer, by name."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

APIS = ("storage", "bigquery", "airflow", "dataproc")


@dataclass(frozen=True)
class Kill:
    """`what` is killed, and started again: each at a share (0 to 1) of the scenario's time."""

    what: str
    at: float
    again_at: float


@dataclass(frozen=True)
class Scenario:
    """Rules as a file of faults has them, and parts that are killed; the sentence is for whoever chooses."""

    sentence: str
    rules: tuple[Mapping[str, Any], ...] = ()
    kills: tuple[Kill, ...] = ()


def _rule(part: str, action: str, probability: float = 1.0, path: str = "", **more: Any) -> dict[str, Any]:
    words = (part, action, *(str(value) for key, value in more.items() if key == "status"))
    match = {"path": path} if path else {}
    return {
        "id": "-".join(words).replace("_", "-"),
        "part": part,
        "action": action,
        "match": match,
        "probability": probability,
        **more,
    }


_SINGLE: Mapping[str, Scenario] = {
    "api-errors": Scenario(
        "One request in eight to any API is answered 429, 500 or 503.",
        tuple(_rule(part, "error", 0.04, status=status) for part in APIS for status in (429, 500, 503)),
    ),
    "dropped-answers": Scenario(
        "One request in ten is done but not answered; one in thirty is lost altogether.",
        (
            *(_rule(part, "drop_after", 0.1) for part in APIS),
            *(_rule(part, "drop_before", 0.03) for part in APIS),
        ),
    ),
    "slow-cloud": Scenario(
        "One request in four takes two seconds longer, and clusters take twenty.",
        (
            *(_rule(part, "delay", 0.25, seconds=2) for part in APIS),
            _rule("dataproc", "slow_create", seconds=20),
            _rule("dataproc", "slow_delete", seconds=20),
        ),
    ),
    "event-storm": Scenario(
        "Events come up to four times, overtake each other, or come ten seconds late.",
        (
            _rule("events", "delay", 0.2, seconds=10),
            _rule("events", "reorder", 0.4, seconds=5),
            _rule("events", "duplicate", copies=3, seconds=1.5),
        ),
    ),
    "lost-events": Scenario(
        "No event arrives: what lands is found by the sweep, or by the next run.",
        (_rule("events", "lose"),),
    ),
    "dying-tasks": Scenario(
        "Airflow's tasks are killed within a request, before or after its effect.",
        tuple(
            _rule(part, f"kill_client_{moment}", 0.05, times=4)
            for part in ("storage", "bigquery", "dataproc")
            for moment in ("before", "after")
        ),
    ),
    "dying-function": Scenario(
        "The function is killed while it asks for a run, and goes altogether for a while.",
        (_rule("airflow", "kill_client_after", 0.4), _rule("airflow", "kill_client_before", 0.4)),
        (Kill("function", 0.3, 0.6),),
    ),
    "scheduler-outage": Scenario(
        "The scheduler is killed with all its tasks, and is away for half of the time.",
        kills=(Kill("scheduler", 0.2, 0.7),),
    ),
    "cloud-outage": Scenario(
        "Every process of the cloud is killed at once, and started again.",
        kills=(Kill("everything", 0.4, 0.5),),
    ),
    "cluster-trouble": Scenario(
        "Clusters end in ERROR, are slow to come and go, or vanish with their job.",
        (
            _rule("dataproc", "cluster_error", 0.5, times=2),
            _rule("dataproc", "slow_create", 0.5, seconds=15),
            _rule("dataproc", "slow_delete", 0.5, seconds=15),
            _rule("dataproc", "vanish_cluster", 0.5, seconds=3, times=2),
        ),
    ),
    "preemption": Scenario(
        "Spot workers vanish under a running job; single workers and the driver die.",
        (
            _rule("dataproc", "lose_secondaries", 0.5, seconds=1),
            _rule("dataproc", "kill_worker", 0.7, seconds=0.5),
            _rule("dataproc", "kill_driver", 0.3, seconds=2, times=2),
        ),
    ),
}


def _everything() -> Scenario:
    """A little of each; events are not lost altogether, so that something happens."""
    rules = {
        rule["id"]: {**rule, "probability": round(rule["probability"] / 4, 4)}
        for scenario in _SINGLE.values()
        for rule in scenario.rules
    }
    kills = (Kill("function", 0.15, 0.2), Kill("scheduler", 0.35, 0.5), Kill("everything", 0.7, 0.75))
    return Scenario("A little of all of the above.", tuple(rules.values()), kills)


SCENARIOS: Mapping[str, Scenario] = {**_SINGLE, "everything": _everything()}
