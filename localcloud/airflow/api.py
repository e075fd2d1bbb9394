"""Airflow's REST API, as much of it as the command needs."""

import urllib.parse
from datetime import datetime
from typing import Any

from localcloud.launcher.web import fetch, fetch_json


class Airflow:
    """The Airflow at a base URL; every method raises WebError when it does not answer."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._token = ""

    def token(self) -> str:
        """A bearer token for the API, valid for a day."""
        if not self._token:
            self._token = str(fetch_json(f"{self.url}/auth/token")["access_token"])
        return self._token

    def heartbeats(self) -> dict[str, datetime | None]:
        """When the database, scheduler, dag_processor and triggerer last gave a sign of life (UTC)."""
        health = fetch_json(f"{self.url}/api/v2/monitor/health", timeout=3)
        return {
            name: parse_time(part.get(f"latest_{name}_heartbeat")) for name, part in health.items() if part
        }

    def dags(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self._get("dags", limit="100")["dags"]
        return found

    def import_errors(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self._get("importErrors", limit="100")["import_errors"]
        return found

    def unpause(self, dag: str) -> None:
        fetch(self._address(f"dags/{dag}"), self._headers(), {"is_paused": False}, method="PATCH")

    def runs(self, dag: str, limit: int = 25) -> list[dict[str, Any]]:
        """The newest runs of a DAG, newest first."""
        found: list[dict[str, Any]] = self._get(
            f"dags/{dag}/dagRuns", limit=str(limit), order_by="-run_after"
        )["dag_runs"]
        return found

    def trigger(self, dag: str, run: str, conf: dict[str, Any]) -> None:
        """Ask for a run of a DAG, by an id that no run of it has."""
        body = {"dag_run_id": run, "logical_date": None, "conf": conf}
        fetch(self._address(f"dags/{dag}/dagRuns"), self._headers(), body)

    def tasks(self, dag: str, run: str) -> list[dict[str, Any]]:
        """The task instances of one run."""
        path = f"dags/{dag}/dagRuns/{urllib.parse.quote(run, safe='')}/taskInstances"
        found: list[dict[str, Any]] = self._get(path, limit="100")["task_instances"]
        return found

    def _get(self, path: str, **query: str) -> Any:
        return fetch_json(self._address(path, **query), self._headers())

    def _address(self, path: str, **query: str) -> str:
        return f"{self.url}/api/v2/{path}" + (f"?{urllib.parse.urlencode(query)}" if query else "")

    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token()}"}


def parse_time(text: str | None) -> datetime | None:
    """A moment as the APIs write it, with its zone."""
    return datetime.fromisoformat(text) if text else None
