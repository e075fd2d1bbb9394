"""What a plan has Cloud Monitoring watch: its alerts, the tiles of its dashboard, and what they query."""

import json
import re
from typing import Any

from tests.terraform.plan import Plan, Values, instances, key, planned

_PROMQL = re.compile(r'"prometheusQuery": ("(?:[^"\\]|\\.)*")')


def alerts(plan: Plan) -> dict[str, Values]:
    policies = instances(plan, "google_monitoring_alert_policy.alert")
    return {key(address): values for address, values in policies.items()}


def queries(plan: Plan) -> dict[str, str]:
    """The PromQL of the alerts, by alert, and of the dashboard, by tile."""
    of_alerts = {
        name: query["query"]
        for name, values in alerts(plan).items()
        for condition in values["conditions"]
        for query in condition["condition_prometheus_query_language"]
    }
    found = {
        f"{tile['widget']['title']} {number}": json.loads(query)
        for tile in tiles(plan)
        for number, query in enumerate(_PROMQL.findall(json.dumps(tile)))
    }
    return of_alerts | found


def kept(query: str) -> set[str]:
    """The labels that the query's results have."""
    return {label for group in re.findall(r"by \(([^)]*)\)", query) for label in group.split(", ")}


def tiles(plan: Plan) -> list[dict[str, Any]]:
    dashboard = json.loads(planned(plan)["google_monitoring_dashboard.landfall"]["dashboard_json"])
    found: list[dict[str, Any]] = dashboard["mosaicLayout"]["tiles"]
    return found
