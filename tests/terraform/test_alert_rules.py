"""When the alerts of the plan fire, and when not, judged by Prometheus itself: minutes of a made-up day.

Cloud Monitoring evaluates the same language. It differs where a series begins: it counts the first event of
one, which Prometheus cannot see, so every series here begins with a nought.
"""

import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.terraform.log_metrics import metrics
from tests.terraform.monitoring import alerts, queries
from tests.terraform.plan import Plan

COMPOSER = {"monitored_resource": "cloud_composer_environment"}
FUNCTION = {"monitored_resource": "cloud_run_revision"}
DATASET = {"dataset": "price_quote"}
MINUTES = 240
Series = dict[str, str]


@pytest.fixture(scope="module")
def promtool() -> str:
    found = shutil.which(os.environ.get("PROMTOOL", "promtool"))
    if found is None:
        pytest.skip("no promtool on PATH, and PROMTOOL names none: tests/terraform/fetch-promtool gets one")
    return found


@pytest.fixture(scope="module")
def rules(plans: Mapping[str, Plan], promtool: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The alerts as rules; the tiles of the dashboard too, for promtool to read every query."""
    plan = plans["prod"]
    durations = {
        name: condition["duration"]
        for name, values in alerts(plan).items()
        for condition in values["conditions"][0]["condition_prometheus_query_language"]
    }
    document = [
        {"alert": name, "expr": query, "for": durations[name]}
        if name in durations
        else {"record": f"tile:{number}", "expr": query}
        for number, (name, query) in enumerate(queries(plan).items())
    ]
    path = tmp_path_factory.mktemp("rules") / "rules.yml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "landfall", "rules": document}]}))
    return path


def series(name: str, labels: Mapping[str, str], values: str) -> Series:
    matchers = ",".join(f"{label}={json.dumps(value)}" for label, value in labels.items())
    return {"series": f"{name}{{{matchers}}}", "values": values}


def counter(name: str, labels: Mapping[str, str], *minutes: int) -> Series:
    """A counter of events, one at each of these minutes."""
    values = " ".join(str(sum(at <= minute for at in minutes)) for minute in range(MINUTES + 1))
    return series(f"logging_googleapis_com:user_landfall_{name}", labels, values)


def distribution(plan: Plan, name: str, value: float, minute: int) -> list[Series]:
    """The buckets of a distribution that is given one value."""
    (buckets,) = metrics(plan)[f"landfall_{name}"]["bucket_options"][0]["explicit_buckets"]
    return [
        counter(f"{name}_bucket", COMPOSER | DATASET | {"le": le}, *([minute] if value < float(le) else []))
        for le in (*map(str, buckets["bounds"]), "+Inf")
    ]


def judge(
    promtool: str, rules: Path, alert: str, given: list[Series], firing: Mapping[int, bool], **labels: str
) -> None:
    """Have Prometheus say whether the alert fires at these minutes."""
    checks: list[dict[str, Any]] = [
        {
            "eval_time": f"{minute}m",
            "alertname": alert,
            "exp_alerts": [{"exp_labels": labels}] if fires else [],
        }
        for minute, fires in firing.items()
    ]
    document = {
        "rule_files": [rules.name],
        "evaluation_interval": "1m",
        "tests": [{"interval": "1m", "input_series": given, "alert_rule_test": checks}],
    }
    test = rules.with_name("test.yml")
    test.write_text(yaml.safe_dump(document))
    completed = subprocess.run(
        [promtool, "test", "rules", str(test)], capture_output=True, text=True, check=False, timeout=60
    )
    assert completed.returncode == 0, completed.stdout + completed.stderr


def never(*more: int) -> dict[int, bool]:
    return dict.fromkeys((*range(0, MINUTES, 7), *more), False)


def test_one_sweep_that_finds_files_stuck_does_not_alert_and_two_do(promtool: str, rules: Path) -> None:
    labels = COMPOSER | DATASET | {"state": "pending"}
    morning = [counter("stuck", labels, 10, 10, 10)]
    judge(promtool, rules, "stuck", morning, never())
    judge(
        promtool,
        rules,
        "stuck",
        [counter("stuck", labels, 10, 20, 31)],
        {29: False, 31: True, 45: True, 48: False},
        **DATASET,
    )


@pytest.mark.parametrize(("state", "fires"), [("failed", True), ("rejected", True), ("succeeded", False)])
def test_each_batch_that_fails_or_is_refused_alerts_once(
    promtool: str, rules: Path, state: str, fires: bool
) -> None:
    given = [counter("batches", COMPOSER | DATASET | {"state": state}, 10)]
    judge(
        promtool,
        rules,
        "failed_batch",
        given,
        {9: False, 11: fires, 19: fires, 22: False},
        **DATASET,
        state=state,
    )


@pytest.mark.parametrize(
    ("alert", "metric", "value", "fires"),
    [
        ("rejected_share", "rejected_used", 0.0, False),
        ("rejected_share", "rejected_used", 0.49, False),
        ("rejected_share", "rejected_used", 0.51, True),
        ("rejected_share", "rejected_used", 7.0, True),
        ("late_batch", "freshness_used", 0.0, False),
        ("late_batch", "freshness_used", 0.99, False),
        ("late_batch", "freshness_used", 1.01, True),
        ("late_batch", "freshness_used", 5000.0, True),
    ],
)
def test_a_part_above_the_threshold_alerts_and_one_below_does_not(
    promtool: str, rules: Path, plans: Mapping[str, Plan], alert: str, metric: str, value: float, fires: bool
) -> None:
    given = distribution(plans["prod"], metric, value, minute=10)
    judge(promtool, rules, alert, given, {9: False, 12: fires, 25: False}, **DATASET)


@pytest.mark.parametrize(
    ("sweeps", "firing"),
    [
        (range(0, MINUTES, 10), never()),
        (range(40, MINUTES, 10), never()),  # Composer is new: its first sweep is due
        (range(0, 61, 10), {90: False, 130: False, 140: True}),  # it stops after an hour
        ((), {44: False, 46: True}),  # it never comes
    ],
    ids=["regular", "new", "stopped", "never"],
)
def test_a_sweep_is_missed_when_it_does_not_come(
    promtool: str, rules: Path, sweeps: range, firing: dict[int, bool]
) -> None:
    judge(promtool, rules, "sweep_missing", [counter("sweeps", COMPOSER, *sweeps)] if sweeps else [], firing)


def test_events_that_are_deferred_for_a_moment_do_not_alert_and_for_half_an_hour_do(
    promtool: str, rules: Path
) -> None:
    labels = FUNCTION | DATASET | {"outcome": "deferred"}
    judge(promtool, rules, "events_deferred", [counter("function_events", labels, 10, 11, 13)], never())
    coming_again = [counter("function_events", labels, *range(10, 100, 10))]
    judge(promtool, rules, "events_deferred", coming_again, {38: False, 45: True, 100: True, 130: False})


@pytest.mark.parametrize(
    ("alert", "metric", "resource", "labels"),
    [
        ("cluster_left", "clusters_left", COMPOSER, DATASET),
        ("quality_warning", "quality_warnings", COMPOSER, DATASET | {"rule": "filled"}),
        ("event_refused", "function_events", FUNCTION, DATASET | {"outcome": "refused"}),
    ],
)
def test_one_is_enough(
    promtool: str, rules: Path, alert: str, metric: str, resource: dict[str, str], labels: dict[str, str]
) -> None:
    told = {name: value for name, value in labels.items() if name != "outcome"}
    judge(
        promtool,
        rules,
        alert,
        [counter(metric, resource | labels, 10)],
        {9: False, 12: True, 25: False},
        **told,
    )


def test_a_dead_letter_alerts_until_it_is_taken(promtool: str, rules: Path) -> None:
    name = "pubsub_googleapis_com:subscription_num_undelivered_messages"
    labels = {"monitored_resource": "pubsub_subscription", "subscription_id": "landfall-dead-letters"}
    given = [series(name, labels, "0x9 2x90 0x90")]
    judge(promtool, rules, "dead_letter", given, {9: False, 12: True, 90: True, 110: False})


def test_composer_is_unhealthy_when_most_of_its_own_tests_fail(promtool: str, rules: Path) -> None:
    name, minutes = "composer_googleapis_com:environment_healthy", range(MINUTES)
    one_in_three = " ".join(
        "0" if minute % 15 == 0 else "1" if minute % 5 == 0 else "_" for minute in minutes
    )
    judge(promtool, rules, "composer_unhealthy", [series(name, COMPOSER, one_in_three)], never())
    gone = " ".join("_" if minute % 5 else str(int(minute < 60)) for minute in minutes)
    judge(
        promtool,
        rules,
        "composer_unhealthy",
        [series(name, COMPOSER, gone)],
        {59: False, 66: False, 80: True},
    )
