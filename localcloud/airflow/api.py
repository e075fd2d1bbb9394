"""Airflow's REST API, as much of it as the command needs."""

import json
import urllib.parse
from datetime import datetime
from typing import Any, Protocol

from localcloud.launcher.web import WebError, fetch, fetch_json

# One process answers everyone, and on a small machine it may have to wait for its turn.
_PATIENCE = 30.0


class Session(Protocol):
    """How requests reach one Airflow: signed in, with JSON for a body. Raises WebError."""

    def __call__(self, url: str, body: Any = None, method: str | None = None) -> bytes: ...


class LocalSession:
    """Signs in as whoever the local Airflow lets in, which is everyone."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._token = ""

    def token(self) -> str:
        """A bearer token for the API, valid for a day."""
        if not self._token:
            answer = fetch_json(f"{self._url}/auth/token", timeout=_PATIENCE)
            self._token = str(answer["access_token"])
        return self._token

    def __call__(self, url: str, body: Any = None, method: str | None = None) -> bytes:
        try:
            return self._ask(url, body, method)
        except WebError as error:
            if error.status not in (401, 403):
                raise
            # One that was started anew does not know the tokens of before.
            self._token = ""
            return self._ask(url, body, method)

    def _ask(self, url: str, body: Any, method: str | None) -> bytes:
        return fetch(url, {"Authorization": f"Bearer {self.token()}"}, body, method, timeout=_PATIENCE)


class Airflow:
    """The Airflow at a base URL, a local one unless there is a session.

    Every method raises WebError when it does not answer.
    """

    def __init__(self, url: str, session: Session | None = None) -> None:
        self.url = url
        self._session = session or LocalSession(url)

    def heartbeats(self) -> dict[str, datetime | None]:
        """When the database, scheduler, dag_processor and triggerer last gave a sign of life (UTC)."""
        health = fetch_json(f"{self.url}/api/v2/monitor/health", timeout=3)
        return {
            name: parse_time(part.get(f"latest_{name}_heartbeat")) for name, part in health.items() if part
        }

    def health(self) -> dict[str, str]:
        """What Airflow says of its own components: healthy or unhealthy, where it runs them."""
        found = self._get("monitor/health").items()
        return {name: str(part["status"]) for name, part in found if part and part.get("status")}

    def dags(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self._get("dags", limit="100")["dags"]
        return found

    def import_errors(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self._get("importErrors", limit="100")["import_errors"]
        return found

    def unpause(self, dag: str) -> None:
        self._session(self._address(f"dags/{dag}"), {"is_paused": False}, "PATCH")

    def runs(self, dag: str, limit: int = 25) -> list[dict[str, Any]]:
        """The newest runs of a DAG, newest first."""
        found: list[dict[str, Any]] = self._get(
            f"dags/{dag}/dagRuns", limit=str(limit), order_by="-run_after"
        )["dag_runs"]
        return found

    def trigger(self, dag: str, run: str, conf: dict[str, Any]) -> None:
        """Ask for a run of a DAG, by an id that no run of it has."""
        self._session(
            self._address(f"dags/{dag}/dagRuns"), {"dag_run_id": run, "logical_date": None, "conf": conf}
        )

    def tasks(self, dag: str, run: str) -> list[dict[str, Any]]:
        """The task instances of one run."""
        path = f"dags/{dag}/dagRuns/{urllib.parse.quote(run, safe='')}/taskInstances"
        found: list[dict[str, Any]] = self._get(path, limit="100")["task_instances"]
        return found

    def _get(self, path: str, **query: str) -> Any:
        url = self._address(path, **query)
        content = self._session(url)
        try:
            return json.loads(content)
        except ValueError as error:
            raise WebError(f"{url}: expected JSON, found {content[:80]!r}") from error

    def _address(self, path: str, **query: str) -> str:
        return f"{self.url}/api/v2/{path}" + (f"?{urllib.parse.urlencode(query)}" if query else "")


def parse_time(text: str | None) -> datetime | None:
    """A moment as the APIs write it, with its zone."""
    return datetime.fromisoformat(text) if text else None
